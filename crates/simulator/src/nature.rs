//! What the versions of the simulated app are like: decided by the seed and the label, so that all sorts meet.

use std::collections::BTreeMap;
use std::time::Duration;

use model::VersionLabel;
use model::app::NewVersion;
use model::settings::{
    AppSettings, Command, HealthAction, NodeName, PreCommand, PreCommandScope, Strategy, UpgradeMode,
    WhenUnsure,
};

use crate::chance::Chance;

/// How the runs of a version go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nature {
    /// It becomes ready and stays well.
    Good,
    /// It exits before it is ready.
    ExitsAtBoot,
    /// It runs and is never ready.
    NeverReady,
    /// It exits a while after it was ready.
    ExitsLater,
    /// It fails its health check a while after it was ready.
    Sickens,
}

/// The versions of a seed.
#[derive(Debug, Clone, Copy)]
pub struct Versions {
    /// What decides.
    pub seed: u64,
    /// All of them are good and deployed in this one way; `None`: as the seed has it.
    pub all: Option<Strategy>,
    /// All of them are upgraded hot where that can be; `false`: as the seed has it.
    pub hot: bool,
}

impl Versions {
    /// How the runs of a version go.
    pub fn nature(&self, label: &VersionLabel) -> Nature {
        if label.as_str().ends_with("bad") {
            return Nature::ExitsAtBoot;
        }
        match (self.all, self.chance(label, 1).below(12)) {
            (Some(_), _) | (_, 0..=6) => Nature::Good,
            (_, 7) => Nature::ExitsAtBoot,
            (_, 8) => Nature::NeverReady,
            (_, 9) => Nature::ExitsLater,
            (_, 10) => Nature::Sickens,
            _ => Nature::Good,
        }
    }

    /// The version's package with its settings.
    pub fn package(&self, label: &str) -> NewVersion {
        let label: VersionLabel = label.parse().expect("it is a label");
        NewVersion {
            digest: format!("digest of {label}"),
            size_bytes: 1,
            settings: self.settings(&label),
            meta: BTreeMap::new(),
            pre_commands: Vec::new(),
            label,
        }
    }

    fn settings(&self, label: &VersionLabel) -> AppSettings {
        let mut settings = AppSettings { tries: 2, max: Some(4), ..AppSettings::default() };
        settings.deploy_deadline = Duration::from_secs(120);
        settings.readiness.failure_timeout = Duration::from_secs(20);
        let mut chance = self.chance(label, 2);
        settings.replicas = chance.one_of(&[1, 2, 2, 3, 3, 4]);
        settings.watch_window = Duration::from_secs(chance.one_of(&[0, 5, 20, 60]));
        settings.strategy = chance.one_of(&[
            Strategy::Parallel,
            Strategy::Parallel,
            Strategy::Rolling,
            Strategy::TemporaryShutdown,
            Strategy::Member,
        ]);
        if settings.strategy == Strategy::Parallel && self.all.is_none() && self.chance(label, 3).once_in(2) {
            canary(&mut settings, &mut self.chance(label, 4));
        }
        settings.keep_versions = chance.one_of(&[2, 3, 5]);
        let mut has_commands = chance.once_in(2);
        if let Some(strategy) = self.all {
            settings.strategy = strategy;
            settings.replicas = 2;
            settings.watch_window = Duration::from_secs(5);
            has_commands = true;
        } else if settings.strategy == Strategy::TemporaryShutdown && chance.once_in(2) {
            settings.node_name = NodeName::Plain;
        }
        if settings.strategy == Strategy::Member {
            settings.member.check = Some(PreCommand::parse("rpc D.whole").expect("it is one"));
        }
        if self.hot || (self.all.is_none() && self.chance(label, 5).once_in(2)) {
            settings.upgrade = UpgradeMode::Auto;
        }
        if self.all.is_none() {
            health(&mut settings, &mut self.chance(label, 5));
        }
        if has_commands {
            commands(&mut settings, &mut chance);
        }
        settings
    }

    fn chance(&self, label: &VersionLabel, about: u64) -> Chance {
        let text = label.as_str().bytes().fold(0, |sum: u64, byte| sum.wrapping_mul(31) + u64::from(byte));
        Chance::new(self.seed, &[text, about])
    }
}

fn canary(settings: &mut AppSettings, chance: &mut Chance) {
    settings.canary.steps = vec![10, 50];
    settings.canary.step_time = Duration::from_secs(10);
    settings.canary.hold_limit = Duration::from_secs(30);
    settings.canary.when_unsure = chance.one_of(&[WhenUnsure::Promote, WhenUnsure::Abort]);
}

/// What is done with an instance that stays unhealthy, as one that hangs.
fn health(settings: &mut AppSettings, chance: &mut Chance) {
    settings.health.action = chance.one_of(&[None, Some(HealthAction::Restart), Some(HealthAction::Restart)]);
    settings.health.restart_after = Duration::from_secs(chance.one_of(&[5, 15, 60]));
    settings.watchdog.restart_every = Duration::from_secs(chance.one_of(&[30, 300]));
}

fn commands(settings: &mut AppSettings, chance: &mut Chance) {
    let release = |text| PreCommand::parse(text).expect("it is one");
    let program = |text| Command::split(text).expect("it is one");
    settings.prepare_commands = vec![program("bin/prepare")];
    settings.pre_commands = vec![release("eval A.migrate"), release("eval B.migrate")];
    settings.post_rollback = vec![release("rpc C.undo")];
    settings.init_commands = vec![program("bin/init")];
    settings.pre_command_scope = chance.one_of(&[PreCommandScope::Deployment, PreCommandScope::Place]);
}
