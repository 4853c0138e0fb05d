//! Reading the journal.

use jiff::Timestamp;
use model::app::{App, Note, SCHEMA};
use model::{AppName, DeploymentId, VersionId};
use rusqlite::{OptionalExtension, Row, params};
use serde::de::DeserializeOwned;

use super::{AuditRecord, DeploymentRecord, EventRecord, ExitRecord, Journal, JournalError, Listing};

pub(super) fn failed(what: &'static str) -> impl FnOnce(rusqlite::Error) -> JournalError {
    move |source| JournalError::Statement { what, source }
}

pub(super) fn parse<T: DeserializeOwned>(what: impl Into<String>, text: &str) -> Result<T, JournalError> {
    serde_json::from_str(text).map_err(|source| JournalError::Record { what: what.into(), source })
}

fn time(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The columns of a query's rows, collected on the journal's thread.
pub(super) fn rows<T>(
    connection: &rusqlite::Connection,
    what: &'static str,
    sql: &str,
    params: impl rusqlite::Params,
    row: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, JournalError> {
    let mut statement = connection.prepare_cached(sql).map_err(failed(what))?;
    let rows = statement.query_map(params, row).map_err(failed(what))?;
    rows.collect::<rusqlite::Result<Vec<T>>>().map_err(failed(what))
}

impl Journal {
    /// Every app as its last turn left it.
    ///
    /// # Errors
    /// When a state cannot be read, or a newer daemon wrote it.
    pub async fn apps(&self) -> Result<Vec<App>, JournalError> {
        self.reader
            .run(|connection| {
                let sql = "select name, schema, state from app order by registered, name";
                let read = rows(connection, "read the apps", sql, [], |row| {
                    Ok((row.get::<_, String>(0)?, row.get::<_, u32>(1)?, row.get::<_, String>(2)?))
                })?;
                let path = connection.path().unwrap_or_default().into();
                if let Some((_, found, _)) = read.iter().find(|(_, schema, _)| *schema > SCHEMA) {
                    return Err(JournalError::Newer { path, found: *found, known: SCHEMA });
                }
                read.iter().map(|(name, _, state)| parse(format!("app {name}"), state)).collect()
            })
            .await
    }

    /// Notes, oldest first.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn events(&self, listing: Listing) -> Result<Vec<EventRecord>, JournalError> {
        self.reader
            .run(move |connection| {
                let sql = "select id, at, app, record from (
                    select * from event
                    where (?1 is null or app = ?1) and (?2 is null or deployment = ?2) and id > ?3
                    order by id desc limit ?4
                ) order by id";
                let app = listing.app.map(String::from);
                let deployment = listing.deployment.map(|id| id.0.cast_signed());
                let values = params![app, deployment, listing.after.unwrap_or(0), listing.most];
                let read = rows(connection, "read the events", sql, values, |row| {
                    Ok((
                        row.get::<_, i64>(0)?,
                        row.get::<_, i64>(1)?,
                        row.get::<_, Option<String>>(2)?,
                        row.get::<_, String>(3)?,
                    ))
                })?;
                read.into_iter()
                    .map(|(id, at, app, record)| {
                        let note: Note = parse(format!("event {id}"), &record)?;
                        Ok(EventRecord { id, at: time(at), app: app.and_then(|app| app.parse().ok()), note })
                    })
                    .collect()
            })
            .await
    }

    /// Deployments, newest first.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn deployments(
        &self,
        app: Option<AppName>,
        most: u32,
    ) -> Result<Vec<DeploymentRecord>, JournalError> {
        self.reader
            .run(move |connection| {
                let sql = "select record from deployment
                 where record is not null and (?1 is null or app = ?1) order by id desc limit ?2";
                let app = app.map(String::from);
                let read = rows(connection, "read the deployments", sql, params![app, most], |row| {
                    row.get::<_, String>(0)
                })?;
                read.iter().map(|record| parse("a deployment", record)).collect()
            })
            .await
    }

    /// Deployments that took an app to or from a version, newest first. At most all of the app's are looked through,
    /// and no more of them are kept than [`super::write::MOST_DEPLOYMENTS`].
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn deployments_of(
        &self,
        app: AppName,
        version: VersionId,
        most: u32,
    ) -> Result<Vec<DeploymentRecord>, JournalError> {
        self.reader
            .run(move |connection| {
                let sql = "select record from deployment where record is not null and app = ?1
                    and ?2 in (record ->> '$.deployment.to.version', record ->> '$.deployment.from.version')
                    order by id desc limit ?3";
                let values = params![app.as_str(), version.0.cast_signed(), most];
                let what = "read a version's deployments";
                let read = rows(connection, what, sql, values, |row| row.get::<_, String>(0))?;
                read.iter().map(|record| parse("a deployment", record)).collect()
            })
            .await
    }

    /// The last deployment that brought a version up: deployed, activated or rolled back to it.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn deployment_to(
        &self,
        app: AppName,
        version: VersionId,
    ) -> Result<Option<DeploymentRecord>, JournalError> {
        self.reader
            .run(move |connection| {
                let sql = "select record from deployment where record is not null and app = ?1
                    and record ->> '$.deployment.to.version' = ?2
                    and record ->> '$.deployment.kind' in ('deploy', 'activate', 'rollback')
                    order by id desc limit 1";
                let values = params![app.as_str(), version.0.cast_signed()];
                let what = "read the deployment of a version";
                let read = rows(connection, what, sql, values, |row| row.get::<_, String>(0))?;
                read.first().map(|record| parse("a deployment", record)).transpose()
            })
            .await
    }

    /// One deployment.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn deployment(&self, id: DeploymentId) -> Result<Option<DeploymentRecord>, JournalError> {
        self.reader
            .run(move |connection| {
                let sql = "select record from deployment where id = ?1 and record is not null";
                let record: Option<String> = connection
                    .query_row(sql, params![id.0.cast_signed()], |row| row.get(0))
                    .optional()
                    .map_err(failed("read a deployment"))?;
                record.map(|record| parse(format!("deployment {id}"), &record)).transpose()
            })
            .await
    }

    /// Exits that nobody asked for, newest first.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn exits(&self, app: AppName, most: u32) -> Result<Vec<ExitRecord>, JournalError> {
        self.reader
            .run(move |connection| {
                let sql = "select record from exit where app = ?1 order by at desc, run desc limit ?2";
                let values = params![app.as_str(), most];
                let read = rows(connection, "read the exits", sql, values, |row| row.get::<_, String>(0))?;
                read.iter().map(|record| parse("an exit", record)).collect()
            })
            .await
    }

    /// Who asked for what, newest first.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn audits(&self, most: u32) -> Result<Vec<AuditRecord>, JournalError> {
        self.reader
            .run(move |connection| {
                let sql = "select id, at, uid, user, app, what from audit order by id desc limit ?1";
                rows(connection, "read the audit log", sql, params![most], |row| {
                    Ok(AuditRecord {
                        id: row.get(0)?,
                        at: time(row.get(1)?),
                        uid: row.get(2)?,
                        user: row.get(3)?,
                        app: row.get::<_, Option<String>>(4)?.and_then(|app| app.parse().ok()),
                        what: row.get(5)?,
                    })
                })
            })
            .await
    }

    /// What is wrong with the database's own structure; empty when nothing is (SQLite's `quick_check`).
    ///
    /// # Errors
    /// When the journal cannot be read at all.
    pub async fn quick_check(&self) -> Result<Vec<String>, JournalError> {
        self.reader
            .run(|connection| {
                let sql = "pragma quick_check(10)";
                let mut found =
                    rows(connection, "check the journal", sql, [], |row| row.get::<_, String>(0))?;
                found.retain(|line| line != "ok");
                Ok(found)
            })
            .await
    }
}
