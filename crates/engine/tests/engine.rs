//! What the engine promises: commit before effect, order, recovery, facts that are not lost, ticks, an end.

mod theatre;

use std::sync::atomic::Ordering;
use std::time::Duration;

use engine::Unreached;
use jiff::Timestamp;
use model::app::{App, Event, NotTaken, Outcome, Refused, ShimFact, Verdict};
use model::settings::AppSettings;
use model::{DeploymentId, InstanceId};
use tokio::time::{Instant, timeout};

use crate::theatre::{LONG, Theatre, cancel, new_app, one, sort};

fn is_launched(app: &App) -> bool {
    app.instances.values().next().is_some_and(|it| it.is_launched())
}

#[tokio::test(start_paused = true)]
async fn effects_are_performed_once_durable_and_lead_on() {
    let theatre = Theatre::open();
    theatre.deploy(one()).await.expect("it is taken");
    theatre.until("launched", is_launched).await;
    let lines = theatre.stage.lines();
    let is_instance = |line: &&String| !line.starts_with("link") && !line.starts_with("route");
    let of_instance: Vec<&String> = lines.iter().filter(is_instance).collect();
    assert_eq!(
        of_instance,
        [
            "stage begins",
            "stage ends",
            "create i1 begins",
            "create i1 ends",
            "launch i1 begins",
            "launch i1 ends"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn command_is_refused_when_it_cannot_be_journalled() {
    let theatre = Theatre::open();
    theatre.stage.broken_commits.store(1, Ordering::SeqCst);
    let refused = theatre.deploy(one()).await;
    let told = "could not write the turn: the disk is full";
    assert!(matches!(&refused, Err(Unreached::Journal(why)) if why == told), "with its cause: {refused:?}");
    assert_eq!(*theatre.handle.snapshot(), new_app(), "nothing has changed");
    assert_eq!(theatre.stage.lines(), ["commit failed"], "nothing was performed");
    theatre.deploy(one()).await.expect("the journal is well again");
}

#[tokio::test(start_paused = true)]
async fn command_that_the_model_refuses_says_why() {
    let theatre = Theatre::open();
    let refused = theatre.handle.tell(cancel()).await;
    let no_deployment = Refused::NoDeployment { deployment: DeploymentId(1) };
    assert!(
        matches!(&refused, Err(Unreached::NotTaken(NotTaken::Refused(it))) if *it == no_deployment),
        "{refused:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn fact_is_tried_until_it_is_durable_and_commands_do_not_wait_for_it() {
    let theatre = Theatre::open();
    theatre.deploy(one()).await.expect("it is taken");
    theatre.until("at rest", |app| is_launched(app) && app.outbox.is_empty()).await;
    let before = Instant::now();
    theatre.stage.broken_commits.store(5, Ordering::SeqCst);
    let fact = ShimFact::Started { run: 1, pid: 7, at: Timestamp::UNIX_EPOCH };
    let started = Event::Shim { instance: InstanceId(1), seq: 1, fact };
    let ready = Event::Check { instance: InstanceId(1), run: 1, verdict: Verdict::Ready };
    let facts = async {
        let (first, second) = tokio::join!(theatre.handle.tell(started), theatre.handle.tell(ready));
        first.and(second).expect("facts are taken");
        assert_eq!(before.elapsed().as_secs(), 5, "one attempt a second");
    };
    let command = async {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let refused = theatre.handle.tell(cancel()).await;
        assert!(matches!(refused, Err(Unreached::Journal(_))), "{refused:?}");
        assert!(before.elapsed() < Duration::from_secs(2), "it was refused at once");
    };
    tokio::join!(facts, command);
    let app = theatre.handle.snapshot();
    assert!(app.instances[&InstanceId(1)].is_ready(), "both facts were taken, in order");
    let turns = theatre.stage.turns();
    assert_eq!(turns.iter().filter(|turn| matches!(turn.event, Event::Shim { .. })).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn after_a_start_what_was_found_comes_first_and_then_the_outbox_in_order() {
    let first_life = Theatre::open();
    first_life.stage.gate("create");
    first_life.deploy(AppSettings { replicas: 2, ..one() }).await.expect("it is taken");
    first_life.until_line("create i2 begins").await;
    first_life.stop.cancel();
    timeout(LONG, first_life.tasks.wait()).await.expect("all tasks end");

    let app = App::clone(&first_life.handle.snapshot());
    let unfinished: Vec<_> = app.outbox.keys().copied().collect();
    assert_eq!(unfinished.len(), 2);
    let second_life = Theatre::open_with(app, vec![cancel()]);
    second_life.until("at rest", |app| app.deployment.is_none() && app.outbox.is_empty()).await;
    let lines = second_life.stage.lines();
    for instance in ["i1", "i2"] {
        let of_instance: Vec<&String> = lines.iter().filter(|line| line.contains(instance)).collect();
        let expected =
            ["create", "stop"].map(|it| [format!("{it} {instance} begins"), format!("{it} {instance} ends")]);
        assert_eq!(of_instance, expected.iter().flatten().collect::<Vec<_>>());
    }
    let turns = second_life.stage.turns();
    for id in unfinished {
        let ends =
            turns.iter().filter(|turn| matches!(turn.event, Event::Done { effect, .. } if effect == id));
        assert_eq!(ends.count(), 1, "{id} ends once, under its old number");
    }
}

#[tokio::test(start_paused = true)]
async fn effects_about_one_instance_are_done_one_after_another() {
    let theatre = Theatre::open();
    let create = theatre.stage.gate("create");
    theatre.deploy(one()).await.expect("it is taken");
    theatre.until_line("create i1 begins").await;
    theatre.handle.tell(cancel()).await.expect("it is taken");
    theatre.until("stopping", |app| app.outbox.values().any(|effect| sort(effect) == "stop")).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(!theatre.stage.lines().contains(&"stop i1 begins".to_owned()), "it waits for the creation");
    create.notify_one();
    theatre.until("ended", |app| app.deployment.is_none()).await;
    let lines = theatre.stage.lines();
    let of_instance: Vec<&str> =
        lines.iter().filter(|line| line.contains("i1")).map(String::as_str).collect();
    assert_eq!(of_instance, ["create i1 begins", "create i1 ends", "stop i1 begins", "stop i1 ends"]);
}

#[tokio::test(start_paused = true)]
async fn effects_about_different_instances_are_done_side_by_side() {
    let theatre = Theatre::open();
    theatre.stage.gate("create");
    theatre.deploy(AppSettings { replicas: 3, ..one() }).await.expect("it is taken");
    for instance in ["i1", "i2", "i3"] {
        theatre.until_line(&format!("create {instance} begins")).await;
    }
}

#[tokio::test(start_paused = true)]
async fn tick_comes_when_the_state_wants_it_and_only_then() {
    let theatre = Theatre::open();
    let settings = AppSettings { deploy_deadline: Duration::from_secs(60), ..one() };
    theatre.deploy(settings).await.expect("it is taken");
    theatre.until("launched", is_launched).await;
    let before = Instant::now();
    theatre.until("rolled back", |app| app.deployment.is_none()).await;
    let waited = before.elapsed().as_millis();
    assert!((59_900..60_100).contains(&waited), "{waited} ms");
    tokio::time::sleep(Duration::from_secs(600)).await;
    let ticks = theatre.stage.turns().iter().filter(|turn| turn.event == Event::Tick).count();
    assert_eq!(ticks, 1);
}

#[tokio::test(start_paused = true)]
async fn clock_that_wakes_too_early_takes_no_core_and_leaves_no_trace() {
    let theatre = Theatre::open();
    theatre.deploy(one()).await.expect("it is taken");
    theatre.until("at rest", |app| is_launched(app) && app.outbox.is_empty()).await;
    let turns = theatre.stage.turns().len();
    let before = theatre.stage.sleeps.load(Ordering::SeqCst);
    theatre.stage.wakes_early.store(true, Ordering::SeqCst);
    // Stale: it changes nothing, and the engine looks at the clock again.
    let nothing = Event::Done { effect: model::EffectId(999), outcome: Outcome::Ok { detail: None } };
    let stale = theatre.handle.tell(nothing).await;
    assert!(matches!(stale, Err(Unreached::NotTaken(NotTaken::Stale(_)))), "{stale:?}");
    tokio::time::sleep(Duration::from_secs(10)).await;
    let sleeps = theatre.stage.sleeps.load(Ordering::SeqCst) - before;
    assert!((50..=110).contains(&sleeps), "{sleeps} times in 10 s");
    assert_eq!(theatre.stage.turns().len(), turns, "nothing has changed, so nothing is journalled");
}

#[tokio::test(start_paused = true)]
async fn stop_does_not_wait_for_effects() {
    let theatre = Theatre::open();
    theatre.stage.gate("stage");
    theatre.deploy(one()).await.expect("it is taken");
    theatre.until_line("stage begins").await;
    theatre.stop.cancel();
    timeout(Duration::from_secs(1), theatre.tasks.wait()).await.expect("all tasks end");
    assert!(matches!(theatre.deploy(one()).await, Err(Unreached::ShuttingDown)));
    assert_eq!(theatre.handle.snapshot().outbox.len(), 1, "it is performed again after the next start");
}

#[tokio::test(start_paused = true)]
async fn stop_does_not_wait_for_a_broken_journal() {
    let theatre = Theatre::open();
    theatre.stage.broken_commits.store(usize::MAX, Ordering::SeqCst);
    let adopted = Event::Adopted { alive: Vec::new(), unknown: Vec::new() };
    let (told, ()) = tokio::join!(theatre.handle.tell(adopted), async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        theatre.stop.cancel();
    });
    assert!(matches!(told, Err(Unreached::ShuttingDown)), "{told:?}");
    timeout(Duration::from_secs(1), theatre.tasks.wait()).await.expect("all tasks end");
}

#[tokio::test(start_paused = true)]
async fn doer_that_panics_leaves_an_outcome_that_nobody_knows() {
    let theatre = Theatre::open();
    theatre.stage.fault("stage");
    theatre.deploy(one()).await.expect("it is taken");
    theatre.until("failed", |app| app.versions.len() == 1 && app.deployment.is_none()).await;
    let reasons: Vec<String> = theatre
        .stage
        .turns()
        .into_iter()
        .filter_map(|turn| match turn.event {
            Event::Done { outcome: Outcome::Unknown { reason }, .. } => Some(reason),
            _ => None,
        })
        .collect();
    assert_eq!(reasons.len(), 1);
    assert!(reasons[0].contains("a fault of Bellrock itself"), "{reasons:?}");
}

#[tokio::test(start_paused = true)]
async fn engine_ends_with_its_last_handle() {
    let Theatre { handle, tasks, .. } = Theatre::open();
    drop(handle);
    timeout(Duration::from_secs(1), tasks.wait()).await.expect("all tasks end");
}
