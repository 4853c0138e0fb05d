//! Prepare commands, and the deployments of a version.

use model::EffectId;

use super::super::{Preparation, PrepareEnd, PrepareRun, Prepared};
use super::*;

const FIRST: VersionId = VersionId(1);
const SECOND: VersionId = VersionId(2);

fn asked(command: &str, version: &str, effect: u64, second: i64) -> Preparation {
    let run = PrepareRun {
        app: name(),
        version: version.parse().unwrap(),
        deployment: Some(DeploymentId(effect)),
        effect: EffectId(effect),
        at: at(second),
    };
    Preparation { command: command.into(), run, end: None }
}

fn done(it: &Preparation) -> Preparation {
    Preparation { end: Some(PrepareEnd::Done { detail: Some("1.2 s".into()) }), ..it.clone() }
}

#[tokio::test]
async fn a_run_is_remembered_for_the_host_and_for_its_version() {
    let root = Root::new();
    let journal = root.open();
    assert_eq!(journal.prepared("abc".into()).await.unwrap(), None);
    let first = asked("bin/setup", "1.0.0", 7, 1);
    assert_eq!(journal.begin_preparation(FIRST, first.clone()).await.unwrap(), first);
    assert_eq!(journal.preparations(name(), FIRST).await.unwrap(), std::slice::from_ref(&first), "it runs");
    let again = asked("bin/setup", "1.0.0", 7, 5);
    assert_eq!(journal.begin_preparation(FIRST, again).await.unwrap(), first, "by a new daemon");
    for _ in 0..2 {
        journal.end_preparation(FIRST, done(&first), Some("abc".into())).await.unwrap();
    }
    drop(journal);

    let journal = root.open();
    let by = Some(first.run.clone());
    assert_eq!(journal.prepared("abc".into()).await.unwrap(), Some(Prepared { by: by.clone() }));
    assert_eq!(journal.preparations(name(), FIRST).await.unwrap(), [done(&first)]);
    assert_eq!(journal.preparations(name(), SECOND).await.unwrap(), []);

    let mut second = asked("bin/setup", "2.0.0", 9, 6);
    second.end = Some(PrepareEnd::RunBefore { by });
    journal.end_preparation(SECOND, second.clone(), None).await.unwrap();
    assert!(second.is_of(&first.run) && first.is_of(&first.run) && !first.is_of(&second.run));
    assert_eq!(journal.keepers_of(first.run.clone()).await.unwrap(), [first.run.clone(), second.run.clone()]);
    journal.forget_preparations(name(), FIRST).await.unwrap();
    assert_eq!(journal.keepers_of(first.run.clone()).await.unwrap(), [second.run]);
    assert!(journal.prepared("abc".into()).await.unwrap().is_some(), "the host stays prepared");
}

#[tokio::test]
async fn a_command_is_known_by_its_last_run() {
    let root = Root::new();
    let journal = root.open();
    let failed = |it: &Preparation| {
        let reason = "ended with exit 100".to_owned();
        Preparation { end: Some(PrepareEnd::Failed { reason }), ..it.clone() }
    };
    let (first, other, second) =
        (asked("a", "1.0.0", 1, 1), asked("b", "1.0.0", 2, 2), asked("a", "1.0.0", 3, 3));
    journal.end_preparation(FIRST, failed(&first), None).await.unwrap();
    journal.end_preparation(FIRST, done(&other), Some("b".into())).await.unwrap();
    assert_eq!(journal.begin_preparation(FIRST, second.clone()).await.unwrap(), second);
    assert_eq!(journal.preparations(name(), FIRST).await.unwrap(), [done(&other), second], "oldest first");
    assert_eq!(journal.prepared("a".into()).await.unwrap(), None);
}

#[tokio::test]
async fn what_an_older_daemon_prepared_needs_no_run() {
    let root = Root::new();
    let journal = root.open();
    root.sql().execute_batch("insert into prepared (content, at) values ('abc', 1)").unwrap();
    assert_eq!(journal.prepared("abc".into()).await.unwrap(), Some(Prepared { by: None }));
}

#[tokio::test]
async fn deployments_of_a_version_are_found() {
    let root = Root::new();
    let journal = root.open();
    let app = App::new(name());
    journal.create(&app).await.unwrap();
    let app = commit(&journal, &app, 1, deploy(3)).await;
    let version = app.versions[0].id;
    let of = async |version| journal.deployments_of(name(), version, 10).await.unwrap();
    let found: Vec<_> = of(version).await.iter().map(|it| it.deployment.id).collect();
    assert_eq!(found, [DeploymentId(3)]);
    assert_eq!(of(VersionId(99)).await, []);
    let brought = journal.deployment_to(name(), version).await.unwrap().unwrap();
    assert_eq!(brought.deployment.id, DeploymentId(3));
    // A restart does not bring a version up; what leaves one behind is one of its deployments.
    let restart = "insert into deployment (app, record) select app,
        json_set(record, '$.deployment.kind', 'restart', '$.deployment.id', 4) from deployment";
    root.sql().execute_batch(restart).unwrap();
    let left = "insert into deployment (app, record) select app, json_set(record, '$.deployment.id', 5,
        '$.deployment.from', json('{\"version\":1,\"revision\":0}'), '$.deployment.to.version', 2)
        from deployment where id = 3";
    root.sql().execute_batch(left).unwrap();
    let found: Vec<_> = of(version).await.iter().map(|it| it.deployment.id.0).collect();
    assert_eq!(found, [5, 4, 3]);
    let brought = journal.deployment_to(name(), version).await.unwrap().unwrap();
    assert_eq!(brought.deployment.id, DeploymentId(3));
    let brought = journal.deployment_to(name(), VersionId(2)).await.unwrap().unwrap();
    assert_eq!(brought.deployment.id, DeploymentId(5));
}
