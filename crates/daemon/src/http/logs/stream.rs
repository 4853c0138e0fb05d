//! Sending lines as they are found.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use super::{Merger, Selection, Start};

/// A body's pieces wait here; a slow client slows the reading.
const QUEUE: usize = 4;

/// About so many bytes are sent at once.
const PIECE: usize = 64 * 1024;

/// Between two looks at files that are followed.
const LOOK: Duration = Duration::from_millis(200);

/// Between two looks for instances that have come since.
const LOOK_FOR_FILES: u32 = 5;

/// A body with the lines of a selection.
pub(super) fn body(selection: Selection, start: Start, follow: bool, stop: CancellationToken) -> Body {
    let (pieces, receiver) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = pieces.closed() => {}
            () = send(selection, start, follow, pieces.clone()) => {}
        }
    });
    Body::from_stream(ReceiverStream::new(receiver))
}

async fn send(
    selection: Selection,
    start: Start,
    follow: bool,
    pieces: mpsc::Sender<Result<Bytes, Infallible>>,
) {
    let mut work = Work { selection, merger: Merger::default(), start };
    let mut looks = 0;
    loop {
        let look_for_files = looks % LOOK_FOR_FILES == 0;
        looks += 1;
        if look_for_files {
            work = beside(work, Work::look_for_files).await.0;
        }
        loop {
            let (back, piece) = beside(work, move |work| work.piece(!follow)).await;
            work = back;
            if piece.is_empty() {
                break;
            }
            if pieces.send(Ok(Bytes::from(piece))).await.is_err() {
                return;
            }
        }
        if !follow {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// What is done beside the runtime, for it reads files.
struct Work {
    selection: Selection,
    merger: Merger,
    start: Start,
}

impl Work {
    fn look_for_files(&mut self) {
        let files = self.selection.files();
        self.merger.read(files, self.start);
        // What comes from now on is new from its first line.
        self.start = Start::default();
    }

    /// The next lines; empty when there are none at present. With `finish`, last lines without a newline too.
    fn piece(&mut self, finish: bool) -> Vec<u8> {
        let mut piece = Vec::new();
        while piece.len() < PIECE {
            let Some(line) = self.merger.next() else {
                if finish {
                    self.merger.finish().iter().for_each(|line| write(&mut piece, line));
                }
                break;
            };
            write(&mut piece, &line);
        }
        piece
    }
}

fn write(piece: &mut Vec<u8>, line: &::api::log::Line) {
    serde_json::to_writer(&mut *piece, line).expect("a line is text, and memory takes it");
    piece.push(b'\n');
}

async fn beside<T: Send + 'static>(
    mut work: Work,
    job: impl FnOnce(&mut Work) -> T + Send + 'static,
) -> (Work, T) {
    let done = tokio::task::spawn_blocking(move || {
        let done = job(&mut work);
        (work, done)
    });
    done.await.expect("reading a log does not panic")
}
