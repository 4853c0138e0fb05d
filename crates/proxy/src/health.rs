//! The proxy's own continuous checks: one task per backend that gets traffic, on the control thread. What requests find
//! out (nobody listens, no answer) is counted in. After a start of the proxy all are taken for up until checked.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::header::{CONNECTION, HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use wire::proxy::{BackendMode, HealthCheck};

use crate::core::Fact;
use crate::instance::{Backend, Health};
use crate::serving::{Entry, Route, Serving};

/// All checks.
pub(crate) struct Checks {
    running: RefCell<HashMap<u64, Running>>,
    /// Told of each change.
    tell: Rc<dyn Fn(&Change)>,
}

/// A backend's health has changed.
pub(crate) struct Change {
    pub(crate) backend: Arc<Backend>,
    pub(crate) health: Health,
    pub(crate) reason: String,
}

struct Running {
    check: Rc<Check>,
    task: AbortHandle,
    /// What it was made from; another one is started when this changes.
    of: (SocketAddr, Option<HealthCheck>),
}

struct Check {
    backend: Arc<Backend>,
    address: SocketAddr,
    how: Option<HealthCheck>,
    /// Requests have found something out.
    hint: Notify,
    /// Bad answers in a row, failed requests counted in.
    bad: Cell<u32>,
    good: Cell<u32>,
    reason: RefCell<String>,
}

/// Why a check failed.
#[derive(Debug, Error)]
enum Bad {
    #[error("it takes no connection: {0}")]
    Connect(std::io::Error),
    #[error("it did not answer its check within {} ms", .0.as_millis())]
    Slow(Duration),
    #[error("it broke its check off")]
    Broken,
    #[error("it answered its check with {0}")]
    Status(StatusCode),
}

/// Why one is down that refuses connections.
const NOBODY: &str = "nobody listens at its address";
/// First wait before a backend at which nobody listens is tried again; it doubles up to the interval.
const RECHECK: Duration = Duration::from_millis(50);
/// Interval where the table gives none.
const INTERVAL: Duration = Duration::from_secs(1);
/// Limit of an answer where the table gives none.
const WITHIN: Duration = Duration::from_secs(5);

impl Checks {
    pub(crate) fn new(tell: Rc<dyn Fn(&Change)>) -> Self {
        Self { running: RefCell::default(), tell }
    }

    /// Checks what gets traffic by this table, and nothing else.
    pub(crate) fn follow(&self, serving: &Serving) {
        let mut running = self.running.borrow_mut();
        let mut before = std::mem::take(&mut *running);
        for route in &serving.routes {
            for entry in route.backends.iter().filter(|entry| entry.mode == BackendMode::Active) {
                let uid = entry.backend.uid;
                let of = (entry.health_address, route.health.clone());
                let kept = before.remove(&uid).filter(|known| known.of == of);
                running.insert(uid, kept.unwrap_or_else(|| self.start(route, entry)));
            }
        }
    }

    fn start(&self, route: &Route, entry: &Entry) -> Running {
        let check = Rc::new(Check {
            backend: entry.backend.clone(),
            address: entry.health_address,
            how: route.health.clone(),
            hint: Notify::new(),
            bad: Cell::new(0),
            good: Cell::new(0),
            reason: RefCell::default(),
        });
        let task = tokio::task::spawn_local(check.clone().run(self.tell.clone())).abort_handle();
        Running { check, task, of: (entry.health_address, route.health.clone()) }
    }

    /// What a request has found out.
    pub(crate) fn hint(&self, fact: Fact) {
        let (Fact::Refused(uid) | Fact::Failed(uid)) = fact;
        let running = self.running.borrow();
        let Some(Running { check, .. }) = running.get(&uid) else { return };
        match fact {
            // who found it out has set the health already
            Fact::Refused(_) => check.tell(Health::Refusing, NOBODY, &*self.tell),
            Fact::Failed(_) if check.how.is_none() => return,
            Fact::Failed(_) => check.count_bad("a request got no answer", &*self.tell),
        }
        check.hint.notify_one();
    }

    /// Why a backend is down.
    pub(crate) fn reason(&self, uid: u64) -> String {
        self.running
            .borrow()
            .get(&uid)
            .map_or_else(String::new, |running| running.check.reason.borrow().clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Check {
    async fn run(self: Rc<Self>, tell: Rc<dyn Fn(&Change)>) {
        let mut wait = Duration::ZERO;
        loop {
            if self.how.is_none() && self.backend.health() == Health::Up {
                // looks now and then all the same: a hint may have been lost
                let _ = timeout(INTERVAL, self.hint.notified()).await;
                wait = RECHECK;
                continue;
            }
            tokio::select! {
                () = sleep(wait) => {}
                () = self.hint.notified() => {}
            }
            match self.ask().await {
                Ok(()) => self.count_good(&*tell),
                Err(bad) if matches!(&bad, Bad::Connect(error) if is_refusal(error)) => {
                    self.tell(Health::Refusing, NOBODY, &*tell);
                }
                Err(bad) => self.count_bad(&bad.to_string(), &*tell),
            }
            wait = match self.backend.health() {
                Health::Refusing => (wait * 2).clamp(RECHECK, self.interval()),
                Health::Up | Health::Failing => jittered(self.interval()),
            };
        }
    }

    fn interval(&self) -> Duration {
        let given = self.how.as_ref().map_or(0, |how| how.interval_ms);
        if given == 0 { INTERVAL } else { Duration::from_millis(given) }
    }

    async fn ask(&self) -> Result<(), Bad> {
        let given = self.how.as_ref().map_or(0, |how| how.timeout_ms);
        let within = if given == 0 { WITHIN } else { Duration::from_millis(given) };
        timeout(within, self.ask_at_leisure()).await.map_err(|_| Bad::Slow(within))?
    }

    async fn ask_at_leisure(&self) -> Result<(), Bad> {
        let stream = TcpStream::connect(self.address).await.map_err(Bad::Connect)?;
        let path = self.how.as_ref().map_or("", |how| how.path.as_str());
        if path.is_empty() {
            return Ok(());
        }
        let status = get(stream, self.address, path).await.map_err(|_| Bad::Broken)?;
        if status.is_success() { Ok(()) } else { Err(Bad::Status(status)) }
    }

    fn count_good(&self, tell: &dyn Fn(&Change)) {
        self.bad.set(0);
        self.good.set(self.good.get().saturating_add(1));
        let needed = self.how.as_ref().map_or(1, |how| how.successes.max(1));
        // nobody listened and somebody does now: it has been started anew and begins without a record
        if self.good.get() >= needed || self.backend.health() == Health::Refusing {
            self.tell(Health::Up, "", tell);
        }
    }

    fn count_bad(&self, reason: &str, tell: &dyn Fn(&Change)) {
        self.good.set(0);
        self.bad.set(self.bad.get().saturating_add(1));
        let allowed = self.how.as_ref().map_or(1, |how| how.failures.max(1));
        if self.bad.get() >= allowed {
            self.tell(Health::Failing, reason, tell);
        }
    }

    fn tell(&self, health: Health, reason: &str, tell: &dyn Fn(&Change)) {
        let before = self.backend.set_health(health);
        let news = before != health || (health != Health::Up && self.reason.borrow().is_empty());
        reason.clone_into(&mut self.reason.borrow_mut());
        if news {
            tell(&Change { backend: self.backend.clone(), health, reason: reason.to_owned() });
        }
    }
}

async fn get(stream: TcpStream, address: SocketAddr, path: &str) -> hyper::Result<StatusCode> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let asking = async {
        let request = Request::get(path)
            .header(HOST, address.to_string())
            .header(USER_AGENT, "bellrock-proxy")
            .header(CONNECTION, "close")
            .body(Empty::<Bytes>::new());
        // the table's paths are checked, so this is what a request can be made of
        let Ok(request) = request else { return Ok(StatusCode::BAD_REQUEST) };
        let response = sender.send_request(request).await?;
        let status = response.status();
        let _ = response.into_body().collect().await;
        Ok(status)
    };
    tokio::select! {
        status = asking => status,
        Err(error) = connection => Err(error),
    }
}

fn is_refusal(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::ConnectionRefused
}

/// Within a tenth of it, so that the checks of many backends do not come at once.
fn jittered(interval: Duration) -> Duration {
    let random = f64::from(getrandom::u32().unwrap_or(u32::MAX / 2)) / f64::from(u32::MAX);
    interval.mul_f64(0.9 + 0.2 * random)
}
