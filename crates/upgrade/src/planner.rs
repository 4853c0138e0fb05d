//! From two releases to a [`Plan`].
//!
//! One pass for each kind of thing that can differ ([`runtime`], [`configuration`], [`applications`], [`modules`], …):
//! each adds what was found and what is to be done. The verdict follows from the findings alone, the level from the steps.

mod applications;
mod appups;
mod configuration;
mod effects;
mod judgement;
mod modules;
mod order;
mod pairs;
mod restarts;
mod runtime;
mod state;
mod structs;
mod supervisors;
mod vsn;

use crate::difference::Difference;
use crate::finding::{Code, Finding, Place, module_name};
use crate::inventory::Release;
use crate::plan::{Direction, Plan, Steps};
use crate::policy::Policy;
use appups::Appups;
pub(crate) use judgement::judge;
use pairs::Pairs;

/// Plans the upgrade (or the way back) from one release to another.
pub fn plan(old: &Release, new: &Release, policy: &Policy) -> Plan {
    let pairs = Pairs::of(old, new);
    let difference = Difference::between(old, new);
    let mut findings = Vec::new();
    let appups = Appups::read(old, new, &pairs, policy, &mut findings);
    let mut planner = Planner {
        old,
        new,
        policy,
        difference: &difference,
        is_way_back: policy.way == Direction::Down || is_lower(&new.version, &old.version),
        pairs: &pairs,
        appups: &appups,
        findings,
        steps: Steps::default(),
    };
    planner.runtime();
    planner.configuration();
    planner.applications();
    planner.modules();
    planner.structs();
    planner.supervisors();
    planner.order();
    planner.follow_appups();
    planner.restarts_by_policy();
    planner.both_ways();
    planner.finish()
}

/// Whether a version is lower than another: by its numbers, one after the other. Versions without numbers are not.
fn is_lower(version: &str, than: &str) -> bool {
    let numbers = |version: &str| -> Vec<u64> {
        // what follows a plus sign tells builds of one version apart (SemVer 2.0.0)
        let version = version.split('+').next().unwrap_or_default();
        let parts = version.split(|it: char| !it.is_ascii_digit()).filter(|part| !part.is_empty());
        parts.map(|part| part.parse().unwrap_or(u64::MAX)).collect()
    };
    numbers(version) < numbers(than)
}

struct Planner<'a> {
    old: &'a Release,
    new: &'a Release,
    policy: &'a Policy,
    difference: &'a Difference,
    /// Whether the new release has the lower version, or the caller knows that it goes back.
    is_way_back: bool,
    pairs: &'a Pairs<'a>,
    appups: &'a Appups,
    findings: Vec<Finding>,
    steps: Steps,
}

impl Planner<'_> {
    fn found(&mut self, code: Code, place: Place, values: &[(&str, &str)]) {
        self.findings.push(Finding::new(code, place, values));
    }

    fn finish(self) -> Plan {
        let (findings, verdict, level) = judge(self.findings, &self.steps, self.policy);
        Plan {
            release: self.new.name.clone(),
            from: self.old.version.clone(),
            to: self.new.version.clone(),
            verdict,
            level,
            findings,
            steps: self.steps,
        }
    }

    /// One step goes one way.
    fn both_ways(&mut self) {
        let of_way = |way: Direction| {
            let conversions = self.steps.conversions.iter();
            let modules = conversions.filter(|it| it.convert.as_ref().is_some_and(|it| it.direction == way));
            modules.map(|it| module_name(&it.module)).collect::<Vec<_>>().join(", ")
        };
        let (up, down) = (of_way(Direction::Up), of_way(Direction::Down));
        if !up.is_empty() && !down.is_empty() {
            self.found(Code::BothWays, Place::Release, &[("up", &up), ("down", &down)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_lower;

    #[test]
    fn versions_are_ordered_by_their_numbers() {
        assert!(is_lower("1.9.0", "1.10.0") && !is_lower("1.10.0", "1.9.0"));
        assert!(is_lower("1.0", "1.0.1"));
        assert!(!is_lower("1.0.0+b", "1.0.0+a") && !is_lower("1.0.0", "1.0.0"));
        assert!(!is_lower("main", "feature"));
    }
}
