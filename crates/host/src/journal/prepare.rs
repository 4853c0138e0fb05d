//! Prepare commands: which were run on this host, and what became of those of each version.

use model::{AppName, VersionId};
use rusqlite::{Connection, OptionalExtension, params};

use super::read::{failed, parse, rows};
use super::write::json;
use super::{Journal, JournalError, Preparation, PrepareRun};

/// Prepare commands that are remembered of one version: more than any settings have.
const MOST_PREPARATIONS: u32 = 200;

/// A prepare command of this content was run on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// By whom; `None` where the daemon that ran it did not say.
    pub by: Option<PrepareRun>,
}

impl Journal {
    /// Whether a prepare command of this content was run on this host, and for whom.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn prepared(&self, content: String) -> Result<Option<Prepared>, JournalError> {
        self.reader
            .run(move |connection| {
                let sql = "select run from prepared where content = ?1";
                let run: Option<Option<String>> = connection
                    .query_row(sql, params![content], |row| row.get(0))
                    .optional()
                    .map_err(failed("look for a prepare command"))?;
                let by = |run: Option<String>| run.map(|run| parse("a prepare command", &run)).transpose();
                run.map(|run| Ok(Prepared { by: by(run)? })).transpose()
            })
            .await
    }

    /// What became of the prepare commands of a version, oldest first.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn preparations(
        &self,
        app: AppName,
        version: VersionId,
    ) -> Result<Vec<Preparation>, JournalError> {
        self.reader
            .run(move |connection| {
                let sql = "select record from (
                    select at, record from preparation where app = ?1 and version = ?2 order by at desc limit ?3
                ) order by at";
                let values = params![app.as_str(), version.0.cast_signed(), MOST_PREPARATIONS];
                let what = "read a version's prepare commands";
                let read = rows(connection, what, sql, values, |row| row.get::<_, String>(0))?;
                read.iter().map(|record| parse("a prepare command", record)).collect()
            })
            .await
    }

    /// Remembers a prepare command of a version in the place of what was known of the same command; gives back what
    /// is known now, which is what was known before when the same effect is done again.
    ///
    /// # Errors
    /// When nothing was written.
    pub async fn begin_preparation(
        &self,
        version: VersionId,
        preparation: Preparation,
    ) -> Result<Preparation, JournalError> {
        self.writer
            .run(move |connection| match known(connection, version, &preparation)? {
                Some(known) if known.run.effect == preparation.run.effect => Ok(known),
                _ => put(connection, version, &preparation).map(|()| preparation),
            })
            .await
    }

    /// Remembers how one ended; `content` when it was run on this host by it and need not be run again.
    ///
    /// # Errors
    /// When nothing was written.
    pub async fn end_preparation(
        &self,
        version: VersionId,
        preparation: Preparation,
        content: Option<String>,
    ) -> Result<(), JournalError> {
        self.writer
            .run(move |connection| {
                let transaction = connection.transaction().map_err(failed("record a prepare command"))?;
                put(&transaction, version, &preparation)?;
                if let Some(content) = content {
                    transaction
                        .execute(
                            "insert into prepared (content, at, run) values (?1, ?2, ?3) on conflict do nothing",
                            params![content, preparation.run.at.as_millisecond(), json(&preparation.run)],
                        )
                        .map_err(failed("record a prepare command"))?;
                }
                transaction.commit().map_err(failed("record a prepare command"))
            })
            .await
    }

    /// Who keeps the log of a run among its papers: the version that it was run for, and those that did not need a run
    /// of their own because of it.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn keepers_of(&self, run: PrepareRun) -> Result<Vec<PrepareRun>, JournalError> {
        self.reader
            .run(move |connection| {
                let sql = "select record from preparation
                    where (record ->> '$.run.app' = ?1 and record ->> '$.run.effect' = ?2)
                    or (record ->> '$.end.by.app' = ?1 and record ->> '$.end.by.effect' = ?2)
                    order by at limit ?3";
                let values = params![run.app.as_str(), run.effect.0.cast_signed(), MOST_PREPARATIONS];
                let what = "look for a prepare log";
                let read = rows(connection, what, sql, values, |row| row.get::<_, String>(0))?;
                let keeper = |record: &String| Ok(parse::<Preparation>("a prepare command", record)?.run);
                read.iter().map(keeper).collect()
            })
            .await
    }

    /// Forgets the prepare commands of a version whose papers go. That they were run on this host stays known.
    ///
    /// # Errors
    /// When nothing was written.
    pub async fn forget_preparations(&self, app: AppName, version: VersionId) -> Result<(), JournalError> {
        self.writer
            .run(move |connection| {
                let sql = "delete from preparation where app = ?1 and version = ?2";
                connection
                    .execute(sql, params![app.as_str(), version.0.cast_signed()])
                    .map_err(failed("forget prepare commands"))?;
                Ok(())
            })
            .await
    }
}

fn known(
    connection: &Connection,
    version: VersionId,
    like: &Preparation,
) -> Result<Option<Preparation>, JournalError> {
    let sql = "select record from preparation where app = ?1 and version = ?2 and command = ?3";
    let values = params![like.run.app.as_str(), version.0.cast_signed(), like.command];
    let record: Option<String> = connection
        .query_row(sql, values, |row| row.get(0))
        .optional()
        .map_err(failed("look for a prepare command"))?;
    record.map(|record| parse("a prepare command", &record)).transpose()
}

fn put(connection: &Connection, version: VersionId, it: &Preparation) -> Result<(), JournalError> {
    connection
        .execute(
            "insert or replace into preparation (app, version, command, at, record) values (?1, ?2, ?3, ?4, ?5)",
            params![
                it.run.app.as_str(),
                version.0.cast_signed(),
                it.command,
                it.run.at.as_millisecond(),
                json(it)
            ],
        )
        .map_err(failed("record a prepare command"))?;
    Ok(())
}
