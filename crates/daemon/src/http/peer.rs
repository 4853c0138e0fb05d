//! Who is at the other end of a connection.

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use model::app::Origin;

use super::problem::Failure;

/// The process at the other end, as the kernel saw it when it connected (`SO_PEERCRED`).
#[derive(Debug, Clone)]
pub(super) struct Peer {
    /// Its user id.
    pub(super) uid: u32,
    /// The user's name, where the host knows one.
    pub(super) user: Option<String>,
}

impl Peer {
    /// The peer of a connection.
    pub(super) fn of(stream: &tokio::net::UnixStream) -> std::io::Result<Self> {
        let uid = stream.peer_cred()?.uid();
        Ok(Peer { uid, user: host::users::name_of(uid) })
    }

    /// The peer as the cause of a wish.
    pub(super) fn origin(&self) -> Origin {
        Origin::Operator { uid: self.uid, user: self.user.clone() }
    }
}

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        let unknown = || {
            Failure::new("no-peer", StatusCode::INTERNAL_SERVER_ERROR, "the connection's peer is not known")
        };
        parts.extensions.get::<Peer>().cloned().ok_or_else(unknown)
    }
}
