//! The database's schema, and how an older one becomes it.

use std::fs::{OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::JournalError;

/// Steps from each schema to the next; the schema's number is how many have been taken (`user_version`).
pub(super) const STEPS: &[&str] = &["
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
", "
    alter table prepared add column run text;
    create table preparation (
        app text not null, version integer not null, command text not null, at integer not null, record text not null,
        primary key (app, version, command)
    ) strict, without rowid;
", "
    alter table app add column registered integer not null default 0;
    update app set registered = coalesce((select min(id) from deployment where deployment.app = app.name), 0);
", "
    create table task (
        id integer primary key autoincrement, app text not null, key text not null unique, record text not null
    ) strict;
    create index task_of_app on task (app, id);
"];

/// How long a statement waits for another connection's lock.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// Pages that a connection keeps in memory, in KiB where negative. With SQLite's own 2,000 the daemon grows with its history
/// for months; what it asks for again and again fits into this.
const CACHE: i64 = -128;

/// Permissions of the database, of what SQLite keeps beside it, and of copies: variables of apps are in it.
const MODE: u32 = 0o600;

pub(super) fn open(path: &Path) -> Result<Connection, JournalError> {
    open_with(path, STEPS)
}

pub(super) fn open_to_read(path: &Path) -> Result<Connection, JournalError> {
    let failed = |source| JournalError::Open { path: path.to_owned(), source };
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(failed)?;
    connection.busy_timeout(LOCK_WAIT).map_err(failed)?;
    connection.pragma_update(None, "cache_size", CACHE).map_err(failed)?;
    Ok(connection)
}

/// What SQLite's `quick_check` finds in a database, which is only read.
pub(super) fn check(path: &Path) -> Result<Vec<String>, JournalError> {
    let failed = |source| JournalError::Open { path: path.to_owned(), source };
    refuse_newer(path, STEPS)?;
    let connection = open_to_read(path)?;
    let mut statement = connection.prepare("pragma quick_check(10)").map_err(failed)?;
    let lines = statement.query_map([], |row| row.get::<_, String>(0)).map_err(failed)?;
    let found: Result<Vec<String>, _> = lines.collect();
    Ok(found.map_err(failed)?.into_iter().filter(|line| line != "ok").collect())
}

/// Opens with the steps of some program; tests play older and newer ones.
pub(super) fn open_with(path: &Path, steps: &[&str]) -> Result<Connection, JournalError> {
    let failed = |source| JournalError::Open { path: path.to_owned(), source };
    make_private(path)?;
    refuse_newer(path, steps)?;
    let mut connection = Connection::open(path).map_err(failed)?;
    connection.busy_timeout(LOCK_WAIT).map_err(failed)?;
    connection.pragma_update(None, "cache_size", CACHE).map_err(failed)?;
    connection.pragma_update(None, "journal_mode", "wal").map_err(failed)?;
    connection.pragma_update(None, "synchronous", "full").map_err(failed)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(failed)?;
    migrate(path, &mut connection, steps)?;
    Ok(connection)
}

/// Sees that the files are there with the right mode before SQLite opens them: what it makes beside a database (the
/// WAL, its index) gets the database's mode.
fn make_private(path: &Path) -> Result<(), JournalError> {
    fs_err::OpenOptions::from_options(OpenOptions::new().write(true).create(true).mode(MODE).clone())
        .open(path)?;
    for ending in ["", "-wal", "-shm"] {
        let file = beside(path, ending);
        match fs_err::set_permissions(&file, Permissions::from_mode(MODE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            done => done?,
        }
    }
    Ok(())
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Looks without a right to write: closing another connection may move the WAL into the database.
fn refuse_newer(path: &Path, steps: &[&str]) -> Result<(), JournalError> {
    let connection = open_to_read(path)?;
    match (version(path, &connection)?, number(steps)) {
        (found, known) if found > known => Err(JournalError::Newer { path: path.to_owned(), found, known }),
        _ => Ok(()),
    }
}

fn version(path: &Path, connection: &Connection) -> Result<u32, JournalError> {
    connection
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(|source| JournalError::Open { path: path.to_owned(), source })
}

fn number(steps: &[&str]) -> u32 {
    u32::try_from(steps.len()).expect("there are few steps")
}

fn migrate(path: &Path, connection: &mut Connection, steps: &[&str]) -> Result<(), JournalError> {
    let failed = |source| JournalError::Open { path: path.to_owned(), source };
    let found = version(path, connection)?;
    if found == number(steps) {
        return Ok(());
    }
    if found > 0 {
        copy(connection, &beside(path, &format!(".schema-{found}")))?;
    }
    let transaction = connection.transaction().map_err(failed)?;
    for step in &steps[usize::try_from(found).expect("it is small")..] {
        transaction.execute_batch(step).map_err(failed)?;
    }
    transaction.pragma_update(None, "user_version", number(steps)).map_err(failed)?;
    transaction.commit().map_err(failed)
}

/// A copy that is durable when this returns; before the schema changes it is the way back for those who install the
/// older program again.
pub(super) fn copy(connection: &Connection, to: &Path) -> Result<(), JournalError> {
    make_private(to)?;
    connection
        .backup("main", to, None::<fn(rusqlite::backup::Progress)>)
        .map_err(|source| JournalError::Open { path: to.to_owned(), source })?;
    fs_err::File::open(to)?.sync_all()?;
    fs_err::File::open(to.parent().unwrap_or(Path::new("/")))?.sync_all()?;
    Ok(())
}
