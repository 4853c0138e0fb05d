//! The instructions of an appup.

use std::collections::BTreeSet;

use beam::instruction::{Instruction, Purge, Purges, Timeout, Update};

use super::low::{extra, supervisors};
use crate::plan::{Load, Plan};

/// Old code that is still run refuses the upgrade instead of ending whoever runs it.
pub(super) const SOFT: Purges = Purges { before: Purge::Soft, after: Purge::Soft };

/// What is done about an application.
pub(super) fn instructions(plan: &Plan, application: &str) -> Vec<Instruction> {
    let steps = &plan.steps;
    if steps.applications.restarted.iter().any(|name| name == application) {
        return vec![Instruction::RestartApplication { name: application.to_owned() }];
    }
    let mut seen = BTreeSet::new();
    let mut instructions = Vec::new();
    for load in steps.load.iter().filter(|load| !load.is_protocol) {
        // one that calls itself in a circle through others has no order: all are told to come after those before them
        let depends_on: Vec<String> =
            load.calls.iter().filter(|called| seen.contains(called.as_str())).cloned().collect();
        seen.insert(load.module.as_str());
        if load.application == application {
            instructions.push(of_module(plan, load, depends_on));
        }
    }
    let converted_only = steps.conversions.iter().filter(|it| {
        it.application == application && !steps.load.iter().any(|load| load.module == it.module)
    });
    instructions.extend(converted_only.map(|it| update(&it.module, plan, Vec::new())));
    let gone = steps.delete.iter().filter(|gone| gone.application == application);
    instructions.extend(
        gone.map(|gone| Instruction::DeleteModule { module: gone.module.clone(), depends_on: Vec::new() }),
    );
    instructions
}

fn of_module(plan: &Plan, load: &Load, depends_on: Vec<String>) -> Instruction {
    let module = load.module.clone();
    if load.from.is_none() {
        return Instruction::AddModule { module, depends_on };
    }
    if supervisors(plan).any(|supervisor| supervisor == module) {
        return Instruction::UpdateSupervisor { module };
    }
    if plan.steps.conversions.iter().any(|conversion| conversion.module == module) {
        return update(&module, plan, depends_on);
    }
    Instruction::LoadModule { module, purge: SOFT, depends_on }
}

fn update(module: &str, plan: &Plan, depends_on: Vec<String>) -> Instruction {
    let conversion = plan.steps.conversions.iter().find(|conversion| conversion.module == module);
    let extra = conversion.and_then(|conversion| conversion.convert.as_ref()).map(extra);
    Instruction::Update(Update {
        module: module.to_owned(),
        is_static: false,
        timeout: Timeout::Default,
        extra,
        purge: SOFT,
        depends_on,
    })
}
