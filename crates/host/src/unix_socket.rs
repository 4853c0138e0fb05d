//! Connecting to a socket by way of its open folder, because a socket's address holds 108 bytes.

use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

use tokio::net::UnixStream;

/// Connects to the socket `name` in `folder`, however long the folder's path is.
pub(crate) async fn connect_in(folder: &Path, name: &str) -> io::Result<UnixStream> {
    let folder = fs_err::File::open(folder)?;
    UnixStream::connect(format!("/proc/self/fd/{}/{name}", folder.as_raw_fd())).await
}
