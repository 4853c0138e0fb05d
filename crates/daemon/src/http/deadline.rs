//! A deadline for requests that are answered at once.

use std::time::Duration;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Failure;

/// Reads take milliseconds; wishes wait for one turn of the engine and one write of the journal.
const DEADLINE: Duration = Duration::from_secs(60);

/// Answers with a problem when a handler takes longer than that.
pub(super) async fn enforce(request: Request, next: Next) -> Response {
    let late = |_| {
        let detail = "bellrockd did not answer in 60 s; what was asked for may still be carried out";
        Failure::new("deadline", StatusCode::GATEWAY_TIMEOUT, detail).into_response()
    };
    tokio::time::timeout(DEADLINE, next.run(request)).await.unwrap_or_else(late)
}
