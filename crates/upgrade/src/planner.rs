//! From two releases to a [`Plan`].
//!
//! One pass for each kind of thing that can differ ([`runtime`], [`configuration`], [`applications`], [`modules`], …):
//! each adds what was found and what is to be done. The verdict follows from the findings alone, the level from the steps.

mod applications;
mod appups;
mod configuration;
mod effects;
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
use crate::finding::{Code, Finding, Place, Severity, module_name};
use crate::inventory::Release;
use crate::plan::{Direction, Level, Plan, Steps, Verdict};
use crate::policy::{Mode, Policy};
use appups::Appups;
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

struct Planner<'a> {
    old: &'a Release,
    new: &'a Release,
    policy: &'a Policy,
    difference: &'a Difference,
    pairs: &'a Pairs<'a>,
    appups: &'a Appups,
    findings: Vec<Finding>,
    steps: Steps,
}

impl Planner<'_> {
    fn found(&mut self, code: Code, place: Place, values: &[(&str, &str)]) {
        self.findings.push(Finding::new(code, place, values));
    }

    fn finish(mut self) -> Plan {
        for finding in &mut self.findings {
            if self.policy.forced.contains(&finding.code) {
                finding.force();
            }
        }
        self.apply_policy();
        if self.findings.is_empty() && self.steps.level() == Level::Nothing {
            self.found(Code::NothingChanged, Place::Release, &[]);
        }
        let by_weight = |finding: &Finding| {
            (std::cmp::Reverse(finding.severity), finding.code, finding.place.clone(), finding.reason.clone())
        };
        self.findings.sort_by_cached_key(by_weight);
        self.findings.dedup();
        let verdict = Verdict::of(&self.findings);
        let level = if verdict == Verdict::Full { Level::Full } else { self.steps.level() };
        Plan {
            release: self.new.name.clone(),
            from: self.old.version.clone(),
            to: self.new.version.clone(),
            verdict,
            level,
            findings: self.findings,
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

    /// What the operator does not want.
    fn apply_policy(&mut self) {
        if self.policy.mode == Mode::Never {
            self.found(Code::PolicyNever, Place::Release, &[]);
        }
        let refused = |finding: &&Finding| {
            finding.severity == Severity::Care && !finding.forced && !self.policy.accepted.has(finding.code)
        };
        let mut codes: Vec<Code> = self.findings.iter().filter(refused).map(|finding| finding.code).collect();
        codes.sort();
        codes.dedup();
        if !codes.is_empty() {
            let codes: Vec<String> = codes.iter().map(Code::to_string).collect();
            self.found(Code::CareNotAccepted, Place::Release, &[("codes", &codes.join(", "))]);
        }
    }
}
