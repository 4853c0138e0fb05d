//! The Erlang cookie of an app: made once, kept 0600, never logged.

use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, fchown};
use std::path::Path;

/// Characters of a cookie; each carries five bits.
const LENGTH: usize = 32;

/// Letters that no shell, URL or Erlang atom minds.
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Reads an app's cookie, making one the first time.
///
/// # Errors
/// When it can neither be read nor made.
pub fn read_or_make(path: &Path) -> io::Result<String> {
    match fs_err::read_to_string(path) {
        Ok(cookie) if !cookie.is_empty() => Ok(cookie),
        Ok(_) => make(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => make(path),
        Err(error) => Err(error),
    }
}

fn make(path: &Path) -> io::Result<String> {
    let mut random = [0_u8; LENGTH];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let cookie: String = random.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect();
    write_private(path, cookie.as_bytes(), 0o600, None)?;
    Ok(cookie)
}

/// Writes a file that only its owner may read, visible by one rename. It gets its owner before it gets its name: the
/// folder may belong to somebody who would put a link in its place.
///
/// # Errors
/// When the file cannot be written; nothing is visible then.
pub fn write_private(path: &Path, bytes: &[u8], mode: u32, owner: Option<(u32, u32)>) -> io::Result<()> {
    let folder = path.parent().ok_or_else(|| io::Error::other("a file needs a folder"))?;
    fs_err::create_dir_all(folder)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = folder.join(format!(".{name}.new"));
    let _ = fs_err::remove_file(&temporary);
    let mut file = fs_err::OpenOptions::from_options(
        std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).clone(),
    )
    .open(&temporary)?;
    file.write_all(bytes)?;
    if let Some((uid, gid)) = owner {
        fchown(file.file(), Some(uid), Some(gid))?;
    }
    file.sync_all()?;
    fs_err::rename(&temporary, path)?;
    fs_err::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn mode(path: &Path) -> u32 {
        fs_err::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn made_once_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cookies/beacon");
        let cookie = read_or_make(&path).unwrap();
        assert_eq!(cookie.len(), LENGTH);
        assert!(cookie.bytes().all(|letter| ALPHABET.contains(&letter)), "{cookie}");
        assert_eq!(mode(&path), 0o600);
        assert_eq!(read_or_make(&path).unwrap(), cookie);
        assert_ne!(read_or_make(&folder.path().join("cookies/buoy")).unwrap(), cookie);
    }

    #[test]
    fn an_empty_one_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("beacon");
        fs_err::write(&path, "").unwrap();
        assert_eq!(read_or_make(&path).unwrap().len(), LENGTH);
        assert_eq!(mode(&path), 0o600, "also where an open file lay");
    }

    #[test]
    fn one_that_cannot_be_read_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("beacon");
        fs_err::write(&path, [0xff]).unwrap();
        assert!(read_or_make(&path).is_err());
        assert_eq!(fs_err::read(&path).unwrap(), [0xff]);
    }

    #[test]
    fn visible_by_one_rename_whatever_an_earlier_attempt_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("beacon");
        let temporary = folder.path().join(".beacon.new");
        fs_err::write(&temporary, "half").unwrap();
        write_private(&path, b"WHOLE", 0o400, None).unwrap();
        assert_eq!(fs_err::read(&path).unwrap(), b"WHOLE");
        assert_eq!(mode(&path), 0o400);
        assert!(!temporary.exists());
    }

    #[test]
    fn a_link_in_the_way_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let outside = folder.path().join("outside");
        fs_err::write(&outside, "theirs").unwrap();
        fs_err::os::unix::fs::symlink(&outside, folder.path().join(".beacon.new")).unwrap();
        write_private(&folder.path().join("beacon"), b"COOKIE", 0o600, None).unwrap();
        assert_eq!(fs_err::read(&outside).unwrap(), b"theirs");
    }

    #[test]
    fn nothing_is_visible_when_it_cannot_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("beacon");
        // A folder that is not empty cannot be replaced by a file.
        fs_err::create_dir_all(path.join("x")).unwrap();
        assert!(write_private(&path, b"COOKIE", 0o600, None).is_err());
        assert!(path.join("x").is_dir());
    }
}
