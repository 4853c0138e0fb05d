//! Older and newer schemas, and who may read the files.

use std::os::unix::fs::PermissionsExt;

use super::super::schema::open_with;
use super::*;

const FIRST: &str = "create table thing (id integer primary key) strict; insert into thing values (1)";
const SECOND: &str = "alter table thing add column name text; update thing set name = 'old'";

fn version(connection: &Connection) -> u32 {
    connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

fn mode(path: &std::path::Path) -> u32 {
    fs_err::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_newer_database_is_refused_and_left_as_it_is() {
    let root = Root::new();
    drop(root.open());
    root.sql().pragma_update(None, "user_version", 99).unwrap();
    let before = fs_err::read(root.path()).unwrap();
    let Err(error) = Journal::open(&root.path()) else { panic!("it was opened") };
    assert!(matches!(error, JournalError::Newer { found: 99, .. }), "{error}");
    assert!(error.to_string().contains("install the newer bellrockd again"), "{error}");
    assert_eq!(fs_err::read(root.path()).unwrap(), before);
}

#[tokio::test]
async fn a_newer_database_is_refused_while_its_last_turns_are_in_the_wal() {
    let root = Root::new();
    let newer = open_with(&root.path(), &[FIRST, SECOND]).unwrap();
    let wal = root.0.path().join("state.db-wal");
    let before = (fs_err::read(root.path()).unwrap(), fs_err::read(&wal).unwrap());
    assert!(!before.1.is_empty());
    let error = open_with(&root.path(), &[FIRST]).unwrap_err();
    assert!(matches!(error, JournalError::Newer { found: 2, known: 1, .. }), "{error}");
    assert_eq!((fs_err::read(root.path()).unwrap(), fs_err::read(&wal).unwrap()), before);
    drop(newer);
}

#[tokio::test]
async fn an_app_of_a_newer_schema_is_refused() {
    let root = Root::new();
    let journal = root.open();
    journal.create(&App::new(name())).await.unwrap();
    root.sql().execute_batch("update app set schema = 99, state = '{\"unheard\": \"of\"}'").unwrap();
    let error = journal.apps().await.unwrap_err();
    assert!(matches!(error, JournalError::Newer { found: 99, .. }), "{error}");
    let state: String = root.sql().query_row("select state from app", [], |row| row.get(0)).unwrap();
    assert_eq!(state, "{\"unheard\": \"of\"}");
}

#[test]
fn an_older_database_is_copied_before_its_schema_changes() {
    let root = Root::new();
    let older = open_with(&root.path(), &[FIRST]).unwrap();
    older.execute_batch("insert into thing values (2)").unwrap();
    // Another connection keeps the row in the WAL: a copy of the file alone would miss it.
    let newer = open_with(&root.path(), &[FIRST, SECOND]).unwrap();
    assert_eq!(version(&newer), 2);
    let named: i64 =
        newer.query_row("select count(*) from thing where name = 'old'", [], |row| row.get(0)).unwrap();
    assert_eq!(named, 2);

    let copy = root.0.path().join("state.db.schema-1");
    assert_eq!(mode(&copy), 0o600);
    let copied = open_with(&copy, &[FIRST]).unwrap();
    assert_eq!(version(&copied), 1);
    let things: i64 = copied.query_row("select count(*) from thing", [], |row| row.get(0)).unwrap();
    assert_eq!(things, 2);
}

#[test]
fn a_step_that_fails_changes_nothing() {
    let root = Root::new();
    drop(open_with(&root.path(), &[FIRST]).unwrap());
    assert!(open_with(&root.path(), &[FIRST, SECOND, "no sql"]).is_err());
    let again = open_with(&root.path(), &[FIRST]).unwrap();
    assert_eq!(version(&again), 1);
    assert!(again.prepare("select name from thing").is_err(), "the second step is undone, too");
    drop(again);
    assert_eq!(version(&open_with(&root.path(), &[FIRST, SECOND]).unwrap()), 2);
}

#[tokio::test]
async fn a_database_of_this_schema_is_not_copied() {
    let root = Root::new();
    drop(root.open());
    drop(root.open());
    assert!(!root.0.path().join("state.db.schema-1").exists());
}

#[tokio::test]
async fn nobody_else_may_read_the_files() {
    let root = Root::new();
    let journal = root.open();
    journal.create(&App::new(name())).await.unwrap();
    let files = ["state.db", "state.db-wal", "state.db-shm"].map(|file| root.0.path().join(file));
    for file in &files {
        assert_eq!(mode(file), 0o600, "{}", file.display());
    }
    // What an earlier program left open is closed.
    for file in &files {
        fs_err::set_permissions(file, std::fs::Permissions::from_mode(0o644)).unwrap();
    }
    let _second = root.open();
    for file in &files {
        assert_eq!(mode(file), 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn the_journals_own_check_finds_damage() {
    let root = Root::new();
    let journal = root.open();
    let mut app = App::new(name());
    journal.create(&app).await.unwrap();
    for number in 0..20 {
        app = commit(&journal, &app, 1, set(number)).await;
    }
    assert_eq!(journal.quick_check().await.unwrap(), [] as [String; 0]);
    drop(journal);
    root.sql().pragma_update(None, "wal_checkpoint", "truncate").unwrap_or_default();
    // The pages after the first, which holds the schema.
    let mut bytes = fs_err::read(root.path()).unwrap();
    for byte in &mut bytes[4096..] {
        *byte = 0xA5;
    }
    fs_err::write(root.path(), bytes).unwrap();
    let damaged = root.open().quick_check().await;
    assert!(damaged.is_err() || !damaged.unwrap().is_empty());
}
