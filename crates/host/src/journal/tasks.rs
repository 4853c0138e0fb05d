//! One-off tasks: which were asked for, and how they ended.

use model::{AppName, TaskId};
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::read::{failed, parse, rows};
use super::write::json;
use super::{Journal, JournalError, Task, TaskEnd, TaskRecord};

/// Tasks that have ended and are remembered, of all apps.
const MOST_TASKS: u32 = 2_000;

type Columns = (i64, String);

fn columns(row: &Row<'_>) -> rusqlite::Result<Columns> {
    Ok((row.get(0)?, row.get(1)?))
}

fn task((id, record): Columns) -> Result<Task, JournalError> {
    let id = TaskId(id.unsigned_abs());
    Ok(Task { id, record: parse(format!("task {id}"), &record)? })
}

impl Journal {
    /// Remembers a task before it begins. `key` is whoever's asks: asked with the same key again it is the task that
    /// was remembered then, and `false`.
    ///
    /// # Errors
    /// When nothing was written.
    pub async fn begin_task(&self, key: String, record: TaskRecord) -> Result<(Task, bool), JournalError> {
        self.writer
            .run(move |connection| {
                let sql = "select id, record from task where key = ?1";
                let known = connection.query_row(sql, params![key], columns).optional();
                if let Some(known) = known.map_err(failed("look for a task"))? {
                    return Ok((task(known)?, false));
                }
                trim(connection)?;
                connection
                    .execute(
                        "insert into task (app, key, record) values (?1, ?2, ?3)",
                        params![record.app.as_str(), key, json(&record)],
                    )
                    .map_err(failed("record a task"))?;
                let id = TaskId(connection.last_insert_rowid().unsigned_abs());
                Ok((Task { id, record }, true))
            })
            .await
    }

    /// Remembers how a task ended; what was remembered first stays.
    ///
    /// # Errors
    /// When nothing was written.
    pub async fn end_task(&self, id: TaskId, end: TaskEnd) -> Result<(), JournalError> {
        self.writer
            .run(move |connection| {
                connection
                    .execute(
                        "update task set record = json_set(record, '$.end', json(?2))
                         where id = ?1 and record ->> '$.end' is null",
                        params![id.0.cast_signed(), json(&end)],
                    )
                    .map_err(failed("record the end of a task"))?;
                Ok(())
            })
            .await
    }

    /// One task.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn task(&self, id: TaskId) -> Result<Option<Task>, JournalError> {
        self.reader
            .run(move |connection| {
                let sql = "select id, record from task where id = ?1";
                let found = connection.query_row(sql, params![id.0.cast_signed()], columns).optional();
                found.map_err(failed("read a task"))?.map(task).transpose()
            })
            .await
    }

    /// An app's tasks, newest first.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn tasks(&self, app: AppName, most: u32) -> Result<Vec<Task>, JournalError> {
        self.reader
            .run(move |connection| {
                let sql = "select id, record from task where app = ?1 order by id desc limit ?2";
                let read = rows(connection, "read the tasks", sql, params![app.as_str(), most], columns)?;
                read.into_iter().map(task).collect()
            })
            .await
    }

    /// Every app's tasks whose end is not known, oldest first.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn tasks_under_way(&self) -> Result<Vec<Task>, JournalError> {
        self.reader
            .run(|connection| {
                let sql = "select id, record from task where record ->> '$.end' is null order by id";
                let read = rows(connection, "read the tasks", sql, [], columns)?;
                read.into_iter().map(task).collect()
            })
            .await
    }
}

fn trim(connection: &Connection) -> Result<(), JournalError> {
    let sql =
        "delete from task where record ->> '$.end' is not null and id <= (select max(id) from task) - ?1";
    connection.execute(sql, params![MOST_TASKS]).map_err(failed("remove old tasks"))?;
    Ok(())
}
