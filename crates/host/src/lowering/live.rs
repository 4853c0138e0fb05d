//! What a look at the running node adds to a plan: its findings under their codes.

use std::time::Duration;

use hot::{Bounds, Cause, Preflight};
use upgrade::finding::{Code, Finding, Place};
use upgrade::plan::Plan;

/// From how many processes on it is worth a word that they stand still.
const MANY: u64 = 10_000;

/// What was found in a node, as findings of the plan that was to be installed there.
pub fn live(preflight: &Preflight, bounds: &Bounds, plan: &Plan) -> Vec<Finding> {
    let found = preflight.in_the_way.iter().chain(&preflight.care);
    let mut findings: Vec<Finding> = found.map(|it| finding(it, bounds, plan)).collect();
    if preflight.suspended >= MANY {
        let pause = format!("{} ms", preflight.estimated_pause().as_millis());
        let values = [("count", preflight.suspended.to_string()), ("pause", pause)];
        findings.push(of_release(Code::ManyProcesses, &values));
    }
    if preflight.converted_bytes > bounds.most_saved_bytes {
        let values = [("bytes", format!("{} MB", preflight.converted_bytes >> 20))];
        findings.push(of_release(Code::StatesNotKept, &values));
    }
    findings
}

/// The node could not be looked at.
pub fn not_reached(why: &str) -> Finding {
    of_release(Code::NotReached, &[("why", why.to_owned())])
}

fn of_release(code: Code, values: &[(&str, String)]) -> Finding {
    let values: Vec<(&str, &str)> = values.iter().map(|(key, value)| (*key, value.as_str())).collect();
    Finding::new(code, Place::Release, &values)
}

fn finding(found: &hot::Finding, bounds: &Bounds, plan: &Plan) -> Finding {
    let who = found.pid.as_deref().unwrap_or("something that is stored");
    let within = shown(bounds.patience);
    let whole = found.to_string();
    let values = [
        ("process", who),
        ("who", who),
        ("within", within.as_str()),
        ("detail", found.detail.as_str()),
        ("why", whole.as_str()),
    ];
    Finding::new(code(found.cause), place(found, plan), &values)
}

fn code(cause: Cause) -> Code {
    match cause {
        Cause::OtherCode => Code::OtherCodeRuns,
        Cause::OldCode => Code::OldCodeInUse,
        Cause::OldFunction => Code::StoredFunction,
        Cause::Unresponsive => Code::Unresponsive,
        Cause::Waits | Cause::StoredFunction => Code::KeepsOldCode,
        Cause::Sticky | Cause::NotLoadable | Cause::Excluded | Cause::Missing | Cause::Failed => {
            Code::NodeRefuses
        }
    }
}

fn place(found: &hot::Finding, plan: &Plan) -> Place {
    let Some(module) = &found.module else { return Place::Release };
    if let Some(process) = &found.pid {
        return Place::Process { process: process.clone(), module: module.clone() };
    }
    let steps = &plan.steps;
    let loaded = steps.load.iter().map(|it| (&it.module, &it.application));
    let gone = steps.delete.iter().map(|it| (&it.module, &it.application));
    let suspended = steps.conversions.iter().map(|it| (&it.module, &it.application));
    let application = loaded.chain(gone).chain(suspended).find(|(name, _)| *name == module);
    Place::module(application.map_or("", |(_, application)| application), module)
}

fn shown(time: Duration) -> String {
    format!("{} s", time.as_secs_f32())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_makes_a_whole_sentence_with_and_without_a_process() {
        let plan = upgrade::plan(&release(), &release(), &upgrade::policy::Policy::default());
        for cause in Cause::ALL {
            for pid in [None, Some("<0.84.0>".to_owned())] {
                let found = hot::Finding {
                    cause,
                    module: Some("shop_till".to_owned()),
                    pid: pid.clone(),
                    detail: "detail".to_owned(),
                };
                let finding = finding(&found, &Bounds::default(), &plan);
                assert!(!finding.reason.contains('?'), "{}", finding.reason);
                let is_told = finding.reason.contains("shop_till") || finding.code == Code::Unresponsive;
                assert!(is_told, "{}", finding.reason);
                assert!(pid.is_none_or(|pid| finding.place.to_string().contains(&pid)));
            }
        }
    }

    fn release() -> upgrade::inventory::Release {
        upgrade::inventory::Release {
            name: "shop".to_owned(),
            version: "1".to_owned(),
            kind: upgrade::inventory::Kind::Rebar,
            runtime: Default::default(),
            applications: Default::default(),
            start_order: Vec::new(),
            protocols: Default::default(),
            configuration: Default::default(),
        }
    }
}
