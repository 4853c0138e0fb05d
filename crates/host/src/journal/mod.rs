//! The journal: what was decided, durable before it is done.
//!
//! SQLite in WAL mode with `synchronous = FULL`, one writer thread; readers have a connection and a thread of
//! their own, so that a slow question never delays a turn. The database is copied before its schema changes.

mod database;
mod prepare;
mod read;
mod records;
mod schema;
mod tasks;
mod write;

use std::path::{Path, PathBuf};

use database::Database;
use model::human;
use rusqlite::ErrorCode;
use tokio::sync::watch;

pub use prepare::Prepared;
pub use records::{
    AuditRecord, DeploymentRecord, EventRecord, ExitRecord, Listing, Preparation, PrepareEnd, PrepareRun,
    Task, TaskEnd, TaskHow, TaskRecord,
};

/// Why the journal could not be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The database could not be opened.
    #[error("could not open the journal {path}")]
    Open {
        /// The database.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// A newer daemon wrote it.
    #[error(
        "the journal {path} has schema {found}, this bellrockd knows {known}: install the newer bellrockd again, or restore the copy {path}.schema-{known}"
    )]
    Newer {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: u32,
        /// The newest that this program knows.
        known: u32,
    },
    /// A statement failed.
    #[error("the journal refused a statement ({what})")]
    Statement {
        /// What was being done.
        what: &'static str,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// There is no room for what was to be written.
    #[error(
        "could not write to the journal ({what}): {} are free on the disk of {folder}; free some room there (delete versions, lower keep_versions or log.keep); meanwhile what runs goes on, and nothing new begins",
        human::bytes(*free_bytes)
    )]
    Full {
        /// What was being done.
        what: &'static str,
        /// Where the journal is.
        folder: PathBuf,
        /// What is free there now.
        free_bytes: u64,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// A record could not be read.
    #[error("the journal holds a record that cannot be read ({what})")]
    Record {
        /// Which.
        what: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The file system got in the way.
    #[error("the journal's files could not be handled")]
    Files(#[from] std::io::Error),
    /// The journal's thread has ended.
    #[error("the journal is closed")]
    Closed,
}

impl JournalError {
    /// Says of a statement that failed for want of room where and how much there is.
    fn with_room(self, folder: &Path) -> Self {
        match self {
            JournalError::Statement { what, source }
                if source.sqlite_error_code() == Some(ErrorCode::DiskFull) =>
            {
                let free_bytes = crate::disk::free_bytes(folder).unwrap_or_default();
                JournalError::Full { what, folder: folder.to_owned(), free_bytes, source }
            }
            other => other,
        }
    }
}

/// Cloneable handle of the journal.
#[derive(Clone)]
pub struct Journal {
    writer: Database,
    reader: Database,
    /// Changed when there are new events.
    news: watch::Sender<()>,
}

impl Journal {
    /// Opens the journal, creating or migrating it.
    ///
    /// # Errors
    /// [`JournalError::Newer`] for a database of a newer schema; nothing was changed then.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let connection = schema::open(path)?;
        let reader = schema::open_to_read(path)?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let writer = Database::start("journal", folder, connection, None);
        // Only who may write can take the WAL into the database, which the last to close it does.
        let reader = Database::start("journal-read", folder, reader, Some(writer.clone()));
        Ok(Journal { writer, reader, news: watch::Sender::new(()) })
    }

    /// Copies the journal as it is now to a file that is made for it, readable to its owner alone.
    ///
    /// # Errors
    /// When the copy could not be made.
    pub async fn copy_to(&self, path: PathBuf) -> Result<(), JournalError> {
        self.reader.run(move |connection| schema::copy(connection, &path)).await
    }

    /// What is wrong with a journal that nobody uses; empty when this program can open it as it is. Blocks.
    ///
    /// # Errors
    /// [`JournalError`], [`JournalError::Newer`] among them.
    pub fn check(path: &Path) -> Result<Vec<String>, JournalError> {
        schema::check(path)
    }

    /// Changes when there are events that [`Self::events`] did not have before.
    pub fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }
}

#[cfg(test)]
mod tests;
