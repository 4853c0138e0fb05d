//! The journal of a simulation: the real one in a folder of memory, or one that keeps what the real one would.

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use engine::Turn;
use host::journal::JournalError;
use model::app::App;

use crate::chance::Chance;
use crate::scenario::Storage;
use crate::shared::Shared;

/// Where the app is kept over the daemon's lives.
pub(crate) enum Disk {
    /// In [`crate::world::World::durable`], read back through its JSON.
    Memory,
    /// In the real journal.
    Sqlite(tempfile::TempDir),
}

impl Disk {
    /// A new one.
    pub(crate) fn new(storage: Storage) -> std::io::Result<Self> {
        Ok(match storage {
            Storage::Memory => Disk::Memory,
            Storage::Sqlite => {
                let in_memory = PathBuf::from("/dev/shm");
                let parent = if in_memory.is_dir() { in_memory } else { std::env::temp_dir() };
                Disk::Sqlite(tempfile::Builder::new().prefix("bellrock-simulator").tempdir_in(parent)?)
            }
        })
    }

    /// Opens the journal for a life of the daemon, and reads the app.
    pub(crate) fn open(&self, shared: &Arc<Shared>) -> Result<(Open, App), JournalError> {
        let known = shared.world().durable.clone();
        let Disk::Sqlite(folder) = self else {
            let json = serde_json::to_string(&*known).expect("a state can be written");
            let app = serde_json::from_str(&json).expect("a state can be read");
            return Ok((Open::Memory, app));
        };
        let journal = host::journal::Journal::open(&folder.path().join("state.db"))?;
        at_once(journal.create(&known))?;
        let app = at_once(journal.apps())?.remove(0);
        Ok((Open::Sqlite(journal), app))
    }
}

/// Waits for something that another thread does. The whole simulation stands still meanwhile, so that it takes no time of
/// its own and always comes between the same two things.
fn at_once<T>(work: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut work = pin!(work);
    loop {
        match work.as_mut().poll(&mut context) {
            Poll::Ready(done) => return done,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// The journal of one life of the daemon.
pub(crate) enum Open {
    /// See [`Disk::Memory`].
    Memory,
    /// See [`Disk::Sqlite`].
    Sqlite(host::journal::Journal),
}

/// The journal, as the engine sees it.
pub(crate) struct Remembers {
    pub(crate) journal: Open,
    pub(crate) shared: Arc<Shared>,
}

impl engine::Journal for Remembers {
    type Error = JournalError;

    async fn commit(&self, turn: Turn) -> Result<(), JournalError> {
        let wait = {
            let world = self.shared.world();
            Chance::new(world.versions.seed, &[4, self.shared.witness().turns]).below(6)
        };
        tokio::time::sleep(Duration::from_millis(wait)).await;
        if let Open::Sqlite(journal) = &self.journal {
            at_once(journal.commit(turn.at, &turn.event, &turn.stepped))?;
        }
        self.shared.witness().sees(&mut self.shared.world(), &turn);
        self.shared.changed.notify_one();
        Ok(())
    }
}
