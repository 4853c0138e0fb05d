//! Backups of a root's state: everything that cannot be made again from something else.
//!
//! A backup is a tar archive. Its files are named by their path below the root; its last entry is a [`Manifest`] with
//! the size and digest of each, so that one that was cut off is seen to be. It holds what the daemon would not find
//! again: the journal, settings, cookies, papers (packages among them), and what runners of commands saved — a command
//! that had begun when the backup was made is known to have begun where it is restored, and is not run a second time.

mod restore;
mod write;

use std::path::PathBuf;

use jiff::Timestamp;
use package::Sha256Digest;
use serde::{Deserialize, Serialize};

use crate::journal::JournalError;

pub use restore::restore;
pub use write::{Contents, write};

/// Name of the manifest's entry.
const MANIFEST: &str = "bellrock-backup.json";

/// The form of backups that this program writes, and the newest that it reads.
const FORMAT: u32 = 1;

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The form of the backup.
    pub format: u32,
    /// The program that wrote it.
    pub bellrock: String,
    /// Name of the host that it was made on.
    pub host: String,
    /// When.
    pub at: Timestamp,
    /// Whether packages are in it.
    pub packages: bool,
    /// Its files, in their order.
    pub files: Vec<SavedFile>,
}

/// One file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedFile {
    /// Below the root.
    pub path: String,
    /// Its size.
    pub size_bytes: u64,
    /// Digest of its content.
    pub sha256: Sha256Digest,
}

/// Why a backup was not made or not restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A copy of the journal could not be made, or what was restored is none.
    #[error("the journal")]
    Journal(#[from] JournalError),
    /// A file of this host.
    #[error("could not {doing} {path}", path = path.display())]
    File {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The archive itself.
    #[error("could not {doing} the backup")]
    Archive {
        /// What was being done.
        doing: &'static str,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// It is no backup, or one that cannot be trusted.
    #[error("this is not a whole backup: {0}; nothing was changed")]
    NotWhole(String),
    /// A newer program wrote it.
    #[error(
        "the backup has form {found}, this bellrockd reads {FORMAT}: install Bellrock {bellrock} or newer; nothing was changed"
    )]
    Newer {
        /// Its form.
        found: u32,
        /// The program that wrote it.
        bellrock: String,
    },
    /// Something is there already.
    #[error(
        "{path} is there already, and is not what the backup holds; restore into an empty root, or move it away; nothing was changed",
        path = path.display()
    )]
    InTheWay {
        /// What is in the way.
        path: PathBuf,
    },
}

impl BackupError {
    fn file(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| BackupError::File { doing, path, source }
    }

    fn archive(doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| BackupError::Archive { doing, source }
    }
}

#[cfg(test)]
mod tests;
