//! A daemon that follows a script.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Multipart, Path as Segments, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::UnixListener;
use tokio::runtime::Runtime;

/// What was uploaded.
#[derive(Default, Clone)]
pub(crate) struct Uploaded {
    pub(crate) names: Vec<String>,
    pub(crate) contents: Vec<Vec<u8>>,
    pub(crate) file_name: String,
}

#[derive(Default)]
struct Script {
    deployments: VecDeque<Value>,
    looks: usize,
    streams: usize,
    upload: Uploaded,
}

type Shared = Arc<Mutex<Script>>;

/// Serves below a folder of its own until it is dropped.
pub(crate) struct Daemon {
    folder: tempfile::TempDir,
    script: Shared,
    runtime: Option<Runtime>,
}

impl Daemon {
    /// Answers questions about deployment 42 with these, the last one for ever; `null`: there is none.
    pub(crate) fn start(deployments: Vec<Value>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs_err::create_dir_all(folder.path().join("run/bellrock")).unwrap();
        let mut daemon = Daemon { folder, script: Shared::default(), runtime: None };
        daemon.start_again(deployments);
        daemon
    }

    pub(crate) fn start_again(&mut self, deployments: Vec<Value>) {
        self.script.lock().unwrap().deployments = deployments.into();
        let socket = self.folder.path().join("run/bellrock/api.sock");
        let _ = fs_err::remove_file(&socket);
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(async { UnixListener::bind(&socket).unwrap() });
        let router = router().with_state(self.script.clone());
        runtime.spawn(async { axum::serve(listener, router).await });
        self.runtime = Some(runtime);
    }

    /// Dies with all its connections.
    pub(crate) fn stop(&mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    /// Waits until somebody has looked at the deployment and follows its events.
    pub(crate) fn until_watched(&self) {
        let since = Instant::now();
        loop {
            let script = self.script.lock().unwrap();
            if script.looks > 0 && script.streams > 0 {
                return;
            }
            drop(script);
            assert!(since.elapsed() < super::PATIENCE, "nobody watches");
            std::thread::yield_now();
        }
    }

    pub(crate) fn upload(&self) -> Uploaded {
        self.script.lock().unwrap().upload.clone()
    }
}

/// Deployment 42 in a phase.
pub(crate) fn deployment(phase: &str) -> Value {
    let over = ["committed", "rolled_back", "failed", "rollback_failed", "superseded"].contains(&phase);
    json!({
        "id": 42, "app": "beacon", "kind": "deploy", "phase": phase,
        "by": {"kind": "operator", "uid": 1000, "user": "ulf"}, "from": "1.4.2", "to": "1.5.0",
        "strategy": "rolling", "begun_at": "2026-11-21T11:57:00Z", "serving_at": null,
        "watching_until": if phase == "watching" { json!("2026-11-21T11:59:00Z") } else { Value::Null },
        "ended_at": if over { json!("2026-11-21T11:58:00Z") } else { Value::Null },
        "reason": null, "log_tail": null, "ghosted": false, "pre_commands_ran": false, "places": [],
        "log": [{
            "id": 1, "at": "2026-11-21T11:57:01Z", "app": "beacon", "deployment": 42, "place": 1, "instance": 7,
            "step": "started", "level": "info", "text": "instance 1 started", "log_tail": null, "took_ms": null,
        }],
    })
}

fn router() -> Router<Shared> {
    Router::new()
        .route("/v1/apps/{app}/deployments", post(begin))
        .route("/v1/apps/{app}/restart", post(restart))
        .route("/v1/apps/{app}/packages", post(upload).layer(axum::extract::DefaultBodyLimit::disable()))
        .route("/v1/apps/{app}/versions/{version}/package", get(download))
        .route("/v1/apps/{app}/logs", get(logs))
        .route("/v1/deployments/{id}", get(show))
        .route("/v1/events/stream", get(events))
}

fn problem(status: StatusCode, body: Value) -> Response {
    (status, [("content-type", "application/problem+json")], body.to_string()).into_response()
}

async fn begin(Json(body): Json<Value>) -> Response {
    let version = body["version"].as_str().unwrap();
    if version == "refused" {
        return problem(
            StatusCode::CONFLICT,
            json!({"type": "urn:bellrock:problem:ghosted", "title": "ghosted", "status": 409,
                "detail": "version refused is ghosted", "remedy": "bellrock ghosts beacon clear refused"}),
        );
    }
    Json(json!({"app": "beacon", "deployment": 42, "version": null, "remarks": []})).into_response()
}

async fn restart() -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, "disk on fire").into_response()
}

async fn show(State(script): State<Shared>) -> Response {
    let mut script = script.lock().unwrap();
    script.looks += 1;
    let next = if script.deployments.len() > 1 {
        script.deployments.pop_front()
    } else {
        script.deployments.front().cloned()
    };
    match next {
        Some(deployment) if !deployment.is_null() => Json(deployment).into_response(),
        _ => problem(
            StatusCode::NOT_FOUND,
            json!({"type": "urn:bellrock:problem:no-deployment", "title": "no deployment", "status": 404,
                "detail": "there is no deployment 42, or it was dropped from the queue"}),
        ),
    }
}

/// Stays open and silent: looking once a second must do.
async fn events(State(script): State<Shared>) -> Response {
    script.lock().unwrap().streams += 1;
    let silence = futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();
    ([("content-type", "text/event-stream")], Body::from_stream(silence)).into_response()
}

async fn upload(State(script): State<Shared>, mut parts: Multipart) -> Json<Value> {
    let mut uploaded = Uploaded::default();
    while let Some(part) = parts.next_field().await.unwrap() {
        uploaded.names.push(part.name().unwrap().to_owned());
        uploaded.file_name = part.file_name().unwrap_or_default().to_owned();
        uploaded.contents.push(part.bytes().await.unwrap().to_vec());
    }
    script.lock().unwrap().upload = uploaded;
    Json(json!({"app": "beacon", "deployment": 42, "version": "1.0.0", "remarks": []}))
}

async fn download(Segments((_, version)): Segments<(String, String)>) -> Response {
    if version == "cut" {
        let pieces = [Ok("the p"), Err(std::io::Error::other("the disk is gone"))];
        return Body::from_stream(futures_util::stream::iter(pieces)).into_response();
    }
    "the package".into_response()
}

async fn logs() -> &'static str {
    "{\"place\":1,\"instance\":7,\"text\":\"hello\"}\n"
}
