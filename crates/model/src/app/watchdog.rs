//! What the watchdog finds is told, and whether it may restart an instance: one whose node has too much of something, or one
//! that stays unhealthy.

use std::time::Duration;

use jiff::Timestamp;

use super::command::Refused;
use super::instance::{Instance, Status};
use super::note::{Level, Step};
use super::turn::Turn;
use super::wants::later;
use super::{App, NotTaken};
use crate::names::{InstanceId, Place};
use crate::settings::{HealthAction, WatchdogAction};

impl App {
    /// The instance that has been unhealthy for the longest time, and when it is to be restarted: when it has been so for
    /// `health.restart_after`, and `watchdog.restart_every` after the last restart by a watchdog.
    pub fn ailing(&self) -> Option<(&Instance, Timestamp)> {
        let settings = &self.revision(self.active()?)?.settings;
        if settings.health_action() != HealthAction::Restart || !self.running {
            return None;
        }
        let unhealthy = self.instances.values().filter_map(|it| match it.status {
            Status::Unhealthy { since, .. } => Some((it, later(since, settings.health.restart_after)?)),
            _ => None,
        });
        let (instance, due) = unhealthy.min_by_key(|(it, due)| (*due, it.id))?;
        let rests_until = self.watchdog_rests_until(settings.watchdog.restart_every);
        Some((instance, rests_until.map_or(due, |until| until.max(due))))
    }

    /// Whether a watchdog may restart a place's instance now: one in a while, and only while all other places have a ready
    /// instance, however many of them have too much of something. One that has stayed unhealthy serves nobody: the others
    /// do not count.
    ///
    /// # Errors
    /// Why it may not.
    pub fn lets_watchdog_restart(&self, place: Place, at: Timestamp) -> Result<(), Refused> {
        let refused = |why: String| Err(Refused::NotByWatchdog { why });
        let active = self.active().ok_or(Refused::NothingActive)?;
        if let Some(running) = &self.deployment {
            return Err(Refused::Busy { deployment: running.id });
        }
        if !self.running {
            return Err(Refused::AppStopped);
        }
        if self.stuck.is_some() {
            return refused("a person is needed first".into());
        }
        let settings = self.revision(active).map(|it| &it.settings.watchdog);
        let is_ailing = self.ails(place, at);
        let settings = settings.filter(|it| is_ailing || it.action == WatchdogAction::Restart);
        let Some(settings) = settings else { return refused("the app's settings do not let it".into()) };
        if let Some(until) = self.watchdog_rests_until(settings.restart_every).filter(|until| at < *until) {
            return Err(Refused::WatchdogTooSoon { until });
        }
        if is_ailing {
            return Ok(());
        }
        let is_ready = |place: Place| self.living(place).any(|it| it.is_ready() && !it.is_ending());
        let mut others = (1..=self.replicas(active)).map(Place).filter(|other| *other != place);
        match others.find(|other| !is_ready(*other)) {
            Some(other) => refused(format!("place {other} has no ready instance")),
            None => Ok(()),
        }
    }

    /// Whether the instance that is to be restarted for its health is in this place, and its time has come.
    fn ails(&self, place: Place, at: Timestamp) -> bool {
        self.ailing().is_some_and(|(it, due)| it.place == place && due <= at)
    }

    fn watchdog_rests_until(&self, rest: Duration) -> Option<Timestamp> {
        self.watchdog_restarted_at?.checked_add(rest).ok()
    }
}

impl Turn {
    /// Tells what was found of an instance that lives.
    pub(super) fn take_watchdog(
        &mut self,
        id: InstanceId,
        run: u32,
        level: Level,
        text: &str,
    ) -> Result<(), NotTaken> {
        let it = self.app.instances.get(&id).filter(|it| it.run == run && !it.is_gone());
        let it = it.ok_or_else(|| NotTaken::Stale(format!("run {run} of instance {id} has ended")))?;
        let text = format!("instance {} {text}", it.place);
        self.note_of(id, Step::Health, text).level = level;
        Ok(())
    }

    /// A watchdog restarts one place.
    pub(super) fn take_watchdogs_restart(&mut self, place: Option<Place>) -> Result<(), Refused> {
        let one = || Refused::NotByWatchdog { why: "it restarts one instance at a time".into() };
        self.app.lets_watchdog_restart(place.ok_or_else(one)?, self.at)?;
        self.app.watchdog_restarted_at = Some(self.at);
        Ok(())
    }
}
