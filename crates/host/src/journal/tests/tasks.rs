//! One-off tasks: asked for once, ended once.

use model::TaskId;
use model::app::CommandLine;
use model::settings::PreCommand;

use super::super::{TaskEnd, TaskHow, TaskRecord};
use super::*;

fn asked(app: &str, second: i64) -> TaskRecord {
    TaskRecord {
        app: app.parse().unwrap(),
        command: CommandLine::Release(PreCommand::parse("eval Beacon.tell").unwrap()),
        target: Target { version: VersionId(1), revision: 0 },
        version: "1.0.0".into(),
        uid: 1000,
        user: Some("ann".into()),
        begun_at: at(second),
        limit_ms: 60_000,
        end: None,
    }
}

fn ended(second: i64, status: i32) -> TaskEnd {
    TaskEnd { at: at(second), how: TaskHow::Status { status } }
}

#[tokio::test]
async fn a_task_asked_for_twice_is_one_task() {
    let root = Root::new();
    let journal = root.open();
    let (first, is_new) = journal.begin_task("key".into(), asked("beacon", 1)).await.unwrap();
    assert!(is_new);
    assert_eq!(first.record, asked("beacon", 1));
    drop(journal);
    let journal = root.open();
    let again = journal.begin_task("key".into(), asked("beacon", 2)).await.unwrap();
    assert_eq!(again, (first.clone(), false), "what was remembered first");
    let (other, is_new) = journal.begin_task("other key".into(), asked("beacon", 2)).await.unwrap();
    assert!(is_new && other.id != first.id);
    assert_eq!(journal.tasks(name(), 10).await.unwrap(), [other.clone(), first], "newest first");
    assert_eq!(journal.tasks(name(), 1).await.unwrap(), [other]);
    assert_eq!(journal.tasks("shop".parse().unwrap(), 10).await.unwrap(), []);
}

#[tokio::test]
async fn the_end_that_was_told_first_stays() {
    let root = Root::new();
    let journal = root.open();
    let (first, _) = journal.begin_task("1".into(), asked("beacon", 1)).await.unwrap();
    let (second, _) = journal.begin_task("2".into(), asked("shop", 1)).await.unwrap();
    assert_eq!(journal.tasks_under_way().await.unwrap(), [first.clone(), second.clone()], "oldest first");
    journal.end_task(first.id, ended(2, 0)).await.unwrap();
    journal.end_task(first.id, ended(3, 1)).await.unwrap();
    let read = journal.task(first.id).await.unwrap().unwrap();
    assert_eq!(read.record, TaskRecord { end: Some(ended(2, 0)), ..asked("beacon", 1) });
    assert_eq!(journal.tasks_under_way().await.unwrap(), [second]);
    assert_eq!(journal.task(TaskId(99)).await.unwrap(), None);
}

#[tokio::test]
async fn tasks_that_have_ended_are_forgotten_and_those_under_way_are_not() {
    let root = Root::new();
    let journal = root.open();
    let (running, _) = journal.begin_task("runs".into(), asked("beacon", 1)).await.unwrap();
    let (old, _) = journal.begin_task("old".into(), asked("beacon", 1)).await.unwrap();
    journal.end_task(old.id, ended(2, 0)).await.unwrap();
    root.sql().execute_batch("update sqlite_sequence set seq = 5000 where name = 'task'").unwrap();
    let (new, _) = journal.begin_task("new".into(), asked("beacon", 3)).await.unwrap();
    assert_eq!(new.id, TaskId(5001));
    let (newest, _) = journal.begin_task("newest".into(), asked("beacon", 3)).await.unwrap();
    assert_eq!(journal.tasks(name(), 10).await.unwrap(), [newest, new, running]);
}
