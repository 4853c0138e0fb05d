//! The instructions of a relup: the whole release as one group.

use std::collections::BTreeSet;

use beam::Term;
use beam::instruction::{Instruction, Mode, Purge, Purges};

use super::high::SOFT;
use crate::inventory::{Release, StartType};
use crate::plan::{Children, Convert, Direction, Load, Plan};

/// Modules of an application that was stopped are run by nobody.
const BRUTAL: Purges = Purges { before: Purge::Brutal, after: Purge::Brutal };

/// What is done, in the order in which it is done.
pub(super) fn instructions(plan: &Plan, from: &Release, to: &Release) -> Vec<Instruction> {
    let steps = &plan.steps;
    let loads: Vec<&Load> = steps.load.iter().filter(|load| !load.is_protocol).collect();
    let mut all: Vec<Instruction> = object_code(&loads, to);
    all.push(Instruction::PointOfNoReturn);
    all.extend(steps.applications.restarted.iter().rev().map(|name| call("stop", name, None)));
    all.extend(removed(plan, from));
    let suspended: Vec<String> = suspended(plan);
    if !suspended.is_empty() {
        let modules = suspended.iter().map(|module| (module.clone(), None)).collect();
        all.push(Instruction::Suspend(modules));
    }
    all.extend(code_changes(plan, Direction::Down));
    all.extend(loads.iter().map(|load| Instruction::Load { module: load.module.clone(), purge: SOFT }));
    all.extend(code_changes(plan, Direction::Up));
    if !suspended.is_empty() {
        all.push(Instruction::Resume(suspended.into_iter().rev().collect()));
    }
    let of_removed = |application: &String| steps.applications.removed.contains(application);
    for gone in steps.delete.iter().filter(|gone| !of_removed(&gone.application)) {
        all.push(Instruction::Remove { module: gone.module.clone(), purge: SOFT });
        all.push(Instruction::Purge(vec![gone.module.clone()]));
    }
    all.extend(started(plan, to));
    all.extend(calls(plan));
    all
}

fn object_code(loads: &[&Load], to: &Release) -> Vec<Instruction> {
    let applications: BTreeSet<&str> = loads.iter().map(|load| load.application.as_str()).collect();
    let of_application = |name: &str| Instruction::LoadObjectCode {
        application: name.to_owned(),
        version: to.applications.get(name).map(|it| it.version.clone()).unwrap_or_default(),
        modules: loads
            .iter()
            .filter(|load| load.application == name)
            .map(|load| load.module.clone())
            .collect(),
    };
    applications.into_iter().map(of_application).collect()
}

/// Applications that are gone, as `systools` has it: stopped, their modules removed, unloaded.
fn removed(plan: &Plan, from: &Release) -> Vec<Instruction> {
    let mut all = Vec::new();
    for name in &plan.steps.applications.removed {
        all.push(call("stop", name, None));
        let modules: Vec<String> =
            from.applications.get(name).map(|it| it.modules.keys().cloned().collect()).unwrap_or_default();
        all.extend(modules.iter().map(|it| Instruction::Remove { module: it.clone(), purge: BRUTAL }));
        all.push(Instruction::Purge(modules));
        all.push(call("unload", name, None));
    }
    all
}

fn started(plan: &Plan, to: &Release) -> Vec<Instruction> {
    let applications = &plan.steps.applications;
    let all = applications.added.iter().chain(&applications.restarted);
    let started = all.filter_map(|name| {
        let start_type = match to.applications.get(name)?.start_type {
            StartType::Permanent => "permanent",
            StartType::Transient => "transient",
            StartType::Temporary => "temporary",
            StartType::Load => return Some(call("load", name, None)),
            StartType::None => return None,
        };
        Some(call("start", name, Some(start_type)))
    });
    started.collect()
}

fn call(function: &str, application: &str, start_type: Option<&str>) -> Instruction {
    let arguments = std::iter::once(Term::atom(application)).chain(start_type.map(Term::atom));
    Instruction::Apply {
        module: "application".to_owned(),
        function: function.to_owned(),
        arguments: Term::list(arguments),
    }
}

fn calls(plan: &Plan) -> impl Iterator<Item = Instruction> {
    plan.steps.calls.iter().map(|call| Instruction::Apply {
        module: call.module.clone(),
        function: call.function.clone(),
        arguments: term(&call.arguments),
    })
}

/// Processes that convert a state and supervisors that take new specifications.
fn suspended(plan: &Plan) -> Vec<String> {
    let converting = plan.steps.conversions.iter().map(|conversion| conversion.module.as_str());
    let all: Vec<&str> = converting.chain(supervisors(plan)).collect();
    let mut seen = BTreeSet::new();
    all.into_iter().filter(|module| seen.insert(*module)).map(str::to_owned).collect()
}

/// Supervisors whose `init/1` is asked.
pub(super) fn supervisors(plan: &Plan) -> impl Iterator<Item = &str> {
    let of_init = plan.steps.supervisors.iter().filter(|it| it.children == Children::OfInit);
    of_init.map(|supervisor| supervisor.module.as_str())
}

fn code_changes(plan: &Plan, direction: Direction) -> Option<Instruction> {
    let conversions = plan.steps.conversions.iter().filter_map(|conversion| {
        let convert = conversion.convert.as_ref().filter(|convert| convert.direction == direction)?;
        Some((conversion.module.clone(), extra(convert)))
    });
    let mut modules: Vec<(String, Term)> = conversions.collect();
    if direction == Direction::Up {
        // a supervisor takes its new specifications in either way after it was loaded
        modules.extend(supervisors(plan).map(|module| (module.to_owned(), Term::list([]))));
    }
    let mode = if direction == Direction::Up { Mode::Up } else { Mode::Down };
    (!modules.is_empty()).then_some(Instruction::CodeChange { mode, modules })
}

pub(super) fn extra(convert: &Convert) -> Term {
    term(&convert.extra)
}

/// A term of a plan's making, which was printed by us.
fn term(text: &str) -> Term {
    let terms = beam::text::consult(format!("{text}.").as_bytes()).unwrap_or_default();
    terms.into_iter().next().unwrap_or_else(|| Term::list([]))
}
