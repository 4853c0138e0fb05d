//! The backup of everything that cannot be made again.

use std::io::{self, Write};

use ::api::problem::Problem;
use ::api::query::BackupQuery;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use host::backup::{Contents, write};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio_stream::wrappers::ReceiverStream;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::api::Api;
use super::extract::Query;
use super::peer::Peer;
use super::problem::Failure;

/// Sent at once.
const PIECE: usize = 64 * 1024;

/// Pieces that wait for a slow client, who slows the reading.
const QUEUE: usize = 4;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(backup))
}

/// A tar archive of journal, settings, cookies and papers, for `bellrockd --restore`.
///
/// It holds the apps' variables and cookies. Its last entry is a manifest with digests: an archive that is cut off has
/// none and is no backup.
#[utoipa::path(get, path = "/v1/backup", tag = "system", operation_id = "backup", params(BackupQuery),
    responses((status = OK, body = Vec<u8>, content_type = "application/x-tar"),
        (status = "default", body = Problem, content_type = "application/problem+json")))]
async fn backup(
    State(api): State<Api>,
    peer: Peer,
    Query(query): Query<BackupQuery>,
) -> Result<Response, Failure> {
    api.record(&peer, None, "backup".into()).await?;
    let paths = &api.control.paths;
    // Swept when the daemon starts, should it die meanwhile.
    let folder = tempfile::Builder::new().prefix("backup-").tempdir_in(paths.uploads());
    let folder = folder.map_err(|error| Failure::host(&error))?;
    let journal = folder.path().join("state.db");
    api.control.journal.copy_to(journal.clone()).await?;
    let config = api.control.settings_files.config().to_owned();
    let contents = Contents { paths: paths.clone(), journal, config, packages: query.packages };
    let (pieces, body) = mpsc::channel(QUEUE);
    spawn_blocking(move || {
        let writer = Pieces { pieces: pieces.clone(), piece: Vec::with_capacity(PIECE) };
        if let Err(error) = write(&contents, writer) {
            let text = host::chain(&error);
            tracing::warn!(error = text, "a backup was not made");
            // The body is cut off by it; nobody may be there any more to see that.
            let _ = pieces.blocking_send(Err(io::Error::other(text)));
        }
        drop(folder);
    });
    let body = Body::from_stream(ReceiverStream::new(body));
    Ok(([(header::CONTENT_TYPE, "application/x-tar")], body).into_response())
}

/// Sends what is written to it.
struct Pieces {
    pieces: mpsc::Sender<io::Result<Bytes>>,
    piece: Vec<u8>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = Bytes::from(std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE)));
        self.pieces.blocking_send(Ok(piece)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}
