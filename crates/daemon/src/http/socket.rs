//! The API's Unix socket: made with its rights, served until told to stop.
//!
//! Whoever may write to the socket may run code as any app's user; hence 0660 and a group of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use fs_err as fs;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustix::fs::{AtFlags, CWD, Gid, Mode, OFlags, chmod, chownat, open};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;
use tracing::{debug, warn};

use super::names::Names;
use super::peer::Caller;

/// Longest path that is bound directly; `sun_path` holds 107 bytes and a temporary name is longer than the final one.
const LONGEST_PATH: usize = 100;

/// Connections at the same time: enough for every operator's terminals; more wait in the kernel's queue.
const MOST_CONNECTIONS: usize = 256;

/// Bytes of a request that a connection holds at most: a head must fit, a body goes on in pieces. hyper's own bound is
/// 400 KB, which an upload reaches and its connection then keeps.
const MOST_READ: usize = 32 * 1024;

/// A connection that has not sent its request's head by then is closed.
const HEAD_DEADLINE: Duration = Duration::from_secs(30);

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// It could not be made.
    #[error("could not listen on {path}")]
    Bind {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The group of the settings.
    #[error("could not give {path} to the group {group:?} (api_group)")]
    Group {
        /// The socket.
        path: PathBuf,
        /// The group.
        group: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Makes the socket, in place of one that an earlier daemon left. The caller holds the lock of the root.
///
/// It gets its mode and group under another name first: nobody can connect to it with wider rights.
///
/// # Errors
/// [`BindError`].
pub fn bind(path: &Path, group: Option<&str>) -> Result<UnixListener, BindError> {
    let failed = |source| BindError::Bind { path: path.to_owned(), source };
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder).map_err(failed)?;
    let fresh = folder.join("api.new");
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let listener = bind_at(&fresh).map_err(failed)?;
    chmod(&fresh, Mode::from_raw_mode(0o660)).map_err(|errno| failed(errno.into()))?;
    if let Some(name) = group {
        let refused = |source| BindError::Group { path: path.to_owned(), group: name.to_owned(), source };
        let gid = host::users::group(name).map_err(|error| refused(error.into()))?;
        chownat(CWD, &fresh, None, Some(Gid::from_raw(gid)), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|errno| refused(errno.into()))?;
    }
    fs::rename(&fresh, path).map_err(failed)?;
    Ok(listener)
}

fn bind_at(path: &Path) -> std::io::Result<UnixListener> {
    if path.as_os_str().len() <= LONGEST_PATH {
        return UnixListener::bind(path);
    }
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(std::io::ErrorKind::InvalidInput.into());
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = open(folder, flags, Mode::empty())?;
    let number = std::os::fd::AsRawFd::as_raw_fd(&folder);
    UnixListener::bind(Path::new(&format!("/proc/self/fd/{number}")).join(name))
}

/// Serves until `stop`, then lets requests end within `grace`. Streams watch `stop` themselves.
pub async fn serve(listener: UnixListener, router: Router, stop: CancellationToken, grace: Duration) {
    let connections = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let conversations = TaskTracker::new();
    let names = Arc::new(Names::of_host());
    loop {
        let (stream, permit) = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &connections) => accepted,
        };
        match Caller::of(&stream, names.clone()) {
            Ok(caller) => {
                conversations.spawn(converse(stream, caller, permit, router.clone(), stop.clone()));
            }
            Err(error) => warn!(%error, "an API connection has no peer"),
        }
    }
    drop(listener);
    conversations.close();
    if tokio::time::timeout(grace, conversations.wait()).await.is_err() {
        warn!("API requests were cut off: they had not ended in time");
    }
}

async fn accept(listener: &UnixListener, connections: &Arc<Semaphore>) -> (UnixStream, OwnedSemaphorePermit) {
    let permit = connections.clone().acquire_owned().await.expect("nobody closes it");
    let mut failed = false;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, permit),
            Err(error) => {
                // Out of descriptors, most likely: they come back.
                if !std::mem::replace(&mut failed, true) {
                    warn!(%error, "could not accept an API connection; it waits until this is possible again");
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Answers requests until the other end has gone, the connection becomes a shell's, or `stop` says that the request under
/// way is the last.
async fn converse(
    stream: UnixStream,
    caller: Caller,
    _permit: OwnedSemaphorePermit,
    router: Router,
    stop: CancellationToken,
) {
    let service = router.map_request(move |mut request: Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(caller.clone());
        request.map(axum::body::Body::new)
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .max_buf_size(MOST_READ)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service))
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "an API connection ended early");
    }
}
