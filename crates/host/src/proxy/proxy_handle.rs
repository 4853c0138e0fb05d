//! How the rest of the daemon reaches the proxy: wishes for routes, waiting for drained instances, facts.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::{AppName, InstanceId};
use tokio::sync::watch;
use tokio::time::timeout;
use wire::proxy::{Drained, Front, Table};

use super::book::{Page, Put, RouteBook};
use super::facts::{Process, ProxyFacts};

/// How long a route may take until all cores of the proxy serve by it, its start included.
const APPLIED: Duration = Duration::from_secs(10);

/// Why the proxy does not serve what was wanted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unserved {
    /// The app has wanted something else since.
    #[error("the app has wanted another route since")]
    Superseded,
    /// It refused the table.
    #[error("{0}")]
    Refused(String),
    /// It cannot be asked, or did not answer.
    #[error("the proxy did not take the new routes within {}{}", model::human::duration(APPLIED), because(.0))]
    Late(Option<String>),
}

fn because(why: &Option<String>) -> String {
    why.as_ref().map(|why| format!(": {why}")).unwrap_or_default()
}

/// The way to the proxy; clones are the same way.
#[derive(Debug, Clone)]
pub struct Proxy {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    book: Mutex<RouteBook>,
    /// Counts the changes of the book.
    changes: watch::Sender<u64>,
    facts: watch::Sender<ProxyFacts>,
    /// How many want reports often.
    watchers: watch::Sender<usize>,
}

impl Proxy {
    /// The way to a proxy that a [`super::Keeper`] keeps.
    pub fn new(epoch: u64, front: Front) -> Self {
        let shared = Shared {
            book: Mutex::new(RouteBook::new(epoch, front)),
            changes: watch::Sender::new(0),
            facts: watch::Sender::default(),
            watchers: watch::Sender::default(),
        };
        Proxy { shared: Arc::new(shared) }
    }

    /// Takes the routes of all apps, in the order in which they were registered; before that nothing is told to the
    /// proxy.
    pub fn open(&self, pages: Vec<Page>) {
        self.book().open(pages);
        self.shared.changes.send_modify(|count| *count += 1);
    }

    /// An app was registered: it comes behind those that are known.
    pub fn register(&self, app: &AppName) {
        self.book().register(app);
    }

    /// Has the proxy serve this for an app; returns when it is saved and all cores serve by it.
    ///
    /// # Errors
    /// [`Unserved`]; after [`Unserved::Late`] the proxy may serve it, and will as soon as it can be asked.
    pub async fn serve(&self, page: Page) -> Result<u64, Unserved> {
        let revision = match self.book().put(page) {
            Put::In(revision) => revision,
            Put::Superseded => return Err(Unserved::Superseded),
        };
        self.shared.changes.send_modify(|count| *count += 1);
        let mut facts = self.facts();
        let settled = facts.wait_for(|facts| {
            let refused = facts.refused.as_ref().is_some_and(|(refused, _)| *refused >= revision);
            facts.applied >= revision || refused || facts.process == Process::Off
        });
        match timeout(APPLIED, settled).await {
            Ok(Ok(facts)) => match &facts.refused {
                Some((_, why)) if facts.applied < revision => Err(Unserved::Refused(why.clone())),
                _ => Ok(revision),
            },
            _ => Err(Unserved::Late(self.trouble())),
        }
    }

    /// Waits until nothing of an instance is in flight in any proxy of this host, at most this long; `None` when it was not told in time.
    pub async fn drained(&self, app: &AppName, instance: InstanceId, within: Duration) -> Option<Drained> {
        let key = (app.to_string(), instance.0);
        let mut facts = self.facts();
        let told = facts.wait_for(|it| it.is_drained(&key).is_some() || it.process == Process::Off);
        let facts = timeout(within, told).await.ok()?.ok()?;
        Some(facts.is_drained(&key).unwrap_or_default())
    }

    /// What is known of the proxy, and when that changes.
    pub fn facts(&self) -> watch::Receiver<ProxyFacts> {
        self.shared.facts.subscribe()
    }

    /// Waits until the proxy serves by what was loaded, or it is plain that it will not soon.
    pub async fn settled(&self, within: Duration) {
        let mut facts = self.facts();
        let settled = facts.wait_for(|it| {
            it.applied > 0
                || it.refused.is_some()
                || matches!(it.process, Process::Off | Process::Failing { .. })
        });
        // Late or not: what follows does not depend on it.
        let _ = timeout(within, settled).await;
    }

    /// Why the proxy cannot be asked, if that is known.
    pub fn trouble(&self) -> Option<String> {
        let facts = self.shared.facts.borrow();
        match &facts.process {
            Process::Failing { why } => Some(why.clone()),
            _ => facts.unreached.clone(),
        }
    }

    /// While the guard lives, reports come every second.
    pub fn watch_closely(&self) -> CloseWatch {
        self.shared.watchers.send_modify(|count| *count += 1);
        CloseWatch { shared: self.shared.clone() }
    }

    /// Everything that is wanted, once it is known.
    pub fn table(&self) -> Option<Table> {
        self.book().table()
    }

    pub(super) fn rise_above(&self, served: u64) {
        self.book().rise_above(served);
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    pub(super) fn watchers(&self) -> watch::Receiver<usize> {
        self.shared.watchers.subscribe()
    }

    pub(super) fn note(&self, change: impl FnOnce(&mut ProxyFacts)) {
        self.shared.facts.send_modify(change);
    }

    fn book(&self) -> std::sync::MutexGuard<'_, RouteBook> {
        self.shared.book.lock().expect("nobody panics while holding it")
    }
}

/// See [`Proxy::watch_closely`].
#[derive(Debug)]
pub struct CloseWatch {
    shared: Arc<Shared>,
}

impl Drop for CloseWatch {
    fn drop(&mut self) {
        self.shared.watchers.send_modify(|count| *count -= 1);
    }
}
