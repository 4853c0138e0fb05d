//! A deployment: the journalled act of taking an app's places from one version to another.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::canary::Canary;
use super::hot::{Hot, HotStep};
use super::member_check::MemberCheck;
use super::version::{Origin, Target};
use crate::names::{DeploymentId, EffectId, InstanceId, Place};
use crate::settings::Strategy;

/// A deployment under way, or the record of one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deployment {
    /// Its number.
    pub id: DeploymentId,
    /// What was asked for.
    pub kind: Kind,
    /// Who asked.
    pub by: Origin,
    /// What was active when it began: the way back.
    pub from: Option<Target>,
    /// What shall be active; `None` when everything is stopped.
    pub to: Option<Target>,
    /// How old and new take turns.
    pub strategy: Strategy,
    /// When it was begun.
    pub begun_at: Timestamp,
    /// When the first instance was started: `deploy_deadline` counts from here.
    pub started_at: Option<Timestamp>,
    /// Its switch made in steps, if it is.
    #[serde(default)]
    pub canary: Option<Canary>,
    /// Its being hot, while it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hot: Option<Hot>,
    /// When traffic was switched from all old instances to all new ones (`parallel`).
    #[serde(default)]
    pub switched_at: Option<Timestamp>,
    /// When every new instance was ready and got traffic.
    pub serving_at: Option<Timestamp>,
    /// When it turned round to go back.
    #[serde(default)]
    pub turned_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Where it is.
    pub phase: Phase,
    /// Each place's part.
    pub lanes: BTreeMap<Place, Lane>,
    /// What `scale` had asked for before, to go back to.
    pub scaled_before: Option<u16>,
    /// Set when it shall be given up as soon as the running command has ended.
    pub give_up: Option<GiveUp>,
    /// Whether a pre-command has been run: a rollback does not undo it.
    pub pre_commands_ran: bool,
    /// What the drains of instances came to, in the order in which they ended.
    #[serde(default)]
    pub drains: Vec<Drain>,
}

/// What the drain of an instance came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    /// The instance.
    pub instance: InstanceId,
    /// Its place.
    pub place: Place,
    /// What the proxy counted.
    #[serde(flatten)]
    pub figures: DrainFigures,
}

/// What the proxy counted in the drain of an instance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainFigures {
    /// From the switch to the last thing in flight, in milliseconds.
    pub took_ms: u64,
    /// WebSockets that were closed in order (1001, "going away").
    pub websockets_closed: u64,
    /// Streams that never end by themselves and were ended in order.
    pub streams_ended: u64,
    /// Requests, streams and WebSockets that were in flight at the end of `drain_timeout`, and were cut.
    pub cut: u64,
}

impl std::fmt::Display for DrainFigures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let took = crate::human::duration(Duration::from_millis(self.took_ms));
        write!(f, "drained in {took}")?;
        if self.cut > 0 {
            write!(f, ", {} in flight cut", self.cut)?;
        }
        let counted =
            [(self.websockets_closed, "WebSocket", "closed"), (self.streams_ended, "stream", "ended")];
        for (count, what, how) in counted.into_iter().filter(|(count, ..)| *count > 0) {
            write!(f, ", {count} {what}{} {how}", if count == 1 { "" } else { "s" })?;
        }
        Ok(())
    }
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A version that was not active before, or with other settings.
    Deploy,
    /// An archived version again.
    Activate,
    /// The version before the active one, by hand.
    Rollback,
    /// The same version, fresh instances.
    Restart,
    /// The same version with other variables.
    Variables,
    /// Another number of places.
    Scale,
    /// No instances.
    Stop,
    /// Instances again.
    Start,
}

impl Kind {
    /// Whether a failure says something against the version, so that it is ghosted.
    pub fn judges_version(self) -> bool {
        matches!(self, Kind::Deploy | Kind::Activate | Kind::Rollback)
    }

    /// Whether the new instances are watched before the deployment is committed.
    pub fn is_watched(self) -> bool {
        matches!(self, Kind::Deploy | Kind::Activate | Kind::Rollback | Kind::Variables)
    }

    /// The one word for it.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Deploy => "deploy",
            Kind::Activate => "activate",
            Kind::Rollback => "rollback",
            Kind::Restart => "restart",
            Kind::Variables => "variables",
            Kind::Scale => "scale",
            Kind::Stop => "stop",
            Kind::Start => "start",
        }
    }
}

/// Where a deployment is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Phase {
    /// Package and host are made ready; nothing has started.
    Staging {
        /// The effect that does it.
        effect: EffectId,
    },
    /// It is found out whether what runs can be upgraded hot.
    Planning {
        /// The effect that does it.
        effect: EffectId,
    },
    /// Prepare and pre-commands run, one after another.
    Commands {
        /// The effect that runs the command.
        effect: EffectId,
        /// Which command, counted over both lists.
        index: usize,
    },
    /// Instances are brought up and retired, lane by lane.
    Replacing,
    /// Running instances are taken to the new version, one after another.
    Upgrading,
    /// Serving, inside the watch window.
    Watching {
        /// When it may be committed.
        until: Timestamp,
    },
    /// What was upgraded hot is made what the next starts bring.
    Settling,
    /// The places go back to what was there before.
    RollingBack {
        /// Why.
        reason: String,
        /// The end of the log of the instance that failed.
        tail: Option<String>,
        /// What the deployment becomes when all are back.
        then: Verdict,
    },
    /// The post-rollback commands run.
    AfterRollback {
        /// The effect that runs the command.
        effect: EffectId,
        /// Which of them.
        index: usize,
        /// Why it was rolled back.
        reason: String,
        /// The end of the log of the instance that failed.
        tail: Option<String>,
        /// What the deployment becomes then.
        then: Verdict,
    },
    /// It has ended.
    Ended {
        /// How.
        outcome: Ended,
    },
}

/// What a rolled back deployment is called at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It failed; the version is ghosted where the kind says so.
    RolledBack,
    /// An operator gave it up.
    Cancelled,
    /// A newer version took its place.
    Superseded,
    /// The host went down under it: nothing is said against the version.
    Interrupted,
}

/// Why a deployment is given up, and what it is called then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GiveUp {
    /// Why.
    pub reason: String,
    /// What it becomes.
    pub verdict: Verdict,
}

/// How a deployment ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum Ended {
    /// The watch window held (or none was needed).
    Committed,
    /// Everything is as it was before.
    RolledBack {
        /// Why.
        reason: String,
        /// The end of the log of the instance that failed.
        tail: Option<String>,
    },
    /// Nothing was changed, or there was nothing to go back to.
    Failed {
        /// Why.
        reason: String,
        /// The end of the output of what failed.
        tail: Option<String>,
    },
    /// The way back failed too: a person is needed.
    RollbackFailed {
        /// Why the deployment was rolled back.
        reason: String,
        /// Why the way back failed.
        then: String,
    },
    /// An operator gave it up; everything is as it was before.
    Cancelled,
    /// A newer version took its place.
    Superseded,
}

impl Ended {
    /// The one word (or two) for it.
    pub fn word(&self) -> &'static str {
        match self {
            Ended::Committed => "committed",
            Ended::RolledBack { .. } => "rolled back",
            Ended::Failed { .. } => "failed",
            Ended::RollbackFailed { .. } => "rollback failed",
            Ended::Cancelled => "cancelled",
            Ended::Superseded => "superseded",
        }
    }
}

/// One place's part in a deployment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Lane {
    /// The instance that was there before.
    pub old: Option<InstanceId>,
    /// Whether a new one shall be there afterwards.
    pub wants_new: bool,
    /// The new one.
    pub new: Option<InstanceId>,
    /// How many new ones have failed so far.
    pub failures: u32,
    /// On the way back: the fresh instance of the old version, where the old one was gone.
    pub back: Option<InstanceId>,
    /// On the way back: how many of those have failed.
    pub back_failures: u32,
    /// Where members take turns: how the check of what was changed here stands.
    #[serde(default)]
    pub check: Option<MemberCheck>,
    /// How far the old instance has come to the new version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hot: Option<HotStep>,
}

impl Deployment {
    /// Whether it goes back.
    pub fn is_rolling_back(&self) -> bool {
        matches!(self.phase, Phase::RollingBack { .. } | Phase::AfterRollback { .. })
    }

    /// Whether somebody gave it up, so that it ends as soon as what it does now has ended.
    pub fn is_given_up(&self) -> bool {
        self.give_up.as_ref().is_some_and(|it| it.verdict != Verdict::Superseded)
    }

    /// Whether every new instance has been ready and got traffic: the switch is done.
    pub fn is_serving(&self) -> bool {
        match self.phase {
            Phase::Replacing => self.serving_at.is_some(),
            Phase::Watching { .. } | Phase::Settling => true,
            _ => false,
        }
    }

    /// The word for where it is.
    pub fn word(&self) -> &'static str {
        match &self.phase {
            Phase::Staging { .. } => "staging",
            Phase::Planning { .. } => "planning",
            Phase::Commands { .. } => "commands",
            Phase::Replacing if self.running_canary().is_some() => "canary",
            Phase::Replacing => "replacing",
            Phase::Upgrading => "upgrading",
            Phase::Watching { .. } => "watching",
            Phase::Settling => "settling",
            Phase::RollingBack { .. } | Phase::AfterRollback { .. } => "rolling back",
            Phase::Ended { outcome } => outcome.word(),
        }
    }
}
