//! The settings of one app: what a version stores.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::assets::AssetSettings;
use super::autoscale::Autoscale;
use super::canary::CanarySettings;
use super::checks::{Check, Health, HealthAction, HealthKind, PortName, Readiness};
use super::command::{Command, PreCommand};
use super::hot::{HotSettings, UpgradeMode};
use super::limits::{ResourceLimits, Resources, Umask};
use super::member::MemberSettings;
use super::mesh::MeshSettings;
use super::node::{Distribution, Launch};
use super::routing::{AccessLog, Balance, Protocol, RequestLimits};
use super::variable::VariableValue;
use super::watchdog::WatchdogSettings;
use crate::names::VariableName;
use crate::units::{Size, millis};

/// How a full deployment replaces the old instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// All new instances beside all old ones; when all are ready, traffic is switched at once.
    #[default]
    Parallel,
    /// One place after another: the new instance beside the old one, then the old one stopped.
    Rolling,
    /// All old instances are stopped first.
    TemporaryShutdown,
    /// One place after another, the old one stopped before the new one is started, and the next only when a check says so.
    Member,
}

/// Which Erlang node name an instance gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeName {
    /// `{app}-{place}` in slot a, `{app}-{place}b` in slot b, so that old and new can run side by side.
    #[default]
    Slot,
    /// Always `{app}-{place}`; only possible when the old instance is stopped first.
    Plain,
}

/// How an instance is told to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopBy {
    /// SIGTERM.
    #[default]
    Signal,
    /// Its Erlang node; SIGTERM where that cannot be asked or does not end in time.
    Node,
}

/// How often the pre-commands of one deployment run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PreCommandScope {
    /// Once.
    #[default]
    Deployment,
    /// Once for each place.
    Place,
}

/// When log files are rotated and how many are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogSettings {
    /// A file that reaches this size is rotated.
    pub max_size: Size,
    /// A file that reaches this age is rotated.
    #[serde(with = "millis")]
    pub max_age: Duration,
    /// Rotated files kept beside the one being written.
    pub keep: u32,
}

impl Default for LogSettings {
    fn default() -> Self {
        LogSettings { max_size: Size(10_000_000), max_age: Duration::from_secs(7 * 24 * 3600), keep: 5 }
    }
}

/// How much of an instance's `erl_crash.dump` is written and kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CrashDumps {
    /// Dumps kept per place; 0 writes none.
    pub keep: u32,
    /// Writing one is given up after this time (`ERL_CRASH_DUMP_SECONDS`, so whole seconds).
    #[serde(with = "millis")]
    pub max_seconds: Duration,
}

impl Default for CrashDumps {
    fn default() -> Self {
        CrashDumps { keep: 2, max_seconds: Duration::from_secs(10) }
    }
}

/// Everything that Bellrock is told about an app; every key has a value.
///
/// JSON of an older version is readable (absent fields take their defaults) and of a newer one too
/// (unknown fields are skipped).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AppSettings {
    /// Places, i.e. instances that serve at the same time.
    pub replicas: u16,
    /// Most places the app may ever have; see [`AppSettings::max`].
    pub max: Option<u16>,
    /// By what the number of places follows the load.
    pub autoscale: Autoscale,
    /// `PORT` of place 1 in slot a.
    pub port: u16,
    /// More port variables, each with the port of place 1 in slot a.
    pub ports: BTreeMap<VariableName, u16>,
    /// How a full deployment replaces the old instances.
    pub strategy: Strategy,
    /// How the switch of a `parallel` deployment is made in steps.
    pub canary: CanarySettings,
    /// When running instances take in another version.
    pub upgrade: UpgradeMode,
    /// How they do.
    pub hot: HotSettings,
    /// What says that the next place's turn has come (`member`).
    pub member: MemberSettings,
    /// Node names of the instances.
    pub node_name: NodeName,
    /// By what they are started; `None` = directly where the package's script is known.
    pub launch: Option<Launch>,
    /// Who may reach their nodes.
    pub distribution: Distribution,
    /// With whom they are connected.
    pub mesh: MeshSettings,
    /// Whether the host's proxy leads HTTP requests to the app.
    pub proxy: bool,
    /// The port that it leads them to.
    pub proxy_port: PortName,
    /// Host names whose requests the app gets: lower case, `*.` in front for any one label; none = all.
    pub hosts: Vec<String>,
    /// Path prefixes, matched at whole segments, whose requests it gets; none = all.
    pub paths: Vec<String>,
    /// How the proxy chooses among ready instances.
    pub balance: Balance,
    /// What the instances speak with the proxy.
    pub protocol: Protocol,
    /// How long requests in flight may go on in an instance that is to be stopped.
    #[serde(with = "millis")]
    pub drain_timeout: Duration,
    /// How long requests wait while no instance is ready.
    #[serde(with = "millis")]
    pub hold_timeout: Duration,
    /// Media types of responses that never end by themselves.
    pub endless_types: Vec<String>,
    /// How the proxy writes its requests down; `None` = as the host's `proxy.access_log` says.
    pub access_log: Option<AccessLog>,
    /// Files of other versions that the proxy gives.
    pub assets: AssetSettings,
    /// What the proxy allows its requests.
    pub limits: RequestLimits,
    /// Store of this app; `None` = the host's.
    pub store: Option<PathBuf>,
    /// Environment of this app (`{env}` in the store's layout); `None` = the host's.
    pub env: Option<String>,
    /// Folder of the Erlang runtime for a package without one.
    pub runtime: Option<PathBuf>,
    /// What stands in the place of the package's `sys.config`; `None` = that.
    pub sys_config: Option<PathBuf>,
    /// User that the app runs as; `None` = the host's `app_user`.
    pub user: Option<String>,
    /// Group that the app runs as; `None` = the host's `app_group`, else the user's own.
    pub group: Option<String>,
    /// File mode creation mask of the app.
    pub umask: Umask,
    /// The app can gain no rights by running set-user-id programs.
    pub no_new_privs: bool,
    /// Resource limits of each process of the app.
    pub rlimits: ResourceLimits,
    /// What all processes of an instance may use together.
    pub resources: Resources,
    /// When a node has too much of something.
    pub watchdog: WatchdogSettings,
    /// When an instance may get traffic.
    pub readiness: Readiness,
    /// Whether it may keep it.
    pub health: Health,
    /// From the first start of a deployment until it serves; past it, rolled back.
    #[serde(with = "millis")]
    pub deploy_deadline: Duration,
    /// How long a deployment that serves is watched before it is committed.
    #[serde(with = "millis")]
    pub watch_window: Duration,
    /// Exits of an instance inside the watch window that roll back.
    pub watch_exits: u32,
    /// Instances made for one place in a deployment before it fails.
    pub tries: u32,
    /// From SIGTERM until SIGKILL of the whole tree.
    #[serde(with = "millis")]
    pub stop_timeout: Duration,
    /// How an instance is told to end.
    pub stop_by: StopBy,
    /// Run before anything is started.
    pub pre_commands: Vec<PreCommand>,
    /// How often they run in one deployment.
    pub pre_command_scope: PreCommandScope,
    /// Run for each created instance before its start.
    pub init_commands: Vec<Command>,
    /// Run once per host and content, to install what the app needs.
    pub prepare_commands: Vec<Command>,
    /// Run after a rollback, by the version that is back.
    pub post_rollback: Vec<PreCommand>,
    /// Time limit of each command above.
    #[serde(with = "millis")]
    pub command_timeout: Duration,
    /// Environment variables that the app gets.
    pub variables: BTreeMap<VariableName, VariableValue>,
    /// Versions kept, the active one included.
    pub keep_versions: u32,
    /// Rotation of the app's logs.
    pub log: LogSettings,
    /// Crash dumps of the app.
    pub crash_dumps: CrashDumps,
}

impl Default for AppSettings {
    fn default() -> Self {
        AppSettings {
            replicas: 3,
            max: None,
            autoscale: Autoscale::default(),
            port: 4000,
            ports: BTreeMap::new(),
            strategy: Strategy::Parallel,
            canary: CanarySettings::default(),
            upgrade: UpgradeMode::Never,
            hot: HotSettings::default(),
            member: MemberSettings::default(),
            node_name: NodeName::Slot,
            launch: None,
            distribution: Distribution::Loopback,
            mesh: MeshSettings::default(),
            proxy: true,
            proxy_port: PortName::Port,
            hosts: Vec::new(),
            paths: Vec::new(),
            balance: Balance::LeastConnections,
            protocol: Protocol::Http1,
            drain_timeout: Duration::from_secs(30),
            hold_timeout: Duration::from_secs(30),
            endless_types: vec!["text/event-stream".to_owned()],
            access_log: None,
            assets: AssetSettings::default(),
            limits: RequestLimits::default(),
            store: None,
            env: None,
            runtime: None,
            sys_config: None,
            user: None,
            group: None,
            umask: Umask(0o027),
            no_new_privs: true,
            rlimits: ResourceLimits::default(),
            resources: Resources::default(),
            watchdog: WatchdogSettings::default(),
            readiness: Readiness::default(),
            health: Health::default(),
            deploy_deadline: Duration::from_secs(600),
            watch_window: Duration::from_secs(120),
            watch_exits: 3,
            tries: 3,
            stop_timeout: Duration::from_secs(30),
            stop_by: StopBy::Signal,
            pre_commands: Vec::new(),
            pre_command_scope: PreCommandScope::Deployment,
            init_commands: Vec::new(),
            prepare_commands: Vec::new(),
            post_rollback: Vec::new(),
            command_timeout: Duration::from_secs(600),
            variables: BTreeMap::new(),
            keep_versions: 10,
            log: LogSettings::default(),
            crash_dumps: CrashDumps::default(),
        }
    }
}

impl AppSettings {
    /// Most places the app may ever have: as said, else twice `replicas` or what `autoscale.max` says, if that is more.
    /// Ports are reserved for all of them.
    pub fn max(&self) -> u16 {
        let unsaid = || self.replicas.saturating_mul(2).max(self.autoscale.max.unwrap_or(0));
        self.max.unwrap_or_else(unsaid).max(self.replicas)
    }

    /// Between how many places it may be scaled by itself; `None`: it is not.
    pub fn autoscale_range(&self) -> Option<RangeInclusive<u16>> {
        if !self.autoscale.is_on() {
            return None;
        }
        let most = self.autoscale.max.unwrap_or(u16::MAX).min(self.max());
        Some(self.autoscale.min.unwrap_or(self.replicas).min(most)..=most)
    }

    /// Whether all instances of a place stand in slot a, so that they have one node name and one set of ports.
    pub fn has_one_slot(&self) -> bool {
        self.node_name == NodeName::Plain || self.strategy == Strategy::Member
    }

    /// What says whether an instance may get traffic.
    pub fn readiness_check(&self) -> Check {
        self.readiness.check()
    }

    /// What is done with an instance that stays unhealthy. Unless somebody says so, only a check that asks the node restarts
    /// it, because that one fails for the node itself; a page may well say that a database is away, which no restart
    /// brings back.
    pub fn health_action(&self) -> HealthAction {
        let asks_node = matches!(self.health_check(), Some(Check::Node | Check::Mfa { .. }));
        let usual = if asks_node { HealthAction::Restart } else { HealthAction::Tell };
        self.health.action.unwrap_or(usual)
    }

    /// What says whether a serving instance may keep its traffic; `None` = nothing but its being alive.
    /// Where `health` says nothing, the readiness check goes on.
    pub fn health_check(&self) -> Option<Check> {
        let kind = match self.health.kind {
            Some(HealthKind::Off) => return None,
            Some(kind) => kind.check_kind()?,
            None => self.readiness.kind,
        };
        let check = Readiness { kind, ..self.readiness.clone() };
        match self.health.over(check).check() {
            Check::RunsFor { .. } => None,
            check => Some(check),
        }
    }
}
