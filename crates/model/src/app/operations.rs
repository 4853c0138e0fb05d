//! Commands about instances: restart, stop, start, scale.

use super::beginning::{Beginning, places};
use super::command::Refused;
use super::deployment::Kind;
use super::hot::Wish;
use super::note::Step;
use super::turn::Turn;
use super::version::{Origin, Target, Version};
use crate::names::{DeploymentId, Place};

impl Turn {
    /// The active version, when nothing else is under way.
    fn idle_active(&self) -> Result<Target, Refused> {
        if let Some(running) = &self.app.deployment {
            return Err(Refused::Busy { deployment: running.id });
        }
        self.app.active().ok_or(Refused::NothingActive)
    }

    pub(super) fn restart(
        &mut self,
        place: Option<Place>,
        id: DeploymentId,
        by: Origin,
    ) -> Result<(), Refused> {
        let active = self.idle_active()?;
        if !self.app.running {
            return Err(Refused::AppStopped);
        }
        if matches!(by, Origin::Watchdog { .. }) {
            self.take_watchdogs_restart(place)?;
        }
        let replicas = self.app.replicas(active);
        if let Some(place) = place.filter(|place| !(1..=replicas).contains(&place.0)) {
            return Err(Refused::NoPlace { place, replicas });
        }
        for (at, state) in &mut self.app.places {
            if place.is_none_or(|place| place == *at) {
                state.forced_restarts += 1;
            }
        }
        let to = self.app.version(active.version).map_or(active, Version::target);
        self.begin(Beginning {
            id,
            kind: Kind::Restart,
            by,
            to: Some(to),
            wish: Wish::default(),
            only: place,
            scaled_before: None,
        });
        Ok(())
    }

    pub(super) fn stop_app(&mut self, id: DeploymentId, by: Origin) -> Result<(), Refused> {
        self.idle_active()?;
        if !self.app.running {
            return Err(Refused::AppStopped);
        }
        self.app.running = false;
        self.begin(Beginning {
            id,
            kind: Kind::Stop,
            by,
            to: None,
            wish: Wish::default(),
            only: None,
            scaled_before: None,
        });
        Ok(())
    }

    pub(super) fn start_app(&mut self, id: DeploymentId, by: Origin) -> Result<(), Refused> {
        let active = self.idle_active()?;
        if self.app.running && self.app.stuck.is_none() {
            return Err(Refused::AppRunning);
        }
        let to = self.app.version(active.version).map_or(active, Version::target);
        self.begin(Beginning {
            id,
            kind: Kind::Start,
            by,
            to: Some(to),
            wish: Wish::default(),
            only: None,
            scaled_before: None,
        });
        Ok(())
    }

    /// Where places follow the load, neither the load nor a person leaves the range; and the load decides nothing
    /// anywhere else.
    fn check_autoscale(&self, replicas: u16, active: Target, by: &Origin) -> Result<(), Refused> {
        let by_load = matches!(by, Origin::Autoscaler { .. });
        match self.settings(active).autoscale_range() {
            None if by_load => Err(Refused::NotByLoad { why: "its settings do not let them".into() }),
            Some(_) if by_load && !self.app.running => Err(Refused::AppStopped),
            Some(_) if by_load && self.app.stuck.is_some() => {
                Err(Refused::NotByLoad { why: "a person is needed first".into() })
            }
            Some(range) if !range.contains(&replicas) => {
                Err(Refused::OutsideAutoscale { replicas, min: *range.start(), max: *range.end() })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn scale(&mut self, replicas: u16, id: DeploymentId, by: Origin) -> Result<(), Refused> {
        let active = self.idle_active()?;
        let max = self.settings(active).max();
        if replicas == 0 {
            return Err(Refused::TooFew);
        }
        if replicas > max {
            return Err(Refused::TooMany { replicas, max });
        }
        self.check_autoscale(replicas, active, &by)?;
        if replicas == self.app.replicas(active) {
            return Err(Refused::NoChange);
        }
        let scaled_before = self.app.scaled_to.replace(replicas);
        if !self.app.running {
            self.note(Step::Set, format!("{}, once it is started", places(replicas)));
            return Ok(());
        }
        self.begin(Beginning {
            id,
            kind: Kind::Scale,
            by,
            to: Some(active),
            wish: Wish::default(),
            only: None,
            scaled_before,
        });
        Ok(())
    }
}
