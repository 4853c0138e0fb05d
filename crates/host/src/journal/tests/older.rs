//! Journals of earlier programs, in the middle of a deployment: this one goes on with them.
//!
//! The states in `older/` were written by the programs of their time, and stay as they are: three places of version 2
//! that have replaced those of version 1, and are watched until 09:05:26.

use model::app::{Outcome, Phase};

use super::super::schema::{STEPS, open_with};
use super::*;

/// Each with the steps of the database's schema that its program knew, the number that it gave the app's state, and that
/// state.
const OLDER: [(usize, u32, &str); 3] = [
    (1, 1, include_str!("older/schema-1.json")),
    (2, 1, include_str!("older/schema-1.json")),
    (3, 2, include_str!("older/schema-2.json")),
];

fn time(text: &str) -> Timestamp {
    format!("2026-11-21T{text}Z").parse().unwrap()
}

/// A journal as that program left it when it was killed.
fn left_by(steps: usize, schema: u32, state: &str) -> Root {
    let root = Root::new();
    let older = open_with(&root.path(), &STEPS[..steps]).unwrap();
    older
        .execute_batch("insert into epoch (at) values (1); insert into deployment (app) values ('beacon')")
        .unwrap();
    older
        .execute(
            "insert into app (name, schema, state) values ('beacon', ?1, ?2)",
            rusqlite::params![schema, state],
        )
        .unwrap();
    root
}

/// What came of the deployment, and what is committed then.
fn ends(app: &App) -> (Option<Phase>, Option<VersionId>) {
    (app.deployment.as_ref().map(|it| it.phase.clone()), app.committed.last().map(|it| it.version))
}

async fn adopt(journal: &Journal, at: &str, alive: &[u64]) -> App {
    let app = only_app(journal).await;
    let alive = alive.iter().map(|id| InstanceId(*id)).collect();
    step(journal, &app, at, Event::Adopted { alive, unknown: Vec::new() }).await
}

async fn step(journal: &Journal, app: &App, at: &str, event: Event) -> App {
    let stepped = app.step(time(at), event.clone()).unwrap();
    journal.commit(time(at), &event, &stepped).await.unwrap();
    stepped.app
}

/// Every effect that was asked for is done.
async fn all_done(journal: &Journal, mut app: App, at: &str) -> App {
    while let Some(effect) = app.outbox.keys().next().copied() {
        let outcome = Outcome::Ok { detail: None };
        app = step(journal, &app, at, Event::Done { effect, outcome }).await;
    }
    app
}

#[tokio::test]
async fn a_watch_window_goes_on_and_ends_well() {
    for (steps, schema, state) in OLDER {
        let root = left_by(steps, schema, state);
        let journal = root.open();
        assert!(journal.next_epoch(at(0)).await.unwrap() > 1, "epochs rise over programs");
        let app = adopt(&journal, "09:04:00", &[4, 5, 6]).await;
        let (phase, committed) = ends(&app);
        assert!(matches!(phase, Some(Phase::Watching { .. })), "schema {steps}/{schema}: {phase:?}");
        assert_eq!(committed, Some(VersionId(1)));
        // What is on the disk now is of this program's schema, and complete.
        drop(journal);
        let journal = root.open();
        assert_eq!(only_app(&journal).await, app);
        let app = all_done(&journal, app, "09:04:01").await;
        let app = step(&journal, &app, "09:05:27", Event::Tick).await;
        let app = all_done(&journal, app, "09:05:28").await;
        assert_eq!(ends(&app).1, Some(VersionId(2)), "schema {steps}/{schema}");
        let ready = app.instances.values().filter(|it| it.status == Status::Ready).map(|it| it.id.0);
        assert_eq!(ready.collect::<Vec<_>>(), [4, 5, 6], "nothing was started or stopped for it");
        let copied = root.0.path().join(format!("state.db.schema-{steps}")).exists();
        assert_eq!(copied, steps < STEPS.len(), "the way back");
    }
}

#[tokio::test]
async fn a_watch_window_goes_on_and_a_failure_in_it_leads_back() {
    for (steps, schema, state) in OLDER {
        let root = left_by(steps, schema, state);
        let journal = root.open();
        let mut app = adopt(&journal, "09:04:00", &[4, 5, 6]).await;
        for (nth, second) in [(2, 10), (3, 20), (4, 30), (5, 40)] {
            let at = format!("09:04:{second}");
            let how = ExitHow::Status(1);
            let (uptime_ms, crash_dump, tail) = (10, None, None);
            let exited = ShimFact::Exited { run: nth - 1, at: time(&at), how, uptime_ms, crash_dump, tail };
            let started = ShimFact::Started { run: nth, at: time(&at), pid: nth };
            for (fact, seq) in [(exited, 100 + nth * 2), (started, 101 + nth * 2)] {
                let event = Event::Shim { instance: InstanceId(4), seq: seq.into(), fact };
                app = step(&journal, &app, &at, event).await;
            }
            if matches!(ends(&app).0, Some(Phase::RollingBack { .. })) {
                break;
            }
        }
        let (phase, committed) = ends(&app);
        assert!(matches!(phase, Some(Phase::RollingBack { .. })), "schema {steps}/{schema}: {phase:?}");
        assert_eq!(committed, Some(VersionId(1)), "the way back is known");
    }
}
