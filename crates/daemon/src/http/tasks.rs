//! One-off tasks of an app: begun, listed, ended, and what they write.

use std::time::Duration;

use ::api::problem::Problem;
use ::api::query::MostQuery;
use ::api::task::{BeginTask, OutputQuery, Task, TaskEnd, TaskHow};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use host::journal::{Task as Known, TaskEnd as KnownEnd, TaskHow as KnownHow};
use host::tasks::{TaskError, TaskOutput, TaskWish};
use model::app::CommandLine;
use model::settings::{BadCommand, Command, PreCommand};
use model::{AppName, TaskId};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::api::Api;
use super::extract::{Json, Path, Query, at_most};
use super::peer::Peer;
use super::problem::Failure;

/// Tasks given unless somebody asks for more or less.
const MOST: u32 = 20;

/// Longest key: a random number as text is a third of it.
const MOST_KEY_BYTES: usize = 100;

/// About so many bytes are sent at once.
const PIECE: usize = 64 * 1024;

/// Between two looks for new output, or for the end.
const LOOK: Duration = Duration::from_millis(100);

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(begin, list)).routes(routes!(show, end))
}

pub(super) fn streams() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(output))
}

/// Runs a command once, by the release of the active version and as an instance of it would run.
///
/// It goes on when the daemon is started anew. The answer comes at once; `output` gives what it writes until it ends.
#[utoipa::path(post, path = "/v1/apps/{app}/tasks", tag = "tasks", operation_id = "begin_task",
    params(("app" = String, Path, description = "Name of the app")), request_body = BeginTask,
    responses((status = OK, body = Task), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn begin(
    State(api): State<Api>,
    peer: Peer,
    Path(name): Path<AppName>,
    Json(body): Json<BeginTask>,
) -> Result<Json<Task>, Failure> {
    let app = api.app(&name)?;
    if body.key.is_empty() || body.key.len() > MOST_KEY_BYTES {
        let detail = format!("the key of a task has 1 to {MOST_KEY_BYTES} bytes");
        return Err(Failure::new("bad-key", StatusCode::UNPROCESSABLE_ENTITY, detail));
    }
    let command = command(&body.command).map_err(|error| {
        let detail = format!("not a command: {error}");
        Failure::new("bad-command", StatusCode::UNPROCESSABLE_ENTITY, detail)
    })?;
    api.record(&peer, Some(&name), format!("run {command}")).await?;
    let limit = body.limit_ms.map(Duration::from_millis);
    let wish = TaskWish { key: body.key, command, limit, uid: peer.uid, user: peer.user.clone() };
    let task = api.control.one_off().begin(app, wish).await.map_err(refused)?;
    if task.record.app != name {
        let detail = format!("task {} of {} has this key", task.id.0, task.record.app);
        return Err(Failure::new("bad-key", StatusCode::CONFLICT, detail));
    }
    Ok(Json(view(task)))
}

/// Tasks of an app, newest first.
#[utoipa::path(get, path = "/v1/apps/{app}/tasks", tag = "tasks", operation_id = "list_tasks",
    params(("app" = String, Path, description = "Name of the app"), MostQuery),
    responses((status = OK, body = Vec<Task>), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn list(
    State(api): State<Api>,
    Path(app): Path<AppName>,
    Query(query): Query<MostQuery>,
) -> Result<Json<Vec<Task>>, Failure> {
    api.app(&app)?;
    let tasks = api.control.journal.tasks(app, at_most(query.most, MOST)).await?;
    Ok(Json(tasks.into_iter().map(view).collect()))
}

/// One task.
#[utoipa::path(get, path = "/v1/apps/{app}/tasks/{task}", tag = "tasks", operation_id = "show_task",
    params(("app" = String, Path, description = "Name of the app"), ("task" = u64, Path, description = "Its number")),
    responses((status = OK, body = Task), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn show(
    State(api): State<Api>,
    Path((app, task)): Path<(AppName, u64)>,
) -> Result<Json<Task>, Failure> {
    Ok(Json(view(known(&api, &app, task).await?)))
}

/// Ends a task with all that it has started: SIGTERM, after 5 s SIGKILL. Done when the task tells its end.
#[utoipa::path(delete, path = "/v1/apps/{app}/tasks/{task}", tag = "tasks", operation_id = "end_task",
    params(("app" = String, Path, description = "Name of the app"), ("task" = u64, Path, description = "Its number")),
    responses((status = OK, body = Task), (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn end(
    State(api): State<Api>,
    peer: Peer,
    Path((app, task)): Path<(AppName, u64)>,
) -> Result<Json<Task>, Failure> {
    let known = known(&api, &app, task).await?;
    api.record(&peer, Some(&app), format!("end task {task}")).await?;
    api.control.one_off().halt(&known).await.map_err(|error| Failure::host(&error))?;
    Ok(Json(view(known)))
}

/// What a task writes to one of its outputs, byte for byte, until it has ended.
///
/// A stream that is cut off (the daemon stops) is taken up again with `from`.
#[utoipa::path(get, path = "/v1/apps/{app}/tasks/{task}/output", tag = "tasks", operation_id = "task_output",
    params(("app" = String, Path, description = "Name of the app"), ("task" = u64, Path, description = "Its number"),
        OutputQuery),
    responses((status = OK, body = Vec<u8>, content_type = "application/octet-stream"),
        (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn output(
    State(api): State<Api>,
    Path((app, task)): Path<(AppName, u64)>,
    Query(query): Query<OutputQuery>,
) -> Result<Response, Failure> {
    let known = known(&api, &app, task).await?;
    let output = TaskOutput::new(api.control.one_off().log(&known, query.stream.name()), query.from);
    let body = Body::from_stream(pieces(api, known.id, output));
    Ok(([(header::CONTENT_TYPE, "application/octet-stream")], body).into_response())
}

/// Ends well when all is sent; a stream that ends for another reason is cut off, so that nobody takes it for whole.
fn pieces(
    api: Api,
    id: TaskId,
    mut output: TaskOutput,
) -> impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> {
    async_stream::try_stream! {
        loop {
            // Looked at before the last read.
            let is_over = is_over(&api, id).await;
            let (back, piece) = spawn_blocking(move || {
                let piece = output.read(PIECE);
                (output, piece)
            })
            .await
            .map_err(std::io::Error::other)?;
            output = back;
            let piece = piece?;
            match (piece.is_empty(), is_over) {
                (false, _) => yield Bytes::from(piece),
                (true, true) => break,
                (true, false) if timeout(LOOK, api.stop.cancelled()).await.is_ok() => {
                    Err(std::io::Error::other("bellrockd stops"))?;
                }
                (true, false) => {}
            }
        }
    }
}

async fn is_over(api: &Api, id: TaskId) -> bool {
    if api.control.one_off().is_live(id) {
        return false;
    }
    // One that was removed meanwhile had ended.
    let known = api.control.journal.task(id).await;
    known.is_ok_and(|task| task.is_none_or(|task| task.record.end.is_some()))
}

async fn known(api: &Api, app: &AppName, task: u64) -> Result<Known, Failure> {
    api.app(app)?;
    let known = api.control.journal.task(TaskId(task)).await?;
    known.filter(|it| it.record.app == *app).ok_or_else(|| {
        let detail = format!("{app} has no task {task}; bellrock tasks {app} lists them");
        Failure::new("no-task", StatusCode::NOT_FOUND, detail)
    })
}

/// `eval` and `rpc` take all that follows as one expression.
fn command(words: &[String]) -> Result<CommandLine, BadCommand> {
    match words.first().map(String::as_str) {
        Some("eval" | "rpc") => PreCommand::parse(&words.join(" ")).map(CommandLine::Release),
        _ => Command::try_from(words.to_vec()).map(CommandLine::Program),
    }
}

fn refused(error: TaskError) -> Failure {
    let detail = error.to_string();
    match error {
        TaskError::NothingActive(_) => Failure::new("nothing-active", StatusCode::CONFLICT, detail),
        TaskError::TooMany(_) => Failure::new("too-many-tasks", StatusCode::CONFLICT, detail),
        TaskError::Journal(error) => error.into(),
    }
}

fn view(Known { id, record }: Known) -> Task {
    Task {
        task: id.0,
        app: record.app.to_string(),
        command: record.command.to_string(),
        version: record.version,
        uid: record.uid,
        user: record.user,
        begun_at: record.begun_at,
        limit_ms: record.limit_ms,
        end: record.end.map(view_end),
    }
}

fn view_end(KnownEnd { at, how }: KnownEnd) -> TaskEnd {
    let end = TaskEnd { at, how: TaskHow::Ended, status: None, signal: None, reason: None };
    match how {
        KnownHow::Status { status } => TaskEnd { status: Some(status), ..end },
        KnownHow::Signal { signal } => TaskEnd { how: TaskHow::Signalled, signal: Some(signal), ..end },
        KnownHow::TimeLimit => TaskEnd { how: TaskHow::TimeLimit, ..end },
        KnownHow::Halted => TaskEnd { how: TaskHow::Halted, ..end },
        KnownHow::NotBegun { reason } => TaskEnd { how: TaskHow::NotBegun, reason: Some(reason), ..end },
        KnownHow::Unknown { reason } => TaskEnd { how: TaskHow::Unknown, reason: Some(reason), ..end },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_commands() {
        let check = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(ToString::to_string).collect();
            command(&words).map(|command| command.to_string())
        };
        assert_eq!(check(&["eval", "1 + 1"]).unwrap(), "eval 1 + 1");
        assert_eq!(check(&["rpc", "A.b()"]).unwrap(), "rpc A.b()");
        assert_eq!(check(&["bin/tool", "a b", "c"]).unwrap(), "bin/tool 'a b' c");
        assert!(check(&["eval"]).is_err());
        assert!(check(&[]).is_err());
    }
}
