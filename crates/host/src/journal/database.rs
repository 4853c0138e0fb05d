//! A SQLite connection on a thread of its own.

use std::path::{Path, PathBuf};
use std::sync::mpsc;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::JournalError;

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// Jobs wait here; callers wait when it is full.
pub(super) const QUEUE: usize = 256;

/// Handle of the thread; it ends when the last handle is dropped.
#[derive(Clone)]
pub(super) struct Database {
    jobs: mpsc::SyncSender<Job>,
    /// Where its files are.
    folder: PathBuf,
}

impl Database {
    /// Starts the thread. Its connection is closed before that of `last`, which outlives it.
    pub(super) fn start(
        name: &str,
        folder: &Path,
        mut connection: Connection,
        last: Option<Database>,
    ) -> Self {
        let (jobs, inbox) = mpsc::sync_channel::<Job>(QUEUE);
        let work = move || {
            for job in inbox {
                job(&mut connection);
            }
            drop(connection);
            drop(last);
        };
        std::thread::Builder::new().name(name.into()).spawn(work).expect("the daemon can start its threads");
        Database { jobs, folder: folder.to_owned() }
    }

    /// Runs a job on the connection.
    pub(super) async fn run<T, F>(&self, job: F) -> Result<T, JournalError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T, JournalError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let boxed: Job = Box::new(move |connection| {
            // Whoever asked may have gone away.
            let _ = reply.send(job(connection));
        });
        let jobs = self.jobs.clone();
        match jobs.try_send(boxed) {
            Ok(()) => {}
            Err(mpsc::TrySendError::Full(boxed)) => {
                let sent = tokio::task::spawn_blocking(move || jobs.send(boxed)).await;
                sent.map_err(|_| JournalError::Closed)?.map_err(|_| JournalError::Closed)?;
            }
            Err(mpsc::TrySendError::Disconnected(_)) => return Err(JournalError::Closed),
        }
        let done = answer.await.map_err(|_| JournalError::Closed)?;
        done.map_err(|error| error.with_room(&self.folder))
    }
}
