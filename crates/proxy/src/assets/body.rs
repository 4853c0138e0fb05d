//! A file on its way to a client, read piece by piece by other threads.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use crate::core::Core;
use crate::log;
use crate::response_body::Broken;
use crate::session::Session;

/// Bytes that are read at a time, and that a transfer holds at most.
const CHUNK: u64 = 64 * 1024;
/// A piece that takes longer will not come.
const READ: Duration = Duration::from_secs(30);

/// How much of so many bytes is read at a time.
pub(super) fn chunk(left: u64) -> usize {
    left.min(CHUNK) as usize
}

/// The content of a file of a known length.
pub(crate) struct FileBody {
    core: Rc<Core>,
    session: Rc<Session>,
    file: Arc<File>,
    at: u64,
    length: u64,
    /// What was read with the file's opening.
    first: Bytes,
    reading: Option<Reading>,
}

type Reading = Pin<Box<dyn Future<Output = Option<Bytes>>>>;

impl FileBody {
    pub(super) fn new(
        core: &Rc<Core>,
        session: &Rc<Session>,
        file: Arc<File>,
        length: u64,
        first: Bytes,
    ) -> Self {
        Self { core: core.clone(), session: session.clone(), file, at: 0, length, first, reading: None }
    }

    fn left(&self) -> u64 {
        self.length - self.at
    }

    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if !self.first.is_empty() {
            return Poll::Ready(Some(std::mem::take(&mut self.first)));
        }
        let (file, at, wanted) = (&self.file, self.at, chunk(self.left()));
        let reading = self.reading.get_or_insert_with(|| Box::pin(read(file.clone(), at, wanted)));
        let piece = ready!(reading.as_mut().poll(cx));
        self.reading = None;
        Poll::Ready(piece)
    }
}

/// `None`: it ends before it should, or cannot be read.
async fn read(file: Arc<File>, at: u64, wanted: usize) -> Option<Bytes> {
    let reading = tokio::task::spawn_blocking(move || {
        let mut bytes = vec![0; wanted];
        let count = file.read_at(&mut bytes, at)?;
        bytes.truncate(count);
        std::io::Result::Ok(bytes)
    });
    match tokio::time::timeout(READ, reading).await {
        Ok(Ok(Ok(bytes))) => Some(Bytes::from(bytes)).filter(|bytes| !bytes.is_empty()),
        Ok(Ok(Err(error))) => {
            log::line(format_args!("error: an asset of another version could not be read on: {error}"));
            None
        }
        _ => None,
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if self.left() == 0 {
            return Poll::Ready(None);
        }
        let Some(piece) = ready!(self.poll_piece(cx)) else {
            return Poll::Ready(Some(Err(Broken::File)));
        };
        self.at += piece.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left())
    }
}

impl Drop for FileBody {
    fn drop(&mut self) {
        self.session.rest(self.core.now());
    }
}
