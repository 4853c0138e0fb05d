//! Keeping requests from an app on purpose: pause (they wait) and maintenance (they get a page).

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::command::Refused;
use super::note::Step;
use super::turn::Turn;
use crate::human;
use crate::settings::AppSettings;

/// Longest pause: one that was forgotten ends by itself.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// Most bytes of a maintenance page: it is part of the app's state and of the proxy's table, which holds all apps'.
pub const MOST_PAGE_BYTES: usize = 64 * 1024;

/// Requests wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Since when.
    pub since: Timestamp,
    /// When it ends by itself.
    pub until: Timestamp,
}

/// Requests get a page and 503.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maintenance {
    /// Since when; another page is another time.
    pub since: Timestamp,
    /// The operator's page in HTML; `None`: the proxy's own.
    pub page: Option<String>,
}

impl Turn {
    /// The settings that requests are served by.
    fn served(&self) -> Result<Arc<AppSettings>, Refused> {
        let target = self.app.routed_by().ok_or(Refused::NothingActive)?;
        let settings = self.settings(target);
        if settings.proxy { Ok(settings) } else { Err(Refused::NotProxied) }
    }

    pub(super) fn pause(&mut self, within: Duration) -> Result<(), Refused> {
        let settings = self.served()?;
        if within.is_zero() || within > LONGEST_PAUSE {
            return Err(Refused::PauseTooLong);
        }
        let since = self.app.pause.map_or(self.at, |pause| pause.since);
        self.app.pause = Some(Pause { since, until: self.after(within) });
        let mut text = format!("requests wait for {}", human::duration(within));
        if within > settings.hold_timeout {
            let hold = human::duration(settings.hold_timeout);
            text += &format!(", each at most {hold} (hold_timeout), then it gets 503");
        }
        self.note(Step::Set, text);
        Ok(())
    }

    pub(super) fn resume(&mut self) -> Result<(), Refused> {
        self.app.pause.take().ok_or(Refused::NotPaused)?;
        self.note(Step::Set, "requests go on: the pause was ended");
        Ok(())
    }

    /// Ends a pause whose time has come.
    pub(super) fn end_pause(&mut self) {
        if self.app.pause.take_if(|pause| pause.until <= self.at).is_some() {
            self.note(Step::Set, "requests go on: the pause is over");
        }
    }

    pub(super) fn begin_maintenance(&mut self, page: Option<String>) -> Result<(), Refused> {
        self.served()?;
        if page.as_ref().is_some_and(|page| page.len() > MOST_PAGE_BYTES) {
            return Err(Refused::PageTooLarge);
        }
        let which = if page.is_some() { "the page that was given" } else { "the proxy's own page" };
        self.note(Step::Set, format!("maintenance: every request gets 503 and {which}"));
        self.app.maintenance = Some(Maintenance { since: self.at, page: page.filter(|it| !it.is_empty()) });
        Ok(())
    }

    pub(super) fn end_maintenance(&mut self) -> Result<(), Refused> {
        self.app.maintenance.take().ok_or(Refused::NoMaintenance)?;
        self.note(Step::Set, "maintenance is over: requests are served");
        Ok(())
    }
}
