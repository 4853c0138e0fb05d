//! The stable name of a log: a link to the serving instance's own file.

use super::ShimError;
use fs_err as fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Makes `link` point to `target`, in one step: readers see the old file or the new one, never none.
///
/// # Errors
/// [`ShimError::File`] if the folder cannot be written.
pub fn point_log_link(link: &Path, target: &Path) -> Result<(), ShimError> {
    let mut fresh = link.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = Path::new(&fresh);
    let make = || -> io::Result<()> {
        match fs::remove_file(fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        symlink(target, fresh)?;
        fs::rename(fresh, link)
    };
    make().map_err(ShimError::file("point the log link", link))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_moves_on() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("beacon-1-stdout.log");
        for target in ["i1.log", "i2.log"] {
            point_log_link(&link, Path::new(target)).unwrap();
            assert_eq!(fs::read_link(&link).unwrap(), Path::new(target));
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }
}
