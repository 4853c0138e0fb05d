//! The database's schema, and how an older one becomes it.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::JournalError;

/// Steps from each schema to the next; the schema's number is how many have been taken (`user_version`).
const STEPS: &[&str] = &["
    create table app (name text primary key, schema integer not null, state text not null) strict, without rowid;
    create table turn (id integer primary key, at integer not null, app text not null, event text not null) strict;
    create table event (
        id integer primary key, at integer not null, app text, deployment integer, record text not null
    ) strict;
    create index event_of_deployment on event (deployment) where deployment is not null;
    create table deployment (id integer primary key autoincrement, app text not null, record text) strict;
    create index deployment_of_app on deployment (app, id);
    create table exit (
        app text not null, instance integer not null, run integer not null, place integer not null,
        at integer not null, record text not null, primary key (app, instance, run)
    ) strict, without rowid;
    create index exit_at on exit (app, at);
    create table audit (
        id integer primary key, at integer not null, uid integer not null, user text, app text, what text not null
    ) strict;
    create table prepared (content text primary key, at integer not null) strict, without rowid;
    create table epoch (id integer primary key autoincrement, at integer not null) strict;
"];

/// How long a statement waits for another connection's lock.
const LOCK_WAIT: Duration = Duration::from_secs(10);

pub(super) fn open(path: &Path) -> Result<Connection, JournalError> {
    let failed = |source| JournalError::Open { path: path.to_owned(), source };
    let mut connection = Connection::open(path).map_err(failed)?;
    connection.busy_timeout(LOCK_WAIT).map_err(failed)?;
    connection.pragma_update(None, "journal_mode", "wal").map_err(failed)?;
    connection.pragma_update(None, "synchronous", "full").map_err(failed)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(failed)?;
    migrate(path, &mut connection)?;
    Ok(connection)
}

pub(super) fn open_to_read(path: &Path) -> Result<Connection, JournalError> {
    let failed = |source| JournalError::Open { path: path.to_owned(), source };
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(failed)?;
    connection.busy_timeout(LOCK_WAIT).map_err(failed)?;
    Ok(connection)
}

fn migrate(path: &Path, connection: &mut Connection) -> Result<(), JournalError> {
    let failed = |source| JournalError::Open { path: path.to_owned(), source };
    let known = u32::try_from(STEPS.len()).expect("there are few steps");
    let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    if found > known {
        return Err(JournalError::Newer { path: path.to_owned(), found, known });
    }
    if found == known {
        return Ok(());
    }
    if found > 0 {
        let copy = format!("{}.schema-{found}", path.display());
        connection.backup("main", &copy, None::<fn(rusqlite::backup::Progress)>).map_err(failed)?;
    }
    let transaction = connection.transaction().map_err(failed)?;
    for step in &STEPS[usize::try_from(found).expect("it is small")..] {
        transaction.execute_batch(step).map_err(failed)?;
    }
    transaction.pragma_update(None, "user_version", known).map_err(failed)?;
    transaction.commit().map_err(failed)
}
