//! What comes before the first instance of a deployment: prepare and pre-commands, one after another.

use super::deployment::{GiveUp, Kind, Phase};
use super::effect::{CommandLine, Effect, Run, RunKind};
use super::note::{Level, Step};
use super::turn::Turn;
use crate::names::Place;
use crate::settings::{PreCommandScope, Strategy};

impl Turn {
    /// Host and package are fit: the commands come next, then the lanes.
    pub(super) fn staged(&mut self, detail: Option<String>) {
        let begun_at = self.deployment().begun_at;
        let took = self.since(begun_at);
        self.note(Step::Staged, detail.unwrap_or_else(|| "staged".into())).took(took);
        if !self.plan_hot() {
            self.run_command(0);
        }
    }

    /// There is no room for all new instances beside all old ones.
    pub(super) fn one_after_another(&mut self, detail: &str) {
        if !self.deployment().switches_at_once() {
            return;
        }
        let canary = if self.app.deployment.as_ref().is_some_and(|it| self.app.makes_canary(it)) {
            ", and without a canary"
        } else {
            ""
        };
        self.deployment().strategy = Strategy::Rolling;
        let text = format!(
            "rolling instead of parallel{canary}: not enough memory for old and new side by side ({detail})"
        );
        self.note(Step::Staged, text).level = Level::Warning;
    }

    /// Ends a deployment that has started nothing yet, if somebody gave it up; says whether it did.
    pub(super) fn gave_up(&mut self) -> bool {
        let Some(GiveUp { reason, verdict }) = self.deployment().give_up.take() else { return false };
        self.turn_back(reason, None, verdict);
        true
    }

    /// Runs the command with this index, or goes on to the lanes when there is none.
    pub(super) fn run_command(&mut self, index: usize) {
        if self.gave_up() {
            return;
        }
        let at = self.at;
        let Some(run) = self.commands().into_iter().nth(index) else {
            let deployment = self.deployment();
            deployment.phase = if deployment.is_hot() { Phase::Upgrading } else { Phase::Replacing };
            deployment.started_at = Some(at);
            return;
        };
        if matches!(run.kind, RunKind::Pre { .. }) {
            self.deployment().pre_commands_ran = true;
        }
        let effect = self.issue(Effect::Run { run });
        self.deployment().phase = Phase::Commands { effect, index };
    }

    /// All commands that come before the first instance, in order.
    fn commands(&mut self) -> Vec<Run> {
        let deployment = self.deployment();
        let (id, kind, Some(target)) = (deployment.id, deployment.kind, deployment.to) else {
            return Vec::new();
        };
        if !kind.is_watched() || kind == Kind::Variables {
            return Vec::new();
        }
        let places: Vec<Place> =
            deployment.lanes.iter().filter(|(_, lane)| lane.wants_new).map(|(place, _)| *place).collect();
        let settings = self.settings(target);
        let run = |kind, command| Run { kind, command, target, deployment: Some(id) };
        let mut runs: Vec<Run> = settings
            .prepare_commands
            .iter()
            .map(|command| run(RunKind::Prepare, CommandLine::Program(command.clone())))
            .collect();
        // A rollback or an activation brings back a version whose commands were run when it was deployed.
        if kind != Kind::Deploy {
            return runs;
        }
        let of_file =
            self.app.version(target.version).map(|version| version.pre_commands.clone()).unwrap_or_default();
        let scope: Vec<Option<Place>> = match settings.pre_command_scope {
            PreCommandScope::Deployment => vec![None],
            PreCommandScope::Place => places.into_iter().map(Some).collect(),
        };
        for place in scope {
            let all = of_file.iter().chain(&settings.pre_commands).cloned();
            runs.extend(all.map(|command| run(RunKind::Pre { place }, CommandLine::Release(command))));
        }
        runs
    }
}
