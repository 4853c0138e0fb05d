//! Ending an instance with everything it started.

use std::sync::Arc;
use std::time::Duration;

use model::app::{App, Instance, Outcome};
use model::human;
use model::settings::StopBy;
use tokio::time::timeout;
use wire::shim::{Exited, How, State};

use super::{ANSWER, CLEAN_UP, Instances, Living, Which};
use crate::nodes::Halting;
use crate::shim::{Found, ShimError, ShimId};
use crate::tell::Tell;

/// What the shim may need after the app's own `stop_timeout` to end the tree and say so.
const TO_KILL: Duration = Duration::from_secs(30);

/// How long the end of an app is waited for before the shim is asked what it does.
const ASK_AGAIN: Duration = Duration::from_secs(2);

impl<T: Tell> Instances<T> {
    /// Ends an instance: orderly within its `stop_timeout`, else by force. Done twice, it finds nothing to do.
    pub async fn stop(self: &Arc<Self>, app: &App, instance: &Instance) -> Outcome {
        let which = Which { app: app.name.clone(), place: instance.place, instance: instance.id };
        let settings = app.revision(instance.target).map(|it| &it.settings);
        let within = settings.map_or(Duration::from_secs(30), |it| it.stop_timeout);
        let by_node = settings.is_some_and(|it| it.stop_by == StopBy::Node);
        match self.end(&which, within, by_node).await {
            Ok(detail) => Outcome::Ok { detail: Some(detail) },
            Err(error) => Outcome::Failed { reason: crate::chain(&error), tail: None },
        }
    }

    async fn end(
        self: &Arc<Self>,
        which: &Which,
        within: Duration,
        by_node: bool,
    ) -> Result<String, ShimError> {
        let id = which.shim_id();
        let living = match self.living(&id) {
            Some(living) => Some(living),
            None => self.find(which).await?,
        };
        let Some(living) = living else { return self.clean_up(&id).await };
        let halting = if by_node { self.halting(which).await } else { None };
        match self.end_living(&living, halting, within).await {
            Ok(detail) => {
                self.shims.forget(&id)?;
                Ok(detail)
            }
            // It died while it was being asked: what it left is cleaned up like after any dead shim.
            Err(_) if matches!(self.shims.is_alive(&id), Ok(false)) => self.clean_up(&id).await,
            Err(error) => Err(error),
        }
    }

    /// A shim that we have no connection to, if it lives.
    pub(super) async fn find(self: &Arc<Self>, which: &Which) -> Result<Option<Living>, ShimError> {
        let id = which.shim_id();
        match self.shims.examine(&id, 0, ANSWER).await? {
            Found::Alive(connected) => {
                self.follow(which.clone(), *connected, 0);
                Ok(self.living(&id))
            }
            Found::Dead(_) => Ok(None),
            Found::Unknown { why, .. } => Err(why),
        }
    }

    /// The instance's node, when it can be asked to halt.
    async fn halting(&self, which: &Which) -> Option<Halting> {
        Halting::of(self.nodes.get(&which.app, which.instance)?).await
    }

    async fn end_living(
        &self,
        living: &Living,
        halting: Option<Halting>,
        within: Duration,
    ) -> Result<String, ShimError> {
        let late = |_| ShimError::TimedOut {
            id: living.handle.id().to_string(),
            doing: "end its app",
            within: within + TO_KILL,
        };
        let told = async {
            match halting {
                Some(halting) => halt(living, halting, within).await,
                None => living.handle.stop(within).await,
            }
        };
        let ended = async {
            told.await?;
            end_told(living).await
        };
        let exited = timeout(within + TO_KILL, ended).await.map_err(late)??;
        let text = exited.map_or("ended with its shim".to_owned(), |exited| how_text(&exited, within));
        self.forget_living(living.handle.id());
        living.handle.release().await?;
        Ok(text)
    }

    async fn clean_up(&self, id: &ShimId) -> Result<String, ShimError> {
        let dead = self.shims.read_dead(id)?;
        let cleaned = self.shims.clean_up(&dead, CLEAN_UP).await?;
        self.shims.forget(id)?;
        Ok(match cleaned.killed {
            0 => "ended; nothing of it was left".to_owned(),
            1 => "ended; a process that it left was killed".to_owned(),
            killed => format!("ended; {killed} processes that it left were killed"),
        })
    }
}

/// Has the node halt while the shim knows that it shall end. Where it does not, SIGTERM comes: now when it says so, after half
/// of the time from the shim in any case.
async fn halt(living: &Living, halting: Halting, within: Duration) -> Result<(), ShimError> {
    let asked = within / 2;
    if asked.is_zero() {
        return living.handle.stop(within).await;
    }
    living.handle.expect_end(within, asked).await?;
    let mut ended = living.ended.clone();
    let goes_on = tokio::select! {
        () = halting.tell(asked) => true,
        _ = ended.wait_for(Option::is_some) => false,
    };
    // after a halt the end may not have been told yet: then there is nobody left to signal
    if goes_on { living.handle.stop(within).await } else { Ok(()) }
}

/// Waits until the shim has told the end of its app; `None` when there was nothing to end.
async fn end_told(living: &Living) -> Result<Option<Exited>, ShimError> {
    let mut ended = living.ended.clone();
    loop {
        let told =
            timeout(ASK_AGAIN, async { ended.wait_for(Option::is_some).await.map(|exited| exited.clone()) });
        match told.await {
            Ok(Ok(exited)) => return Ok(exited),
            // The pump ends when the shim dies in the middle.
            Ok(Err(_)) => return Ok(None),
            // One that had not started, or has told its end before, has nothing to tell.
            Err(_) if matches!(living.handle.status().await?.state, State::Stopped | State::Finished) => {
                return Ok(ended.borrow().clone());
            }
            Err(_) => {}
        }
    }
}

fn how_text(exited: &Exited, within: Duration) -> String {
    let swept = match exited.swept {
        0 => String::new(),
        1 => "; a process that it had started was killed".to_owned(),
        swept => format!("; {swept} processes that it had started were killed"),
    };
    let text = match exited.how {
        How::KilledAfterTimeout => format!("did not stop within {} and was killed", human::duration(within)),
        How::Killed | How::TimeLimit => "was killed".to_owned(),
        How::StoppedOrderly | How::ByItself | How::NotStarted => "stopped".to_owned(),
    };
    text + &swept
}
