//! Who is at the other end of a connection.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use model::app::Origin;

use super::names::Names;
use super::problem::Failure;

/// The process at the other end, as the kernel saw it when it connected (`SO_PEERCRED`).
#[derive(Clone)]
pub(super) struct Caller {
    uid: u32,
    names: Arc<Names>,
}

impl Caller {
    /// The peer of a connection; asks nobody but the kernel.
    pub(super) fn of(stream: &tokio::net::UnixStream, names: Arc<Names>) -> std::io::Result<Self> {
        Ok(Caller { uid: stream.peer_cred()?.uid(), names })
    }
}

/// The same for a handler that records who asks.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    /// Its user id.
    pub(super) uid: u32,
    /// The user's name, where the host knows one and says so in time.
    pub(super) user: Option<String>,
}

impl Peer {
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
        let Caller { uid, names } = parts.extensions.get::<Caller>().cloned().ok_or_else(unknown)?;
        Ok(Peer { uid, user: names.of(uid).await })
    }
}
