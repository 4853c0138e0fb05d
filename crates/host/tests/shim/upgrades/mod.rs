//! Hot upgrades of an instance under its shim: there, back, again, and what the shim starts next.

mod stand;

use std::path::{Path, PathBuf};
use std::time::Duration;

use host::hot_upgrades::{Undo, Upgraded, look_at};
use hot::{Direction, Instructions};
use probe::Probe;
use rustix::process::Signal;
use testkit::nodes::SOON;
use testkit::wait_for;
use upgrade::finding::Code;
use upgrade::plan::Verdict;

use self::stand::{NEW, Stand, edited};

/// A root that starts another child, given what the new configuration says, and one child less.
fn with_lens(text: &str) -> String {
    text.replace("Beacon.Ballast,", "%{id: Beacon.Lens, start: {Beacon.Ballast, :lens, [env(:tint)]}},")
}

/// What that child is started by: it tells who has started it, with what.
fn lens(text: &str) -> String {
    let lens = r##"use Agent

  def lens(tint) do
    File.write!(System.fetch_env!("LENS_LOG"), "#{System.pid()} #{tint}\n", [:append])
    :gen_event.start_link({:local, Beacon.Lens})
  end
"##;
    text.replacen("use Agent\n", lens, 1)
}

fn package_with_lens(below: &Path) -> PathBuf {
    let runtime = "\nconfig :beacon, tint: System.fetch_env!(\"TINT\")\n";
    edited("beacon-module-changed", below, &[("application.ex", &with_lens), ("ballast.ex", &lens)], runtime)
}

fn base() -> &'static Path {
    &testkit::sample("beacon-base").path
}

const CHILDREN: &str = "lists:sort([Id || {Id, Pid, _, _} <- supervisor:which_children('Elixir.Beacon.Supervisor'), is_pid(Pid)])";
const OF_OLD: &str =
    "['Elixir.Beacon.Ballast','Elixir.Beacon.Counter','Elixir.Beacon.Health','Elixir.Beacon.Http']";
const OF_NEW: &str =
    "['Elixir.Beacon.Counter','Elixir.Beacon.Health','Elixir.Beacon.Http','Elixir.Beacon.Lens']";
const TINT: &str = "{application:get_env(beacon, tint), os:getenv(\"TINT\")}";
const COUNTER: &str = "whereis('Elixir.Beacon.Counter')";

#[tokio::test]
async fn an_elixir_root_takes_new_children_and_computed_configuration_there_and_back_and_stays_when_settled()
{
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("lens.log");
    let variables = [("TINT", "amber".to_owned()), ("LENS_LOG", log.to_str().unwrap().to_owned())];
    let stand = Stand::new([base(), &package_with_lens(folder.path())], &variables).await;
    let (app, instance) = (stand.app(), stand.instance());
    let counter = stand.told(COUNTER).await;

    let done = stand.upgrades.upgrade(&app, &instance, &stand.wish("up")).await;
    let Upgraded::Done { undo: Undo::Hot, notes, .. } = &done else { panic!("{done:?}") };
    assert!(notes.is_empty(), "{notes:?}");
    assert_eq!(stand.upgrades.upgrade(&app, &instance, &stand.wish("up")).await, done, "it is done once");
    assert_eq!((stand.told(CHILDREN).await.as_str(), stand.told(COUNTER).await), (OF_NEW, counter.clone()));
    assert_eq!(stand.told(TINT).await, "{{ok,<<\"amber\">>},\"amber\"}");
    assert_eq!(stand.version().await, "1.1.0");
    // by this node, and by no throwaway VM
    let started = fs_err::read_to_string(&log).unwrap();
    assert_eq!(started, format!("{} amber\n", stand.told("list_to_integer(os:getpid())").await));

    let undone = stand.upgrades.undo(&app, &instance, &stand.wish("back")).await;
    assert!(matches!(undone, Upgraded::Done { .. }), "{undone:?}");
    assert_eq!(stand.upgrades.undo(&app, &instance, &stand.wish("back")).await, undone, "it is done once");
    assert_eq!((stand.told(CHILDREN).await.as_str(), stand.told(COUNTER).await), (OF_OLD, counter));
    assert_eq!(stand.told(TINT).await, "{undefined,false}");
    assert_eq!(stand.version().await, "1.0.0");

    let again = stand.upgrades.upgrade(&app, &instance, &stand.wish("again")).await;
    assert!(matches!(again, Upgraded::Done { .. }), "{again:?}");
    stand.starts_anew().await;
    assert_eq!(stand.version().await, "1.0.0", "nothing was settled");
    let (app, instance) = (stand.app(), stand.instance());

    let last = stand.upgrades.upgrade(&app, &instance, &stand.wish("last")).await;
    assert!(matches!(last, Upgraded::Done { .. }), "{last:?}");
    for _ in 0..2 {
        stand.upgrades.settle(&app, &instance, NEW, "last").await.unwrap();
    }
    let known = stand.upgrades.upgrade(&app, &instance, &stand.wish("last")).await;
    let Upgraded::Done { notes, .. } = &known else { panic!("{known:?}") };
    assert_eq!(notes[..], ["its node runs that version already"], "its result is forgotten");
    stand.starts_anew().await;
    assert_eq!(stand.version().await, "1.1.0");
    assert_eq!(
        (stand.told(CHILDREN).await.as_str(), stand.told(TINT).await.as_str()),
        (OF_NEW, "{{ok,<<\"amber\">>},\"amber\"}")
    );
    let root = stand.told("os:getenv(\"RELEASE_ROOT\")").await;
    assert!(root.contains("-v2"), "{root}");
    assert_eq!(stand.site.paths.evaluations(), Vec::<PathBuf>::new(), "nothing is left of the VMs");
}

#[tokio::test]
async fn a_child_that_holds_a_function_is_a_full_deployment_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let with_function = |text: &str| {
        let child = "%{id: Beacon.Lens, start: {Task, :start_link, [fn -> :ok end]}},";
        text.replace("Beacon.Ballast,", child)
    };
    let package = edited("beacon-module-changed", folder.path(), &[("application.ex", &with_function)], "");
    let stand = Stand::new([base(), &package], &[]).await;
    let (app, instance) = (stand.app(), stand.instance());
    let plan = stand.upgrades.plans().plan(&app, &instance, NEW, &stand.wish("").policy).await.unwrap();
    assert_eq!(plan.verdict, Verdict::Full);
    let found = plan.findings.iter().find(|it| it.code == Code::ChildHoldsFunction);
    let found = found.unwrap_or_else(|| panic!("{:#?}", plan.findings));
    assert!(found.reason.contains("Beacon.Lens"), "{}", found.reason);
    let refused = stand.upgrades.upgrade(&app, &instance, &stand.wish("up")).await;
    let Upgraded::Refused { why } = &refused else { panic!("{refused:?}") };
    assert!(why.contains("BR-H068"), "{why}");
    assert_eq!((stand.version().await.as_str(), stand.told(CHILDREN).await.as_str()), ("1.0.0", OF_OLD));
}

#[tokio::test]
async fn a_start_that_fails_in_the_throwaway_vm_is_a_full_deployment_that_says_where() {
    let folder = tempfile::tempdir().unwrap();
    let with_failure = |text: &str| {
        text.replace("Beacon.Ballast,\n", "Beacon.Health,\n")
            .replace("http = %{", "raise \"no\"\n    http = %{")
    };
    let package = edited("beacon-module-changed", folder.path(), &[("application.ex", &with_failure)], "");
    let stand = Stand::new([base(), &package], &[]).await;
    let policy = upgrade::policy::Policy { forced: [Code::StartHasEffects].into(), ..Default::default() };
    let plan = stand.upgrades.plans().plan(&stand.app(), &stand.instance(), NEW, &policy).await.unwrap();
    let found = plan.findings.iter().find(|it| it.code == Code::RootUntold);
    let found = found.unwrap_or_else(|| panic!("{:#?}", plan.findings));
    let where_to = "start/2 failed: 'Elixir.RuntimeError' in 'Elixir.Beacon.Application':start/2";
    assert!(found.reason.contains(where_to), "{}", found.reason);
    assert_eq!(stand.site.paths.evaluations(), Vec::<PathBuf>::new(), "nothing is left of the VMs");
}

#[tokio::test]
async fn a_node_that_hangs_is_told_of_within_seconds_and_looked_at_when_it_goes_on() {
    let stand = Stand::new([base(), &testkit::sample("beacon-module-changed").path], &[]).await;
    let (app, instance) = (stand.app(), stand.instance());
    let policy = stand.wish("").policy;
    let look = || stand.upgrades.plans().look_all(&app, std::slice::from_ref(&instance), NEW, &policy);
    let running = look().await.unwrap().remove(0);
    assert!(running.plan.findings.iter().all(|it| it.code != Code::SettingsOfStart), "{:#?}", running.plan);

    stand.signal(Signal::STOP);
    let node = stand.nodes.get(&app.name, instance.id).unwrap();
    let instructions = Instructions::new("look", Direction::Up);
    let within = Duration::from_secs(15) * testkit::wait::patience();
    let asked = tokio::time::timeout(within, look_at(&Probe::new(node), &instructions)).await;
    let hanging = look().await.unwrap().remove(0);
    stand.signal(Signal::CONT);
    let why = asked.expect("nobody waits as long as for a look").unwrap_err();
    assert!(why.contains("its VM does not answer"), "{why}");
    assert!(hanging.seen.is_none() && hanging.why_not.is_some());
    assert!(
        hanging.plan.findings.iter().any(|it| it.code == Code::NotReached),
        "{:#?}",
        hanging.plan.findings
    );

    let again = wait_for("a look", SOON, async || look().await.unwrap().remove(0).seen).await;
    assert_eq!(again.1.in_the_way, []);
}
