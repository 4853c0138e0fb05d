//! Deployments: taking an app's places from one version to another.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::app::InstanceState;
use crate::event::Event;
use crate::version::By;

/// A deployment: queued, under way or ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Deployment {
    /// Its number.
    pub id: u64,
    /// The app.
    pub app: String,
    /// What was asked for.
    pub kind: DeploymentKind,
    /// Where it is, or how it ended.
    pub phase: Phase,
    /// Who asked.
    pub by: By,
    /// What was active when it began: the way back.
    pub from: Option<String>,
    /// What shall be active; absent when everything is stopped.
    pub to: Option<String>,
    /// How old and new take turns: `parallel`, `rolling`, `temporary_shutdown` or `member`.
    pub strategy: String,
    /// Whether running instances are upgraded hot; false from when it goes on by fresh ones.
    #[serde(default)]
    pub hot: bool,
    /// When it was begun; absent while it is queued.
    pub begun_at: Option<Timestamp>,
    /// Its canary, as far as it has come.
    #[serde(default)]
    pub canary: Option<Canary>,
    /// When every new instance was ready.
    pub serving_at: Option<Timestamp>,
    /// While it is watched: when it may be committed.
    pub watching_until: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Why it is rolled back or failed.
    pub reason: Option<String>,
    /// The end of the log of what failed.
    pub log_tail: Option<String>,
    /// Whether its version is ghosted because of it.
    pub ghosted: bool,
    /// Whether pre-commands were run: a rollback does not undo them.
    pub pre_commands_ran: bool,
    /// Each place's part.
    pub places: Vec<DeploymentPlace>,
    /// What the drains of instances came to, in the order in which they ended.
    #[serde(default)]
    pub drains: Vec<Drain>,
}

/// What the drain of an instance came to: the proxy gave it no new requests, and what it had ended or was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Drain {
    /// The instance.
    pub instance: u64,
    /// Its place.
    pub place: u16,
    /// From the switch to the last thing in flight.
    pub took_ms: u64,
    /// WebSockets that were closed in order, with 1001 ("going away").
    pub websockets_closed: u64,
    /// Streams that never end by themselves (`endless_types`) and were ended in order.
    pub streams_ended: u64,
    /// Requests, streams and WebSockets that were in flight at the end of `drain_timeout`, and were cut.
    pub cut: u64,
}

/// A deployment's switch made in steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Canary {
    /// The step it is at, from 1, or the last one it was at.
    pub step: u32,
    /// How many steps there are.
    pub steps: u32,
    /// Percent of the clients that get the new version in this step.
    pub percent: u8,
    /// When the step began; where both versions failed, when they began to be compared anew.
    pub since: Timestamp,
    /// What the old version has answered since.
    pub old: Counted,
    /// What the new version has answered in the same time.
    pub new: Counted,
    /// Why it cannot be decided, and since when; absent while it can.
    pub held: Option<Held>,
    /// When all requests began to go to the new version.
    pub ended_at: Option<Timestamp>,
}

/// What a version has answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Counted {
    /// Responses, and attempts that came to none.
    pub requests: u64,
    /// Those with 5xx, and attempts that came to no response.
    pub errors: u64,
    /// 95 of 100 responses came within this many µs; absent without responses, or where it is more than 10 s.
    pub p95_us: Option<u64>,
}

/// A canary that cannot be decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Held {
    /// Why: `too_few` requests of a version, or `both_bad`.
    pub why: String,
    /// Since when.
    pub since: Timestamp,
}

/// One place's part in a deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeploymentPlace {
    /// The place.
    pub place: u16,
    /// The instance that was there before.
    pub old: Option<Member>,
    /// The one that takes its place.
    pub new: Option<Member>,
    /// On the way back: the fresh instance of the old version.
    pub back: Option<Member>,
    /// How many new ones have failed so far.
    pub failures: u32,
    /// Where members take turns: how the check of what was changed here stands.
    #[serde(default)]
    pub check: Option<MemberCheck>,
    /// How far the instance that was there before has come to the new version: `upgrading`, `upgraded`, `settling`,
    /// `settled` or `undoing`; absent where it is not upgraded hot.
    #[serde(default)]
    pub hot: Option<String>,
}

/// How the operator's check of a member stands (`member.check`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MemberCheck {
    /// The instance that is asked.
    pub instance: u64,
    /// What it says: `nothing` while it is being asked, `no` or `yes`.
    pub says: String,
    /// How often it has said no.
    pub noes: u32,
    /// Why it said no last.
    pub why: Option<String>,
}

/// An instance's part in a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Member {
    /// Its number.
    pub instance: u64,
    /// What it is doing; absent once it is forgotten.
    pub state: Option<InstanceState>,
}

/// A deployment with its log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DeploymentDetail {
    /// The deployment.
    #[serde(flatten)]
    pub deployment: Deployment,
    /// Every step, oldest first.
    pub log: Vec<Event>,
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DeploymentKind {
    /// A version that was not active before, or with other settings.
    Deploy,
    /// An archived version again.
    Activate,
    /// The version before the active one.
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

impl DeploymentKind {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            DeploymentKind::Deploy => "deploy",
            DeploymentKind::Activate => "activate",
            DeploymentKind::Rollback => "rollback",
            DeploymentKind::Restart => "restart",
            DeploymentKind::Variables => "variables",
            DeploymentKind::Scale => "scale",
            DeploymentKind::Stop => "stop",
            DeploymentKind::Start => "start",
        }
    }
}

/// Where a deployment is, or how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It waits for another one.
    Queued,
    /// Package and host are made ready; nothing has started.
    Staging,
    /// It is found out whether what runs can be upgraded hot.
    Planning,
    /// Prepare and pre-commands run.
    Commands,
    /// Instances are brought up and retired.
    Replacing,
    /// The new version gets a share of the requests.
    Canary,
    /// Running instances are upgraded hot.
    Upgrading,
    /// Serving, inside the watch window.
    Watching,
    /// What was upgraded hot is made what the next starts bring.
    Settling,
    /// The places go back to what was there before.
    RollingBack,
    /// Ended: the watch window held (or none was needed).
    Committed,
    /// Ended: everything is as it was before.
    RolledBack,
    /// Ended: nothing was changed, or there was nothing to go back to.
    Failed,
    /// Ended: the way back failed too, a person is needed.
    RollbackFailed,
    /// Ended: an operator gave it up; everything is as it was before.
    Cancelled,
    /// Ended: a newer version took its place.
    Superseded,
}

impl Phase {
    /// The words for it.
    pub fn word(self) -> &'static str {
        match self {
            Phase::Queued => "queued",
            Phase::Staging => "staging",
            Phase::Planning => "planning",
            Phase::Commands => "commands",
            Phase::Replacing => "replacing",
            Phase::Canary => "canary",
            Phase::Upgrading => "upgrading",
            Phase::Watching => "watching",
            Phase::Settling => "settling",
            Phase::RollingBack => "rolling back",
            Phase::Committed => "committed",
            Phase::RolledBack => "rolled back",
            Phase::Failed => "failed",
            Phase::RollbackFailed => "rollback failed",
            Phase::Cancelled => "cancelled",
            Phase::Superseded => "superseded",
        }
    }

    /// Whether nothing follows.
    pub fn is_over(self) -> bool {
        matches!(
            self,
            Phase::Committed
                | Phase::RolledBack
                | Phase::Failed
                | Phase::RollbackFailed
                | Phase::Cancelled
                | Phase::Superseded
        )
    }
}
