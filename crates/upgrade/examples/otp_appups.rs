//! OTP's own applications between two OTPs, whose folders are given: what the planner says beside what their appups say. `make
//! bench-appup` runs it.
//!
//! An appup of OTP speaks for its application alone, on a runtime that stays. So each application is planned alone, its own
//! appup put aside.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)] // it reads files, and ends where it cannot
#![allow(dead_code)] // it shares what the tests of the corpus read

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use beam::appup;
use beam::instruction::Instruction;
use upgrade::finding::{Code, Severity};
use upgrade::inventory::{Application, Release, StartType};
use upgrade::plan::{Plan, Verdict};
use upgrade::policy::Policy;
use upgrade::survey;

#[path = "../tests/corpus/release.rs"]
mod release;

/// What an appup says about a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    /// There is none, or none for these versions.
    Nothing,
    /// Modules are loaded, states converted, applications restarted.
    Hot,
    /// A new VM.
    Full,
}

fn main() {
    let folders: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [here, there] = &folders[..] else { panic!("the folders of two OTPs are wanted") };
    let (old, new) = (applications(here), applications(there));
    let (mut agreed, mut silent, mut differing) = (0, 0, Vec::new());
    println!("{:<16} {:<10} {:<10} {:<14} {:<8} why ours", "application", "from", "to", "planned", "appup");
    for (name, before) in &old {
        let Some(after) = new.get(name).filter(|after| after.version != before.version) else { continue };
        let plan = planned(name, before, after);
        let said = said(before, after);
        println!(
            "{name:<16} {:<10} {:<10} {:<14} {:<8} {}",
            before.version,
            after.version,
            plan.verdict.words(),
            format!("{said:?}").to_lowercase(),
            why(&plan)
        );
        match (said, plan.verdict == Verdict::Full) {
            (Said::Nothing, _) => silent += 1,
            (Said::Full, true) | (Said::Hot, false) => agreed += 1,
            _ => differing.push((name.clone(), said)),
        }
    }
    let whole = |applications: &BTreeMap<String, Application>| Release {
        start_order: applications.keys().cloned().collect(),
        applications: applications.clone(),
        ..release::empty("1")
    };
    let (all_old, all_new) = (whole(&old), whole(&new));
    let began = std::time::Instant::now();
    let plan = upgrade::plan(&all_old, &all_new, &Policy::default());
    let modules = all_old.modules().count() + all_new.modules().count();
    println!(
        "plan: modules={modules} loaded={} wall_ms={}",
        plan.steps.load.len(),
        began.elapsed().as_millis()
    );
    println!("appup: agreed={agreed} differing={} without_word={silent}", differing.len());
    assert!(agreed + silent + differing.len() > 10, "there is nothing to compare");
    let bold: Vec<_> = differing.iter().filter(|(_, said)| *said == Said::Full).collect();
    assert!(bold.is_empty(), "called hot where OTP asks for a new VM: {bold:?}");
}

fn applications(otp: &Path) -> BTreeMap<String, Application> {
    let libraries = release::names(&otp.join("lib")).into_iter();
    let read = libraries.filter_map(|folder| {
        let (name, _) = folder.split_once('-')?;
        let ebin = otp.join("lib").join(&folder).join("ebin");
        let app = beam::app::parse(&fs_err::read(ebin.join(format!("{name}.app"))).ok()?).ok()?;
        let mut application = survey::application(app, &format!("lib/{folder}"), StartType::Permanent);
        application.modules = release::modules(&ebin);
        application.appup = fs_err::read_to_string(ebin.join(format!("{name}.appup"))).ok();
        Some((name.to_owned(), application))
    });
    read.collect()
}

fn planned(name: &str, before: &Application, after: &Application) -> Plan {
    let policy = Policy { ignored_appups: [name.to_owned()].into(), ..Policy::default() };
    upgrade::plan(&alone(name, before), &alone(name, after), &policy)
}

fn alone(name: &str, application: &Application) -> Release {
    let mut release = release::empty(&application.version);
    release.start_order = vec![name.to_owned()];
    release.applications = [(name.to_owned(), application.clone())].into();
    release
}

fn said(before: &Application, after: &Application) -> Said {
    let Some(appup) = after.appup.as_ref().and_then(|text| appup::parse(text.as_bytes()).ok()) else {
        return Said::Nothing;
    };
    match appup.from(&before.version) {
        Ok(Some(instructions)) => {
            let restarts = |it: &Instruction| {
                matches!(it, Instruction::RestartNewEmulator | Instruction::RestartEmulator)
            };
            if instructions.iter().any(restarts) { Said::Full } else { Said::Hot }
        }
        _ => Said::Nothing,
    }
}

/// What blocks it, each code with the first module.
fn why(plan: &Plan) -> String {
    let mut codes: BTreeMap<Code, (String, usize)> = BTreeMap::new();
    for finding in plan.findings.iter().filter(|finding| finding.severity == Severity::Block) {
        codes.entry(finding.code).or_insert((finding.place.to_string(), 0)).1 += 1;
    }
    let texts = codes.iter().map(|(code, (place, count))| match count {
        1 => format!("{code} {place}"),
        count => format!("{code} {place} and {} more", count - 1),
    });
    texts.collect::<Vec<_>>().join(", ")
}
