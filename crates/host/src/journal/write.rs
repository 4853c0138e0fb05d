//! Writing the journal.

use jiff::Timestamp;
use model::app::{App, Event, Note, SCHEMA, Stepped};
use model::{AppName, DeploymentId};
use rusqlite::{Connection, params};

use super::read::failed;
use super::{DeploymentRecord, Journal, JournalError};

/// Rows kept; the oldest go first.
pub(super) const MOST_TURNS: u32 = 5_000;
pub(super) const MOST_EVENTS: u32 = 100_000;
pub(super) const MOST_EXITS: u32 = 5_000;
pub(super) const MOST_AUDITS: u32 = 50_000;
/// Of each app.
pub(super) const MOST_DEPLOYMENTS: u32 = 2_000;

/// Numbers of wishes that came to nothing; that of a wish under way is among the newest.
pub(super) const MOST_UNUSED_NUMBERS: u32 = 1_000;

/// Old rows are removed once in so many turns, and once in so many wishes.
pub(super) const TRIM_EVERY: i64 = 500;

pub(super) fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("our records have text keys")
}

impl Journal {
    /// Makes a turn durable: state, outbox, event, notes, deployments and exit in one transaction.
    ///
    /// # Errors
    /// When nothing was written.
    pub async fn commit(&self, at: Timestamp, event: &Event, stepped: &Stepped) -> Result<(), JournalError> {
        let event = json(event);
        let (stepped, has_news) = (stepped.clone(), !stepped.notes.is_empty());
        self.writer.run(move |connection| commit(connection, at, &event, &stepped)).await?;
        if has_news {
            self.news.send_replace(());
        }
        Ok(())
    }

    /// Tells something about the host, not about an app.
    ///
    /// # Errors
    /// When nothing was written.
    pub async fn tell(&self, at: Timestamp, note: Note) -> Result<(), JournalError> {
        self.writer.run(move |connection| write_event(connection, at, None, &note)).await?;
        self.news.send_replace(());
        Ok(())
    }

    /// Registers an app; one that is known stays as it is.
    ///
    /// # Errors
    /// When nothing was written.
    pub async fn create(&self, app: &App) -> Result<(), JournalError> {
        let (name, state) = (app.name.to_string(), json(app));
        self.writer
            .run(move |connection| {
                connection
                    .execute(
                        "insert into app (name, schema, state, registered)
                         values (?1, ?2, ?3, (select coalesce(max(registered), 0) + 1 from app))
                         on conflict do nothing",
                        params![name, SCHEMA, state],
                    )
                    .map_err(failed("register an app"))?;
                Ok(())
            })
            .await
    }

    /// A number for a deployment that may come; never given twice.
    ///
    /// # Errors
    /// When nothing was written.
    pub async fn next_deployment(&self, app: &AppName) -> Result<DeploymentId, JournalError> {
        let app = app.to_string();
        self.writer
            .run(move |connection| {
                connection
                    .execute("insert into deployment (app) values (?1)", params![app])
                    .map_err(failed("number a deployment"))?;
                let number = connection.last_insert_rowid();
                if number % TRIM_EVERY == 0 {
                    trim(connection)?;
                }
                Ok(DeploymentId(number.unsigned_abs()))
            })
            .await
    }

    /// A number that is higher than that of every daemon before on this root.
    ///
    /// # Errors
    /// When nothing was written.
    pub async fn next_epoch(&self, at: Timestamp) -> Result<u64, JournalError> {
        self.writer
            .run(move |connection| {
                connection
                    .execute("insert into epoch (at) values (?1)", params![at.as_millisecond()])
                    .map_err(failed("begin an epoch"))?;
                Ok(connection.last_insert_rowid().unsigned_abs())
            })
            .await
    }

    /// Remembers who asked for what; never a value of a variable.
    ///
    /// # Errors
    /// When nothing was written.
    pub async fn audit(
        &self,
        at: Timestamp,
        uid: u32,
        user: Option<String>,
        app: Option<&AppName>,
        what: String,
    ) -> Result<(), JournalError> {
        let app = app.map(ToString::to_string);
        self.writer
            .run(move |connection| {
                connection
                    .execute(
                        "insert into audit (at, uid, user, app, what) values (?1, ?2, ?3, ?4, ?5)",
                        params![at.as_millisecond(), uid, user, app, what],
                    )
                    .map_err(failed("record who asked"))?;
                Ok(())
            })
            .await
    }
}

fn commit(
    connection: &mut Connection,
    at: Timestamp,
    event: &str,
    stepped: &Stepped,
) -> Result<(), JournalError> {
    let app = &stepped.app;
    let name = app.name.as_str();
    let transaction = connection.transaction().map_err(failed("begin a turn"))?;
    transaction
        .execute("update app set schema = ?2, state = ?3 where name = ?1", params![name, SCHEMA, json(app)])
        .map_err(failed("write an app's state"))?;
    transaction
        .execute(
            "insert into turn (at, app, event) values (?1, ?2, ?3)",
            params![at.as_millisecond(), name, event],
        )
        .map_err(failed("write an event"))?;
    let turn = transaction.last_insert_rowid();
    for deployment in &stepped.records {
        let label = |target: Option<model::app::Target>| target.map(|target| app.label(target));
        let record = DeploymentRecord {
            app: app.name.clone(),
            deployment: deployment.clone(),
            from_label: label(deployment.from),
            to_label: label(deployment.to),
        };
        transaction
            .execute(
                "insert into deployment (id, app, record) values (?1, ?2, ?3)
                 on conflict (id) do update set record = excluded.record",
                params![deployment.id.0.cast_signed(), name, json(&record)],
            )
            .map_err(failed("write a deployment"))?;
    }
    for (instance, place, exit) in &stepped.exits {
        let record = super::ExitRecord { instance: *instance, place: *place, exit: exit.clone() };
        transaction
            .execute(
                "insert into exit (app, instance, run, place, at, record) values (?1, ?2, ?3, ?4, ?5, ?6)
                 on conflict do nothing",
                params![
                    name,
                    instance.0.cast_signed(),
                    exit.run,
                    place.0,
                    exit.at.as_millisecond(),
                    json(&record)
                ],
            )
            .map_err(failed("write an exit"))?;
    }
    for note in &stepped.notes {
        write_event(&transaction, at, Some(&app.name), note)?;
    }
    if turn % TRIM_EVERY == 0 {
        trim(&transaction)?;
    }
    transaction.commit().map_err(failed("commit a turn"))
}

fn write_event(
    connection: &Connection,
    at: Timestamp,
    app: Option<&AppName>,
    note: &Note,
) -> Result<(), JournalError> {
    let deployment = note.deployment.map(|id| id.0.cast_signed());
    connection
        .execute(
            "insert into event (at, app, deployment, record) values (?1, ?2, ?3, ?4)",
            params![at.as_millisecond(), app.map(AppName::as_str), deployment, json(note)],
        )
        .map_err(failed("write a note"))?;
    Ok(())
}

fn trim(connection: &Connection) -> Result<(), JournalError> {
    let newest = |table: &str, key: &str, most: u32| {
        format!("delete from {table} where {key} <= (select max({key}) from {table}) - {most}")
    };
    let statements = [
        newest("turn", "id", MOST_TURNS),
        newest("event", "id", MOST_EVENTS),
        newest("audit", "id", MOST_AUDITS),
        format!(
            "delete from exit where (app, instance, run) in (
                select app, instance, run from exit order by at desc, instance desc, run desc
                limit -1 offset {MOST_EXITS}
            )"
        ),
        format!(
            "delete from deployment
             where record is null and id <= (select max(id) from deployment) - {MOST_UNUSED_NUMBERS}"
        ),
        format!(
            "delete from deployment where record is not null and id in (
                select id from (
                    select id, row_number() over (partition by app order by id desc) as age
                    from deployment where record is not null
                ) where age > {MOST_DEPLOYMENTS}
            )"
        ),
    ];
    connection.execute_batch(&statements.join(";")).map_err(failed("remove old rows"))
}
