//! The lock a shim holds for life: whether it is held says whether the shim lives.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::path::Path;

/// Whether somebody holds the OFD lock on this file; only looks, so it can disturb nobody. A missing file is
/// held by nobody.
pub(crate) fn is_held(path: &Path) -> io::Result<bool> {
    let file = match fs_err::OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file.into_parts().0,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let found = ask(&file, libc::F_OFD_GETLK)?;
    Ok(found.l_type != libc::F_UNLCK as libc::c_short)
}

/// Takes the lock, as a successor that cleans up; `None`: the shim lives.
pub(crate) fn take(path: &Path) -> io::Result<Option<File>> {
    let file = fs_err::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    let file = file.into_parts().0;
    match ask(&file, libc::F_OFD_SETLK) {
        Ok(_) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

fn ask(file: &File, command: libc::c_int) -> io::Result<libc::flock> {
    // SAFETY: flock is plain data, for which zeros are valid.
    let mut lock: libc::flock = unsafe { MaybeUninit::zeroed().assume_init() };
    lock.l_type = libc::F_WRLCK as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    // SAFETY: the descriptor is open and `lock` is a valid flock that outlives the call.
    match unsafe { libc::fcntl(file.as_raw_fd(), command, &raw mut lock) } {
        0 => Ok(lock),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_by_one_at_a_time_and_only_while_open() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        assert!(!is_held(&path).unwrap(), "no file, no holder");
        let holder = take(&path).unwrap();
        assert!(holder.is_some());
        assert!(is_held(&path).unwrap());
        assert!(take(&path).unwrap().is_none());
        drop(holder);
        assert!(!is_held(&path).unwrap());
    }
}
