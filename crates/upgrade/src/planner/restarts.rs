//! Applications that the operator would rather have restarted within the VM than the whole node.

use std::collections::BTreeSet;

use super::Planner;
use crate::finding::{Code, Place};

/// What is of no account when the processes of its application end and begin anew.
const ENDS_WITH_PROCESSES: &[Code] = &[
    Code::StartPhasesChanged,
    Code::StateShapeChanged,
    Code::KeptStructConverted,
    Code::KeptStructChanged,
    Code::ConvertedDown,
    Code::CodeChangeUntouched,
    Code::BehaviourChanged,
    Code::ActorChanged,
    Code::StatefulRemoved,
    Code::SpecialProcess,
    Code::RestartedByOverride,
    Code::LoopInModule,
    Code::ConstantsOfStart,
    Code::ClientStateChanged,
    Code::ConfigNotTold,
    Code::ChildrenReconciled,
    Code::RootChildren,
    Code::StartNotRepeated,
    Code::CallbackChanged,
    Code::KeptStructPossible,
    Code::StartedOtherwise,
    Code::StartHasEffects,
    Code::InitHasEffects,
];

impl Planner<'_> {
    /// Has applications restarted that need it and may be.
    pub(super) fn restarts_by_policy(&mut self) {
        let ended = |code: &Code| ENDS_WITH_PROCESSES.contains(code);
        let is_wanted =
            |place: &Place| application(place).is_some_and(|name| self.policy.restarted.contains(name));
        let needing =
            self.findings.iter().filter(|finding| ended(&finding.code) && is_wanted(&finding.place));
        let names: BTreeSet<String> =
            needing.filter_map(|finding| application(&finding.place)).map(str::to_owned).collect();
        if names.is_empty() {
            return;
        }
        let is_of = |place: &Place| application(place).is_some_and(|name| names.contains(name));
        self.findings.retain(|finding| !(ended(&finding.code) && is_of(&finding.place)));
        let steps = &mut self.steps;
        steps.restarts.retain(|module| {
            !self.pairs.new.get(module.as_str()).is_some_and(|held| names.contains(held.application))
        });
        steps.conversions.retain(|conversion| !names.contains(&conversion.application));
        steps.supervisors.retain(|supervisor| !names.contains(&supervisor.application));
        let restarted: BTreeSet<String> =
            steps.applications.restarted.drain(..).chain(names.clone()).collect();
        let in_order = self.new.in_order().into_iter().filter(|name| restarted.contains(*name)).cloned();
        steps.applications.restarted = in_order.collect();
        for name in &names {
            let values = [("why", "as the settings say")];
            self.found(Code::ApplicationRestarted, Place::application(name), &values);
        }
    }
}

fn application(place: &Place) -> Option<&str> {
    match place {
        Place::Application { application } | Place::Module { application, .. } => Some(application),
        Place::Release | Place::Process { .. } => None,
    }
}
