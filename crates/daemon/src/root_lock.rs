//! One daemon per root.

use std::fs::TryLockError;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, bail};

/// Held for the daemon's life; the kernel lets go of it when the daemon ends, however it ends.
#[derive(Debug)]
pub struct RootLock {
    _file: std::fs::File,
}

impl RootLock {
    /// Takes the lock, or says that another daemon has it.
    pub fn take(path: &Path) -> anyhow::Result<Self> {
        let options =
            fs_err::OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)?;
        let mut file = options.into_parts().0;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let other = fs_err::read_to_string(path).unwrap_or_default();
                bail!(
                    "another bellrockd (pid {}) runs on this root ({}); stop it first",
                    other.trim(),
                    path.display()
                );
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).context(format!("could not lock {}", path.display()));
            }
        }
        file.set_len(0)?;
        // For people to read; nobody signals a number found on disk.
        writeln!(file, "{}", std::process::id())?;
        Ok(RootLock { _file: file })
    }
}
