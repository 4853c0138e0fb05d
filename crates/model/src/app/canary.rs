//! A canary: a deployment's switch made in steps. Each step gives a share of the clients the new version; what both
//! versions answer in the meantime decides whether the next step follows, the old version comes back, or it is held.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::App;
use super::comparison::{Comparison, Counted, Finding, Rules};
use super::deployment::{Deployment, Kind, Verdict};
use super::instance::Instance;
use super::note::{Level, Step};
use super::route::CanaryRoute;
use super::turn::Turn;
use super::{NotTaken, Refused};
use crate::human;
use crate::names::{DeploymentId, InstanceId};
use crate::settings::{CanarySettings, WhenUnsure};

/// A deployment's canary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Canary {
    /// Percent of the clients that get the new version, step by step, as the settings said when it began.
    pub steps: Vec<u8>,
    /// Which step it is at, from 0; after its end, which one was the last.
    pub step: usize,
    /// When the first step began.
    pub began_at: Timestamp,
    /// Number of the window, from 1. Each step is one; one in which both versions failed is followed by another.
    pub window: u32,
    /// When the window began.
    pub window_began_at: Timestamp,
    /// What both versions have answered in the window.
    pub comparison: Comparison,
    /// Set while it is held: it would go on, but nothing can be said of the new version.
    pub held: Option<Held>,
    /// When it ended and the switch was due.
    pub ended_at: Option<Timestamp>,
}

/// Why and since when a canary is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Since when; `canary.hold_limit` counts from here.
    pub since: Timestamp,
    /// Why.
    pub why: Doubt,
    /// The limit has passed, and a person decides.
    pub is_over_limit: bool,
}

/// Why nothing can be said of a new version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// One of the versions has had too few requests.
    TooFew,
    /// Both versions fail.
    BothBad,
}

impl Canary {
    fn new(at: Timestamp, steps: Vec<u8>) -> Self {
        Canary {
            steps,
            step: 0,
            began_at: at,
            window: 1,
            window_began_at: at,
            comparison: Comparison::default(),
            held: None,
            ended_at: None,
        }
    }

    /// Whether both versions get requests because of it.
    pub fn is_running(&self) -> bool {
        self.ended_at.is_none()
    }

    /// The share of the clients, in percent, that gets the new version in the step it is at.
    pub fn percent(&self) -> u8 {
        self.steps.get(self.step).copied().unwrap_or_default()
    }

    fn begin_window(&mut self, at: Timestamp) {
        self.window = self.window.saturating_add(1);
        self.window_began_at = at;
        self.comparison = Comparison::default();
    }
}

impl Deployment {
    /// Its canary while it runs.
    pub fn running_canary(&self) -> Option<&Canary> {
        self.canary.as_ref().filter(|it| it.is_running() && !self.is_rolling_back())
    }
}

fn rules(settings: &CanarySettings) -> Rules {
    Rules { minimum_requests: settings.minimum_requests.into(), latency_margin: settings.latency_margin }
}

impl App {
    /// How the deployment under way makes its canary.
    pub fn canary_settings(&self) -> Option<&CanarySettings> {
        let to = self.deployment.as_ref()?.to?;
        self.revision(to).map(|revision| &revision.settings.canary)
    }

    /// The share of the new version in the route.
    pub(super) fn canary_route(&self) -> Option<CanaryRoute> {
        let canary = self.deployment.as_ref()?.running_canary()?;
        let settings = self.canary_settings()?;
        Some(CanaryRoute { percent: canary.percent(), header: settings.header.clone() })
    }

    /// Whether an instance is of the version that gets a share.
    pub(super) fn is_canary(&self, it: &Instance) -> bool {
        self.deployment.as_ref().filter(|deployment| deployment.running_canary().is_some()).is_some_and(
            |deployment| deployment.lanes.get(&it.place).is_some_and(|lane| lane.new == Some(it.id)),
        )
    }

    /// Whether a deployment's switch is to be made in steps: it brings something new, and requests can be shared.
    pub(super) fn makes_canary(&self, deployment: &Deployment) -> bool {
        let revision = |target| self.revision(target).map(|revision| &revision.settings);
        let (Some(from), Some(to)) = (deployment.from.and_then(revision), deployment.to.and_then(revision))
        else {
            return false;
        };
        matches!(deployment.kind, Kind::Deploy | Kind::Variables)
            && deployment.from != deployment.to
            && !deployment.is_hot()
            && deployment.switches_at_once()
            && !to.canary.steps.is_empty()
            && (to.proxy && from.proxy)
    }

    fn has_old(&self, deployment: &Deployment) -> bool {
        deployment.lanes.values().any(|lane| !self.is_ending(lane.old))
    }

    /// When a running canary wants a tick.
    pub(super) fn canary_wakes_at(&self, deployment: &Deployment) -> Option<Timestamp> {
        let (canary, settings) = (deployment.running_canary()?, self.canary_settings()?);
        match &canary.held {
            Some(held) if held.why == Doubt::TooFew => {
                let limit = later(held.since, settings.hold_limit);
                Some(limit).filter(|_| !held.is_over_limit)
            }
            _ => Some(later(canary.window_began_at, settings.step_time)),
        }
    }
}

fn later(time: Timestamp, by: Duration) -> Timestamp {
    super::wants::later(time, by).unwrap_or(Timestamp::MAX)
}

impl Turn {
    /// Takes what both versions have answered since they were asked last. A new one that does clearly worse is left.
    pub(super) fn take_canary_counts(
        &mut self,
        deployment: DeploymentId,
        window: u32,
        old: &Counted,
        new: &Counted,
    ) -> Result<(), NotTaken> {
        let stale =
            || NotTaken::Stale(format!("window {window} of deployment {deployment}'s canary is over"));
        let rules = self.app.canary_settings().map(rules).ok_or_else(stale)?;
        let canary = self
            .app
            .deployment
            .as_mut()
            .filter(|it| it.id == deployment && it.running_canary().is_some())
            .and_then(|it| it.canary.as_mut())
            .filter(|it| it.window == window)
            .ok_or_else(stale)?;
        canary.comparison.add(old, new, rules);
        if let Finding::Worse { reason } = canary.comparison.finding(rules, window) {
            self.abort_canary(&reason);
        }
        Ok(())
    }

    /// Whether the switch has to wait: a canary begins, goes on, or has turned back.
    pub(super) fn canary_goes_on(&mut self) -> bool {
        let (at, deployment) = (self.at, self.deployment().clone());
        match &deployment.canary {
            None if self.app.makes_canary(&deployment) && self.app.has_old(&deployment) => {
                let steps = self.app.canary_settings().map(|it| it.steps.clone()).unwrap_or_default();
                self.deployment().canary = Some(Canary::new(at, steps));
                self.tell_step();
                true
            }
            Some(canary) if canary.is_running() => {
                self.advance_canary(&deployment, canary.clone());
                self.deployment().running_canary().is_some() || self.deployment().is_rolling_back()
            }
            _ => false,
        }
    }

    fn advance_canary(&mut self, deployment: &Deployment, canary: Canary) {
        let Some(settings) = self.app.canary_settings().cloned() else { return };
        if !self.app.has_old(deployment) {
            return self.end_canary("no instance of the old version is left to compare with");
        }
        if self.at < later(canary.window_began_at, settings.step_time) {
            return;
        }
        match canary.comparison.finding(rules(&settings), canary.window) {
            Finding::Worse { reason } => self.abort_canary(&reason),
            Finding::NoWorse if canary.step + 1 < canary.steps.len() => {
                let at = self.at;
                if let Some(canary) = self.deployment().canary.as_mut() {
                    canary.step += 1;
                    canary.held = None;
                    canary.begin_window(at);
                }
                self.tell_figures("no worse", &canary);
                self.tell_step();
            }
            Finding::NoWorse => {
                self.tell_figures("no worse", &canary);
                self.end_canary("promoted: it was no worse in any step");
            }
            Finding::TooFew => self.hold(&canary, &settings, Doubt::TooFew),
            Finding::BothBad => self.hold(&canary, &settings, Doubt::BothBad),
        }
    }

    /// Nothing can be said: waits, and after the limit does what the settings say.
    fn hold(&mut self, canary: &Canary, settings: &CanarySettings, why: Doubt) {
        let at = self.at;
        // Another doubt has its own limit: who was held in an outage is not promoted because a moment had few requests.
        let same = canary.held.as_ref().filter(|held| held.why == why);
        let since = same.map_or(at, |held| held.since);
        if same.is_none() {
            self.tell_doubt(canary, settings, why);
        }
        let is_over = at >= later(since, settings.hold_limit);
        let limit = human::duration(settings.hold_limit);
        match settings.when_unsure {
            WhenUnsure::Promote if is_over && why == Doubt::TooFew => {
                let text = format!("promoted: undecided for {limit} (canary.hold_limit, canary.when_unsure)");
                return self.end_canary(&text);
            }
            WhenUnsure::Abort if is_over => {
                let text = format!("undecided for {limit} (canary.hold_limit, canary.when_unsure)");
                return self.abort_canary(&text);
            }
            _ => {}
        }
        let was_over = same.is_some_and(|held| held.is_over_limit);
        if is_over && !was_over {
            let name = self.app.name.clone();
            let text = format!(
                "the canary has been undecided for {limit} (canary.hold_limit): bellrock promote {name}, or bellrock rollback {name}"
            );
            self.note(Step::Canary, text).level = Level::Alarm;
        }
        if let Some(canary) = self.deployment().canary.as_mut() {
            canary.held = Some(Held { since, why, is_over_limit: is_over });
            if why == Doubt::BothBad {
                // What both answer from now on decides, not what they did while both were bad.
                canary.begin_window(at);
            }
        }
    }

    fn tell_doubt(&mut self, canary: &Canary, settings: &CanarySettings, why: Doubt) {
        let figures = figures(canary);
        let name = self.app.name.clone();
        let (text, level) = match why {
            Doubt::TooFew => (
                format!(
                    "the canary is held: fewer than {} requests of a version (canary.minimum_requests); {figures}",
                    settings.minimum_requests
                ),
                Level::Warning,
            ),
            Doubt::BothBad => (
                format!(
                    "the canary is held: both versions fail, so something else is broken; {figures}; to end it all the same: bellrock rollback {name}"
                ),
                Level::Alarm,
            ),
        };
        self.note(Step::Canary, text).level = level;
    }

    fn tell_step(&mut self) {
        let Some(settings) = self.app.canary_settings().cloned() else { return };
        let Some(canary) = self.deployment().canary.clone() else { return };
        let label = self.deployment().to.map(|to| self.app.label(to)).unwrap_or_default();
        let (step, of, percent) = (canary.step + 1, canary.steps.len(), canary.percent());
        let time = human::duration(settings.step_time);
        let text = format!(
            "canary: step {step} of {of}, {percent} % of the clients get v{label} for {time} or longer"
        );
        self.note(Step::Canary, text);
    }

    fn tell_figures(&mut self, word: &str, canary: &Canary) {
        let text = format!("canary: step {} was {word}; {}", canary.step + 1, figures(canary));
        self.note(Step::Canary, text);
    }

    /// All requests go to the new version from now on, as without a canary.
    fn end_canary(&mut self, why: &str) {
        let at = self.at;
        if let Some(canary) = self.deployment().canary.as_mut() {
            canary.ended_at = Some(at);
            canary.held = None;
        }
        self.note(Step::Canary, format!("canary: {why}"));
    }

    fn abort_canary(&mut self, reason: &str) {
        let label = self.deployment().to.map(|to| self.app.label(to)).unwrap_or_default();
        let reason = format!("canary: v{label}: {reason}");
        self.turn_back(reason, None, Verdict::RolledBack);
    }

    /// A person ends the canary for the new version.
    pub(super) fn promote(&mut self) -> Result<(), Refused> {
        let canary = self.app.deployment.as_ref().and_then(Deployment::running_canary).cloned();
        let canary = canary.ok_or(Refused::NoCanary)?;
        self.tell_figures("ended by hand", &canary);
        self.end_canary("promoted by hand");
        Ok(())
    }
}

/// What both versions have answered, for people.
fn figures(canary: &Canary) -> String {
    let of = |counted: &Counted| {
        let p95 = counted.p95_us().map(|p95| format!(", p95 {}", human::latency(p95))).unwrap_or_default();
        let share = counted.share() * 100.0;
        format!("{} requests, {} errors ({share:.2} %){p95}", counted.requests, counted.errors)
    };
    format!("old: {}; new: {}", of(&canary.comparison.old), of(&canary.comparison.new))
}

/// Instances of both sides of a deployment: the old ones, the new ones.
pub fn sides(deployment: &Deployment) -> (Vec<InstanceId>, Vec<InstanceId>) {
    let lanes = || deployment.lanes.values();
    (lanes().filter_map(|lane| lane.old).collect(), lanes().filter_map(|lane| lane.new).collect())
}
