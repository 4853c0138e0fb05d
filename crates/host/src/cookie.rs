//! The Erlang cookie of an app: made once, kept 0600, never logged.

use std::io;
use std::path::Path;

use package::durable::write_whole;

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
    fs_err::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
    write_whole(path, cookie.as_bytes(), 0o600, None)?;
    Ok(cookie)
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
}
