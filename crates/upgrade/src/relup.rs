//! Appups and relups from plans, for those who use OTP's `release_handler` themselves (`appup(4)`, `relup(4)`).
//!
//! The appups hold high-level instructions, which `systools:make_relup/4` takes; the relup holds the low-level ones, as one
//! group for the whole release, so that no process meets new code of one module and old code of another. What
//! `release_handler` cannot do at all is told as a remark.

mod high;
mod low;

use std::collections::BTreeMap;

use beam::Term;
use beam::appup::{Appup, Pattern};
use beam::relup::{Relup, Step};

use crate::finding::{Code, module_name};
use crate::inventory::Release;
use crate::plan::{Children, Plan, Source, Verdict};

/// What is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Text of each `{application}.appup` by application, for `ebin` of the new version.
    pub appups: BTreeMap<String, String>,
    /// Text of the `relup`, for `releases/{version}` of the new one.
    pub relup: String,
    /// What `release_handler` does not do, in sentences.
    pub remarks: Vec<String>,
}

/// Why none is written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RelupError {
    /// Not to be done hot.
    #[error("{from} to {to} is not hot: {codes}")]
    NotHot {
        /// The version that runs.
        from: String,
        /// The version that comes.
        to: String,
        /// What blocks it.
        codes: String,
    },
    /// An application with other content keeps its version, which `release_handler` takes for the same application.
    #[error(
        "{application} has other content under the same version, {version}: release_handler would not see it"
    )]
    SameVersion {
        /// The application.
        application: String,
        /// Its version.
        version: String,
    },
    /// Both releases have the same version.
    #[error("both releases have the version {0}: release_handler tells them apart by it")]
    SameRelease(String),
}

/// Writes both ways: `up` is the plan from `old` to `new`, `down` the one back.
///
/// # Errors
/// The way up is not hot, or versions are the same that must differ.
pub fn write(old: &Release, new: &Release, up: &Plan, down: &Plan) -> Result<Written, RelupError> {
    check(old, new, up)?;
    let down = Some(down).filter(|down| down.verdict != Verdict::Full);
    let step = |plan: &Plan, from: &Release, to: &Release| Step {
        other: old.version.clone(),
        description: Term::list([]),
        instructions: low::instructions(plan, from, to),
    };
    let relup = Relup {
        version: new.version.clone(),
        up_from: vec![step(up, old, new)],
        down_to: down.map(|down| step(down, new, old)).into_iter().collect(),
    };
    let remarks = remarks(up, down.is_some());
    Ok(Written { appups: appups(old, new, up, down), relup: relup.print(), remarks })
}

fn check(old: &Release, new: &Release, up: &Plan) -> Result<(), RelupError> {
    if old.version == new.version {
        return Err(RelupError::SameRelease(old.version.clone()));
    }
    if up.verdict == Verdict::Full {
        let blocks = up.findings.iter().filter(|finding| finding.severity == crate::finding::Severity::Block);
        let codes: Vec<String> =
            blocks.map(|finding| format!("{} {}", finding.code, finding.reason)).collect();
        let (from, to) = (up.from.clone(), up.to.clone());
        return Err(RelupError::NotHot { from, to, codes: codes.join(" ") });
    }
    let same = up.findings.iter().find(|finding| finding.code == Code::SameVersionOtherContent);
    match same {
        Some(finding) => {
            let application = finding.place.to_string();
            let version = new.applications.get(&application).map(|it| it.version.clone()).unwrap_or_default();
            Err(RelupError::SameVersion { application, version })
        }
        None => Ok(()),
    }
}

/// One for each application of both releases whose modules differ and that brings none that is followed.
fn appups(old: &Release, new: &Release, up: &Plan, down: Option<&Plan>) -> BTreeMap<String, String> {
    let brings = |name: &str| {
        let conversions = up.steps.conversions.iter().map(|it| (&it.application, it.source));
        let loads = up.steps.load.iter().map(|it| (&it.application, it.source));
        conversions.chain(loads).any(|(application, source)| application == name && source == Source::Appup)
    };
    let mut appups = BTreeMap::new();
    for (name, after) in &new.applications {
        let Some(before) = old.applications.get(name) else { continue };
        if before.version == after.version || brings(name) {
            continue;
        }
        let step = |instructions| {
            let other = Pattern::Version(before.version.clone());
            vec![beam::appup::Step { other, instructions }]
        };
        let appup = Appup {
            version: after.version.clone(),
            up_from: step(high::instructions(up, name)),
            down_to: down.map(|down| step(high::instructions(down, name))).unwrap_or_default(),
        };
        appups.insert(name.clone(), appup.print());
    }
    appups
}

/// What somebody has to do who does not leave it to Bellrock.
fn remarks(up: &Plan, has_way_back: bool) -> Vec<String> {
    let mut remarks = Vec::new();
    for supervisor in &up.steps.supervisors {
        let module = module_name(&supervisor.module);
        remarks.push(match supervisor.children {
            Children::OfInit => format!(
                "release_handler gives {module} its new child specifications, and neither starts new children nor stops \
                 old ones: add {{apply, {{supervisor, restart_child, [Supervisor, Id]}}}} or the like for them"
            ),
            Children::OfStart => format!(
                "children that {module} starts in a list are not changed by release_handler at all"
            ),
        });
    }
    let protocols =
        up.steps.load.iter().filter(|load| load.is_protocol).map(|load| module_name(&load.module));
    let protocols: Vec<&str> = protocols.collect();
    if !protocols.is_empty() {
        remarks.push(format!(
            "consolidated protocols are not changed by release_handler: {}",
            protocols.join(", ")
        ));
    }
    if !up.steps.environment.computed.is_empty() {
        remarks.push(
            "release_handler applies sys.config alone: what config/runtime.exs and providers compute is lost"
                .to_owned(),
        );
    }
    if !up.steps.restarts.is_empty() {
        remarks.push("processes are not restarted as the overrides say".to_owned());
    }
    if !has_way_back {
        remarks.push(
            "there is no way back in them: the plan from the new version to the old one is not hot"
                .to_owned(),
        );
    }
    remarks
}
