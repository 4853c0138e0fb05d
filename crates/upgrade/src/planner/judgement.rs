//! What follows from all that was found.

use crate::finding::{Code, Finding, Place, Severity};
use crate::plan::{Level, Steps, Verdict};
use crate::policy::{Mode, Policy};

/// Findings as the policy weighs them, the weightiest first, with the verdict and the level that follow. They may have been
/// judged before, and more been found since.
pub(crate) fn judge(
    mut findings: Vec<Finding>,
    steps: &Steps,
    policy: &Policy,
) -> (Vec<Finding>, Verdict, Level) {
    let of_judgement = [Code::PolicyNever, Code::CareNotAccepted, Code::NothingChanged];
    findings.retain(|finding| !of_judgement.contains(&finding.code));
    for finding in &mut findings {
        if policy.forced.contains(&finding.code) {
            finding.force();
        }
    }
    apply(policy, &mut findings);
    if findings.is_empty() && steps.level() == Level::Nothing {
        findings.push(Finding::new(Code::NothingChanged, Place::Release, &[]));
    }
    findings.sort_by_cached_key(|finding| {
        (std::cmp::Reverse(finding.severity), finding.code, finding.place.clone(), finding.reason.clone())
    });
    findings.dedup();
    let verdict = Verdict::of(&findings);
    let level = if verdict == Verdict::Full { Level::Full } else { steps.level() };
    (findings, verdict, level)
}

/// What the operator does not want.
fn apply(policy: &Policy, findings: &mut Vec<Finding>) {
    if policy.mode == Mode::Never {
        findings.push(Finding::new(Code::PolicyNever, Place::Release, &[]));
    }
    let refused = |finding: &&Finding| {
        finding.severity == Severity::Care && !finding.forced && !policy.accepted.has(finding.code)
    };
    let mut codes: Vec<Code> = findings.iter().filter(refused).map(|finding| finding.code).collect();
    codes.sort();
    codes.dedup();
    if !codes.is_empty() {
        let codes: Vec<String> = codes.iter().map(Code::to_string).collect();
        let values = [("codes", codes.join(", "))];
        let values = values.each_ref().map(|(key, value)| (*key, value.as_str()));
        findings.push(Finding::new(Code::CareNotAccepted, Place::Release, &values));
    }
}
