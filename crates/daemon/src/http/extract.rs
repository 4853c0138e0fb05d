//! What handlers take from requests; what does not fit becomes a problem.

use axum::extract::{FromRequest, FromRequestParts};

use super::problem::Failure;

/// A JSON body; as an answer too.
#[derive(FromRequest)]
#[from_request(via(axum::Json), rejection(Failure))]
pub(super) struct Json<T>(pub(super) T);

impl<T: serde::Serialize> axum::response::IntoResponse for Json<T> {
    fn into_response(self) -> axum::response::Response {
        axum::Json(self.0).into_response()
    }
}

/// The names in a path.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Failure))]
pub(super) struct Path<T>(pub(super) T);

/// What stands behind the `?`.
#[derive(FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Failure))]
pub(super) struct Query<T>(pub(super) T);

/// Most records of a listing, whatever is asked for: what fits into memory many times over.
pub(super) const MOST_LISTED: u32 = 10_000;

/// How many records a listing gives: as many as asked for, within bounds.
pub(super) fn at_most(asked: Option<u32>, otherwise: u32) -> u32 {
    asked.unwrap_or(otherwise).min(MOST_LISTED)
}
