//! Runners of commands, by their id: found or begun, waited for, ended, dismissed.
//!
//! What is run for whom is not known here; see [`super::Commands`] (of deployments) and [`crate::tasks`].

use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tracing::{info, warn};
use wire::shim::{Exited, Happening, Start, State};

use super::ANSWER;
use super::ending::Ending;
use super::entries::Entries;
use crate::shim::{
    Connected, Events, Found, Gone, Handle, ShimError, ShimEvent, ShimHost, ShimId, TaskOutcome,
};

/// What the runner may need after the command's own limit to end its tree and say so.
const TO_KILL: Duration = Duration::from_secs(30);

/// Bytes of output that a failure shows.
const TAIL: u32 = 4 << 10;

/// Runners of one kind of command.
pub(crate) struct Runners {
    shims: ShimHost,
    /// Between SIGTERM and SIGKILL for one that is given up.
    grace: Duration,
    pub(super) entries: Entries<Handle>,
}

/// How far a command came at once.
enum Begun {
    Runs(Box<Connected>),
    Ended(Ending),
}

/// What a runner tells next that matters.
enum News {
    Exited(Exited),
    Gone(Gone),
}

impl Runners {
    pub(crate) fn new(shims: ShimHost, grace: Duration) -> Self {
        Runners { shims, grace, entries: Entries::default() }
    }

    /// Runs a command, or waits for the one that was begun under this id before. `prepare` says what to start; it is
    /// asked before a runner is told anything, and the command has not begun when it fails.
    pub(crate) async fn run(
        &self,
        id: &ShimId,
        limit: Duration,
        prepare: impl AsyncFnOnce() -> Result<Start, String>,
    ) -> Ending {
        let ending = match self.find_or_begin(id, prepare).await {
            Ok(Begun::Runs(connected)) => self.wait(*connected, limit).await,
            Ok(Begun::Ended(ending)) => ending,
            // Whatever this is, it came before the runner was told anything.
            Err(reason) => Ending::NeverBegan(reason),
        };
        self.entries.ended(id);
        ending
    }

    async fn find_or_begin(
        &self,
        id: &ShimId,
        prepare: impl AsyncFnOnce() -> Result<Start, String>,
    ) -> Result<Begun, String> {
        let waiting = match self.shims.examine(id, 0, ANSWER).await {
            Ok(Found::Alive(connected)) => match connected.welcome.status.state {
                State::Waiting => Some(*connected),
                State::Stopped if connected.welcome.status.run == 0 => {
                    return Ok(Begun::Ended(Ending::GivenUp));
                }
                _ => {
                    info!(shim = %id, "a command that an earlier daemon began");
                    return Ok(Begun::Runs(connected));
                }
            },
            Ok(Found::Dead(dead)) if dead.task_outcome() == TaskOutcome::NeverBegan => None,
            Ok(Found::Dead(dead)) => {
                if let Err(error) = self.shims.clean_up(&dead, ANSWER).await {
                    warn!(shim = %id, error = crate::chain(&error), "could not end what a command left");
                }
                return Ok(Begun::Ended(Ending::of_dead(&dead)));
            }
            Ok(Found::Unknown { why, .. }) | Err(why) => {
                return Ok(Begun::Ended(Ending::out_of_reach(&crate::chain(&why))));
            }
        };
        if self.entries.is_given_up(id) {
            return Ok(Begun::Ended(Ending::GivenUp));
        }
        let start = prepare().await?;
        let connected = match waiting {
            Some(connected) => connected,
            None => {
                self.shims.forget(id).map_err(text)?;
                self.shims.spawn(id).await.map_err(text)?
            }
        };
        self.begin(connected, start).await
    }

    /// Tells a waiting runner to start, unless the command was given up: whoever gives it up after this look gets
    /// the runner, and a runner that was stopped does not start.
    async fn begin(&self, connected: Connected, start: Start) -> Result<Begun, String> {
        if self.entries.connected(connected.handle.id(), &connected.handle) {
            return Ok(Begun::Ended(Ending::GivenUp));
        }
        match connected.handle.start(start).await {
            Ok(()) => Ok(Begun::Runs(Box::new(connected))),
            Err(ShimError::Refused { .. }) if self.entries.is_given_up(connected.handle.id()) => {
                Ok(Begun::Ended(Ending::GivenUp))
            }
            Err(error) if error.leaves_unknown() => {
                Ok(Begun::Ended(Ending::out_of_reach(&crate::chain(&error))))
            }
            Err(error) => Err(text(error)),
        }
    }

    /// Waits for the end of a command that has begun; a lost connection is made again.
    async fn wait(&self, mut connected: Connected, limit: Duration) -> Ending {
        let id = connected.handle.id().clone();
        let deadline = Instant::now() + limit + TO_KILL;
        let mut seen = 0;
        loop {
            if self.entries.connected(&id, &connected.handle)
                && let Err(error) = connected.handle.stop(self.grace).await
            {
                warn!(shim = %id, error = crate::chain(&error), "could not end a command that was given up");
            }
            let news = match timeout_at(deadline, next(&mut connected.events, &mut seen)).await {
                Ok(news) => news,
                Err(_) => return Ending::out_of_reach("its runner has not ended it in time"),
            };
            match news {
                News::Exited(exited) => {
                    let tail = connected.handle.tail(TAIL).await.ok();
                    return Ending::Seen { exited, tail };
                }
                News::Gone(Gone::TakenOver) => {
                    return Ending::out_of_reach("another daemon has taken over its runner");
                }
                News::Gone(Gone::Died) => return self.after_death(&id),
                News::Gone(Gone::Lost) => match self.shims.connect(&id, seen, ANSWER).await {
                    Ok(again) => {
                        info!(shim = %id, "connected again");
                        connected = again;
                    }
                    Err(error) if matches!(self.shims.is_alive(&id), Ok(false)) => {
                        info!(shim = %id, error = crate::chain(&error), "died while it was asked");
                        return self.after_death(&id);
                    }
                    Err(error) => return Ending::out_of_reach(&crate::chain(&error)),
                },
            }
        }
    }

    fn after_death(&self, id: &ShimId) -> Ending {
        match self.shims.read_dead(id) {
            Ok(dead) => Ending::of_dead(&dead),
            Err(error) => Ending::out_of_reach(&crate::chain(&error)),
        }
    }

    /// Ends a command that an operator gave up; one that has not begun never will.
    ///
    /// # Errors
    /// When its runner could not be told; whoever waits for it tells it again once it is connected.
    pub(crate) async fn halt(&self, id: &ShimId) -> Result<(), ShimError> {
        let Some(runner) = self.entries.give_up(id) else { return Ok(()) };
        match runner.stop(self.grace).await {
            // Whoever waits for it ends it as soon as it is connected again.
            Ok(()) | Err(ShimError::Closed { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Lets the runner of a command go whose ending is durable. One whose command still runs is left alone, and told of.
///
/// # Errors
/// When it does not answer, or its folders cannot be removed.
pub(crate) async fn dismiss(shims: &ShimHost, id: &ShimId) -> Result<(), ShimError> {
    match shims.examine(id, 0, ANSWER).await? {
        Found::Alive(connected) => {
            if !release(*connected).await? {
                return Ok(());
            }
        }
        Found::Dead(dead) => {
            shims.clean_up(&dead, ANSWER).await?;
        }
        Found::Unknown { why, .. } => return Err(why),
    }
    shims.forget(id)
}

/// False for a runner whose command still runs.
async fn release(connected: Connected) -> Result<bool, ShimError> {
    let Connected { handle, welcome, .. } = connected;
    match welcome.status.state {
        State::Running | State::Stopping | State::BackingOff => {
            warn!(
                shim = %handle.id(), pid = welcome.status.pid,
                "still runs, although its outcome was told as unknown; it is left alone (end it with kill)"
            );
            return Ok(false);
        }
        // Never told to start: it never will be.
        State::Waiting | State::Stopped => handle.stop(Duration::ZERO).await?,
        State::Finished => {}
    }
    handle.ack(u64::MAX).await?;
    handle.release().await?;
    info!(shim = %handle.id(), "dismissed");
    Ok(true)
}

async fn next(events: &mut Events, seen: &mut u64) -> News {
    loop {
        match events.next().await {
            Some(ShimEvent::Happened(event)) => {
                *seen = event.seq;
                if let Some(Happening::Exited(exited)) = event.what {
                    return News::Exited(exited);
                }
            }
            Some(ShimEvent::Gone(how)) => return News::Gone(how),
            None => return News::Gone(Gone::Lost),
        }
    }
}

fn text(error: ShimError) -> String {
    crate::chain(&error)
}
