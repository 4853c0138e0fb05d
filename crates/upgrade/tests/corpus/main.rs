//! The planner on a labelled corpus: pairs of versions, compiled when the test runs, each with the right answer.
//!
//! `make bench-plan` prints the table. A *false hot* says hot where a running node would break; a *needless full* refuses what
//! could be done.

#![allow(clippy::unwrap_used, reason = "clippy knows tests by their attribute, not their helpers")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "these tests need files and the installed compilers; the crate does not"
)]

mod pair;
mod release;
mod relup;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use pair::{Answer, Pair};
use upgrade::Digest;
use upgrade::plan::{Level, Plan, Verdict};
use upgrade::policy::Policy;

/// A tenth of what could be done hot may be refused.
const MOST_NEEDLESS: usize = 10;

#[test]
fn nothing_that_breaks_is_called_hot_and_little_that_works_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let pairs = Pair::all(&here("pairs"));
    assert!(pairs.len() >= 40, "the corpus has {} pairs", pairs.len());
    for pair in &pairs {
        pair.lay_out(folder.path());
    }
    compile(folder.path());
    let plans: Vec<(&Pair, Plan)> = pairs.iter().map(|pair| (pair, pair.plan(folder.path()))).collect();
    let judged = |wanted: Answer, wrong: fn(Verdict) -> bool| -> Vec<&str> {
        let of_kind = plans.iter().filter(|(pair, plan)| pair.answer == wanted && wrong(plan.verdict));
        of_kind.map(|(pair, _)| pair.name.as_str()).collect()
    };
    let false_hot = judged(Answer::Full, |verdict| verdict != Verdict::Full);
    let needless = judged(Answer::Hot, |verdict| verdict == Verdict::Full);
    let (hot, full) = (count(&pairs, Answer::Hot), count(&pairs, Answer::Full));
    for (pair, plan) in &plans {
        println!("{}", line(pair, plan));
    }
    let percent = needless.len() * 100 / hot;
    println!(
        "plan: pairs={} hot={hot} full={full} false_hot={} needless_full={} ({percent} %)",
        pairs.len(),
        false_hot.len(),
        needless.len()
    );
    assert!(false_hot.is_empty(), "called hot, and would break: {false_hot:?}");
    assert!(needless.len() * 100 <= hot * MOST_NEEDLESS, "refused without need: {needless:?}");
    let both =
        |(pair, plan): &(&Pair, Plan)| pair.complaint(plan).or_else(|| inverse(pair, folder.path(), plan));
    let wrong: Vec<String> = plans.iter().filter_map(both).collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_policy_refuses_what_the_plan_would_do() {
    use upgrade::finding::Code;
    use upgrade::policy::{Accepted, Mode};
    let folder = tempfile::tempdir().unwrap();
    let corpus = here("pairs");
    let wanted = ["config_not_told", "bug_fix_gen_server", "appup_followed", "record_field_no_code_change"];
    let pairs: Vec<Pair> =
        Pair::all(&corpus).into_iter().filter(|pair| wanted.contains(&pair.name.as_str())).collect();
    pairs.iter().for_each(|pair| pair.lay_out(folder.path()));
    compile(folder.path());
    let plan = |name: &str, policy: &Policy| {
        let pair = pairs.iter().find(|pair| pair.name == name).unwrap();
        let (old, new) = (
            release::read(&pair.side(folder.path(), "old")),
            release::read(&pair.side(folder.path(), "new")),
        );
        upgrade::plan(&old, &new, policy)
    };
    let has = |plan: &Plan, code: Code| plan.findings.iter().any(|finding| finding.code == code);

    let never = plan("bug_fix_gen_server", &Policy { mode: Mode::Never, ..Policy::default() });
    assert!(has(&never, Code::PolicyNever) && never.verdict == Verdict::Full);

    let package = Policy { mode: Mode::Package, ..Policy::default() };
    let without = plan("bug_fix_gen_server", &package);
    assert!(has(&without, Code::PolicyPackage) && without.verdict == Verdict::Full);
    assert_eq!(plan("appup_followed", &package).verdict, Verdict::Hot);

    let strict = Policy { accepted: Accepted::Only([Code::RootChildren].into()), ..Policy::default() };
    let refused = plan("config_not_told", &strict);
    assert!(has(&refused, Code::CareNotAccepted) && refused.verdict == Verdict::Full);
    let lenient = Policy { accepted: Accepted::Only([Code::ConfigNotTold].into()), ..Policy::default() };
    assert_eq!(plan("config_not_told", &lenient).verdict, Verdict::Care);

    let forced = Policy { forced: [Code::StateShapeChanged].into(), ..Policy::default() };
    assert_eq!(plan("record_field_no_code_change", &forced).verdict, Verdict::Care);
    let restart = upgrade::policy::Override::Restart;
    let overridden = Policy { overrides: [("counter".to_owned(), restart)].into(), ..Policy::default() };
    let restarted = Policy { restarted: ["shop".to_owned()].into(), ..Policy::default() };
    let in_vm = plan("record_field_no_code_change", &restarted);
    assert_eq!((in_vm.verdict, in_vm.level), (Verdict::Care, Level::Applications));
    assert_eq!(in_vm.steps.applications.restarted, ["shop"]);
    assert_eq!(plan("bug_fix_gen_server", &restarted).level, Level::Load, "nobody is restarted without need");
    let plan = plan("record_field_no_code_change", &overridden);
    assert_eq!((plan.verdict, plan.steps.restarts.contains("counter")), (Verdict::Care, true));
}

/// A file of the corpus.
fn here(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name)
}

/// What goes up comes down: the way back loads what was there, deletes what came and adds what went.
fn inverse(pair: &Pair, folder: &Path, up: &Plan) -> Option<String> {
    let (old, new) = (release::read(&pair.side(folder, "old")), release::read(&pair.side(folder, "new")));
    let down = upgrade::plan(&new, &old, &Policy::default());
    let digests = |plan: &Plan, is_up: bool| -> BTreeMap<String, (Option<Digest>, Option<Digest>)> {
        let loads = plan.steps.load.iter().map(|it| (it.module.clone(), (it.from, Some(it.to))));
        let gone = plan.steps.delete.iter().map(|it| (it.module.clone(), (Some(it.from), None)));
        let turned = |(before, after)| if is_up { (before, after) } else { (after, before) };
        loads.chain(gone).map(|(module, pair)| (module, turned(pair))).collect()
    };
    let applications = |plan: &Plan| {
        let sorted = |names: &[String]| names.iter().cloned().collect::<BTreeSet<String>>();
        (sorted(&plan.steps.applications.added), sorted(&plan.steps.applications.removed))
    };
    let (added, removed) = applications(up);
    let keys = |plan: &Plan| plan.steps.environment.keys.clone();
    let is_inverse = digests(up, true) == digests(&down, false)
        && applications(&down) == (removed, added)
        && keys(up) == keys(&down)
        && up.steps.supervisors == down.steps.supervisors;
    (!is_inverse).then(|| format!("{}: the way back is not the inverse", pair.name))
}

fn count(pairs: &[Pair], answer: Answer) -> usize {
    pairs.iter().filter(|pair| pair.answer == answer).count()
}

fn line(pair: &Pair, plan: &Plan) -> String {
    let mut codes: Vec<String> = plan.findings.iter().map(|finding| finding.code.to_string()).collect();
    codes.dedup();
    let mark = match (pair.answer, plan.verdict) {
        (Answer::Full, Verdict::Hot | Verdict::Care) => "FALSE HOT",
        (Answer::Hot, Verdict::Full) => "needless",
        _ => "",
    };
    let answer = if pair.answer == Answer::Hot { "hot" } else { "full" };
    format!(
        "{:<32} {answer:<5} {:<14} {:<38} {} {mark}",
        pair.name,
        plan.verdict.words(),
        plan.level.words(),
        codes.join(" ")
    )
}

/// All of it in one VM, which Elixir's compiler is loaded into once.
fn compile(folder: &Path) {
    let source = here("corpus.erl");
    let elixir = elixir_libraries();
    let run = format!(
        "{{ok, corpus, B}} = compile:file({:?}, [binary]), {{module, _}} = code:load_binary(corpus, \"corpus.erl\", B), \
         corpus:main([{:?}, {:?}]).",
        source.display().to_string(),
        folder.display().to_string(),
        elixir
    );
    let mut erl = Command::new("erl");
    let output = erl.args(["-noshell", "-eval", &run]).env("ERL_CRASH_DUMP_BYTES", "0").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the corpus could not be compiled: {said}");
}

fn elixir_libraries() -> String {
    let output =
        Command::new("elixir").args(["-e", "IO.write(Path.expand(\"..\", :code.lib_dir(:elixir)))"]).output();
    let output = output.expect("elixir is needed (tools/setup.sh demo)");
    String::from_utf8(output.stdout).unwrap()
}
