//! The owner of the proxy: sees that it runs, and talks to it ([`Conversation`]). A reconciler:
//! after any trouble it begins anew with what is wanted now.

use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, join, join_all, select};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};
use wire::shim::{Event, Exited, Happening, How};

use super::control::{Control, ControlError};
use super::conversation::Conversation;
use super::facts::Process;
use super::number::Number;
use super::plan::ProxyPlan;
use super::process::{self, Kept, One, Place, ProcessError};
use super::proxy_handle::Proxy;
use crate::paths::Paths;
use crate::shim::{Connected, Events, Gone, Handle, ShimEvent, ShimHost};

/// The proxy's process takes no longer until it can be asked, or it is said that it cannot.
const STARTS: Duration = Duration::from_secs(1);
/// The first wait before something is tried again, doubled up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(20);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// See the module.
#[derive(Debug, Clone)]
pub struct Keeper {
    /// What the proxy shall be; `None`: there shall be none.
    pub plan: Option<ProxyPlan>,
    /// Where shims are.
    pub shims: ShimHost,
    /// Every path.
    pub paths: Paths,
    /// How the others reach it.
    pub proxy: Proxy,
}

impl Keeper {
    /// Keeps the proxy until told to stop; the proxy goes on.
    pub async fn run(self, stop: CancellationToken) {
        let kept = async {
            match &self.plan {
                Some(plan) => self.keep(plan).await,
                None => self.have_none().await,
            }
        };
        stop.run_until_cancelled(kept).await;
    }

    /// Returns when another daemon has taken over.
    async fn keep(&self, plan: &ProxyPlan) {
        let mut wait = Waits::new();
        loop {
            match (Place { shims: &self.shims, paths: &self.paths, plan }).ensure().await {
                Ok(kept) => {
                    wait = Waits::new();
                    match self.accompany(plan, kept).await {
                        Gone::TakenOver => return warn!("another daemon has taken over the proxy"),
                        Gone::Died => {
                            error!("the proxy's shim died, and the proxy with it: both are started anew")
                        }
                        Gone::Lost => debug!("connection to the proxy's shim lost: connected again"),
                    }
                }
                Err(error) => self.tell_failure(&error),
            }
            sleep(wait.next()).await;
        }
    }

    async fn have_none(&self) {
        let mut wait = Waits::new();
        while let Err(error) = process::remove(&self.shims, &self.paths).await {
            self.tell_failure(&error);
            sleep(wait.next()).await;
        }
        self.proxy.note(|facts| facts.process = Process::Off);
    }

    fn tell_failure(&self, error: &ProcessError) {
        self.fails(format!("the proxy could not be started: {}", crate::chain(error)));
    }

    /// Says it once, however often it is tried.
    fn fails(&self, why: String) {
        let failing = Process::Failing { why: why.clone() };
        self.proxy.note(|facts| {
            if facts.process != failing {
                error!("{why}");
            }
            facts.process = failing;
        });
    }

    /// Follows the shim, talks to the proxy and sees those off that it has replaced, until the connection to the shim is
    /// over.
    async fn accompany(&self, plan: &ProxyPlan, kept: Kept) -> Gone {
        let Kept { one: One { number, shim }, leaving, outdated } = kept;
        let Connected { handle, events, welcome } = shim;
        self.proxy.note(|facts| {
            facts.outdated = outdated;
            if let Some(pid) = welcome.status.pid {
                facts.process = Process::Running { pid };
            }
        });
        let following = pin!(self.follow(handle, events, welcome.status.last_seq));
        let talking = pin!(self.talk(plan, number));
        let leaving = join_all(leaving.into_iter().map(|one| self.see_off(one)));
        let talking = pin!(join(talking, leaving));
        match select(following, talking).await {
            Either::Left((gone, _)) => gone,
            Either::Right(((never, _), _)) => match never {},
        }
    }

    /// What happened up to `known` is history: the shim's status said what came of it.
    async fn follow(&self, handle: Handle, mut events: Events, known: u64) -> Gone {
        loop {
            match events.next().await {
                Some(ShimEvent::Happened(event)) => {
                    if event.seq > known {
                        self.take_happening(&event);
                    }
                    if let Err(error) = handle.ack(event.seq).await {
                        debug!(
                            error = crate::chain(&error),
                            "could not acknowledge an event of the proxy's shim"
                        );
                    }
                }
                Some(ShimEvent::Gone(gone)) => return gone,
                None => return Gone::Lost,
            }
        }
    }

    fn take_happening(&self, event: &Event) {
        match &event.what {
            Some(Happening::Started(started)) => {
                let pid = started.pid;
                info!(pid, run = started.run, "proxy started");
                self.proxy.note(|facts| facts.process = Process::Running { pid });
            }
            Some(Happening::Exited(exited)) if exited.how == How::NotStarted => {
                let why = exited.reason.clone().unwrap_or_default();
                self.fails(format!("the proxy could not be started: {why}"));
            }
            Some(Happening::Exited(exited)) if exited.is_crash() => {
                self.fails(format!("the proxy {}; it is started again", how_it_ended(exited)));
            }
            Some(Happening::LogDropped(dropped)) => {
                warn!(
                    bytes = dropped.bytes,
                    "output of the proxy was dropped: it came faster than the disk took it"
                );
            }
            _ => {}
        }
    }

    /// Talks to the proxy, again and again.
    async fn talk(&self, plan: &ProxyPlan, number: Number) -> Infallible {
        let mut wait = Waits::new();
        let mut away_since = Instant::now();
        loop {
            match Control::connect(&number.run_folder(&self.paths), self.shims.epoch).await {
                Ok((control, welcome)) => {
                    info!(
                        revision = welcome.revision,
                        pid = welcome.pid,
                        version = welcome.program_version,
                        "proxy answers"
                    );
                    wait = Waits::new();
                    self.proxy.rise_above(welcome.revision);
                    self.proxy.note(|facts| {
                        facts.unreached = None;
                        facts.process = Process::Running { pid: welcome.pid };
                        // It may be another process than before: it tells anew what is true.
                        facts.down.clear();
                    });
                    let error =
                        Conversation { proxy: &self.proxy, plan, paths: &self.paths, control }.run().await;
                    away_since = Instant::now();
                    self.unreached(&error);
                }
                // It is being started: its socket comes in a moment.
                Err(error) if away_since.elapsed() < STARTS => {
                    debug!(error = crate::chain(&error), "asked again")
                }
                Err(error) => self.unreached(&error),
            }
            sleep(wait.next()).await;
        }
    }

    fn unreached(&self, error: &ControlError) {
        let why = crate::chain(error);
        self.proxy.note(|facts| {
            if facts.unreached.as_ref() != Some(&why) {
                warn!("{why}");
            }
            facts.unreached = Some(why);
        });
    }
}

fn how_it_ended(exited: &Exited) -> String {
    match (exited.status, exited.signal) {
        (Some(status), _) => format!("ended with status {status}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

/// Growing waits.
pub(super) struct Waits(Duration);

impl Waits {
    pub(super) fn new() -> Self {
        Waits(FIRST_WAIT)
    }

    pub(super) fn next(&mut self) -> Duration {
        let now = self.0;
        self.0 = (now * 2).min(LONGEST_WAIT);
        now
    }
}
