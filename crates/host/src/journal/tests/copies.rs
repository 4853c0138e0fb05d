//! Copies of a journal that is in use, and what is found wrong with one that is not.

use std::os::unix::fs::PermissionsExt;

use super::*;

#[tokio::test]
async fn a_copy_is_the_journal_as_it_is_now() {
    let root = Root::new();
    let journal = root.open();
    journal.create(&App::new(name())).await.unwrap();
    let app = commit(&journal, &App::new(name()), 1, set(1)).await;
    let other = Root::new();
    journal.copy_to(other.path()).await.unwrap();
    commit(&journal, &app, 2, set(2)).await;
    assert_eq!(fs_err::metadata(other.path()).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(Journal::check(&other.path()).unwrap(), [] as [String; 0]);
    assert_eq!(only_app(&other.open()).await, app, "without what came after it");
}

#[tokio::test]
async fn a_copy_that_cannot_be_made_is_told_with_its_path() {
    let root = Root::new();
    let journal = root.open();
    let nowhere = root.0.path().join("nowhere/state.db");
    let error = journal.copy_to(nowhere.clone()).await.unwrap_err();
    assert!(matches!(error, JournalError::Files(_)), "{error}");
    assert!(crate::chain(&error).contains(&nowhere.display().to_string()), "{error}");
    // A file that is there and is no database is not written over.
    let other = root.0.path().join("other");
    fs_err::write(&other, "no database, but long enough to be told apart from an empty one").unwrap();
    let error = journal.copy_to(other.clone()).await.unwrap_err();
    assert!(matches!(&error, JournalError::Open { path, .. } if *path == other), "{error}");
}

#[tokio::test]
async fn a_check_tells_damage_and_a_newer_schema() {
    let root = Root::new();
    let journal = root.open();
    let mut app = App::new(name());
    journal.create(&app).await.unwrap();
    for number in 0..20 {
        app = commit(&journal, &app, 1, set(number)).await;
    }
    let other = Root::new();
    journal.copy_to(other.path()).await.unwrap();
    // An index that has lost its rows: the database opens, and is not sound.
    let damage = "pragma writable_schema = on; update sqlite_schema set rootpage =
        (select rootpage from sqlite_schema where name = 'exit_at') where name = 'deployment_of_app'";
    other.sql().execute_batch(damage).unwrap();
    let found = Journal::check(&other.path()).unwrap();
    assert!(!found.is_empty() && found.iter().all(|line| line != "ok"), "{found:?}");

    let newer = Root::new();
    journal.copy_to(newer.path()).await.unwrap();
    newer.sql().pragma_update(None, "user_version", 99).unwrap();
    let error = Journal::check(&newer.path()).unwrap_err();
    assert!(matches!(error, JournalError::Newer { found: 99, .. }), "{error}");
}
