//! What an operator has a node do: evaluations, shells, traces, changed configuration, and what runs there, over the
//! daemon's link to it.
//!
//! Neither text nor lines are recorded, as secrets may be in them: the audit has a text's length and digest, and that a
//! shell was begun.

mod evaluation;
mod lines;
mod observation;
mod place;
mod reload;
mod shell;
mod trace;
mod upgrade;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::api::Api;
use place::Place;

/// What is answered at once.
pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(observation::top))
        .routes(routes!(observation::tree))
        .routes(routes!(observation::process))
        .routes(routes!(upgrade::plan))
}

/// What takes as long as it takes.
pub(super) fn streams() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(evaluation::evaluate))
        .routes(routes!(reload::reload))
        .routes(routes!(shell::shell))
        .routes(routes!(trace::trace))
}
