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
