//! What waits to be written on a connection.
//!
//! The queue itself has no bound: room must be taken before anything is put into it, counted in bytes. Requests wait
//! for room. Answers that the protocol owes the peer cannot wait, as it is the reader that gives them: when there is no
//! room for one, the peer asks without reading, and the connection ends. Farewells take no room: a process of ours has
//! as many as it has ties when it ends, which bounds them.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Bytes that wait at most, and so the longest frame too: some modules' code, no files.
const ROOM_BYTES: u32 = 32 << 20;
/// What a frame takes besides its bytes, so that empty ones are not free.
const FRAME_BYTES: u32 = 64;
/// Bytes of answers that wait at most. Each has some hundred bytes (two or three identifiers and a reason), and never
/// more than some thousand, as [`Signal`](crate::control::Signal) holds nothing long.
const ROOM_ANSWER_BYTES: u32 = 1 << 20;

/// Where frames are put.
#[derive(Debug)]
pub(crate) struct Outbox {
    queue: mpsc::UnboundedSender<Outgoing>,
    bytes: Arc<Semaphore>,
    answers: Arc<Semaphore>,
}

/// A frame, and the room that it takes until it is written.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) frame: Vec<u8>,
    _room: Option<OwnedSemaphorePermit>,
}

/// The frames in their order.
pub(crate) type Waiting = mpsc::UnboundedReceiver<Outgoing>;

/// Why a frame was not put there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The connection has ended.
    Ended,
    /// The frame is too long ever.
    TooLong(usize),
    /// There is no room for an answer.
    NoRoom,
}

impl Outbox {
    pub(crate) fn new() -> (Self, Waiting) {
        let (queue, waiting) = mpsc::unbounded_channel();
        let bytes = Arc::new(Semaphore::new(ROOM_BYTES as usize));
        (Self { queue, bytes, answers: Arc::new(Semaphore::new(ROOM_ANSWER_BYTES as usize)) }, waiting)
    }

    /// Puts a frame there when there is room.
    pub(crate) async fn put(&self, frame: Vec<u8>) -> Result<(), Refused> {
        let Some(length) = room_for(&frame).filter(|length| *length <= ROOM_BYTES) else {
            return Err(Refused::TooLong(frame.len()));
        };
        let room = Arc::clone(&self.bytes).acquire_many_owned(length).await.map_err(|_| Refused::Ended)?;
        self.queue.send(Outgoing { frame, _room: Some(room) }).map_err(|_| Refused::Ended)
    }

    /// Puts an answer there at once.
    pub(crate) fn answer(&self, frame: Vec<u8>) -> Result<(), Refused> {
        if self.answers.is_closed() {
            return Err(Refused::Ended);
        }
        let Some(length) = room_for(&frame) else { return Err(Refused::NoRoom) };
        let room = Arc::clone(&self.answers).try_acquire_many_owned(length).map_err(|_| Refused::NoRoom)?;
        self.queue.send(Outgoing { frame, _room: Some(room) }).map_err(|_| Refused::Ended)
    }

    /// Puts the farewell of a process of ours there at once.
    pub(crate) fn farewell(&self, frame: Vec<u8>) {
        if !self.answers.is_closed() {
            // when the connection has ended, the peer knows of our process's end by that
            let _ = self.queue.send(Outgoing { frame, _room: None });
        }
    }

    /// Nothing more is taken; who waits for room is told.
    pub(crate) fn close(&self) {
        self.bytes.close();
        self.answers.close();
    }
}

/// What a frame takes; none when no number says it.
fn room_for(frame: &[u8]) -> Option<u32> {
    u32::try_from(frame.len()).ok()?.checked_add(FRAME_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn requests_wait_for_room_and_answers_do_not() {
        let (outbox, mut waiting) = Outbox::new();
        let half = vec![0; (ROOM_BYTES / 2 - FRAME_BYTES) as usize];
        outbox.put(half.clone()).await.unwrap();
        outbox.put(half.clone()).await.unwrap();
        let mut third = std::pin::pin!(outbox.put(half));
        assert!(poll_once(&mut third).await.is_none(), "there is no room");
        waiting.recv().await.unwrap();
        assert_eq!(third.await, Ok(()));
        for _ in 0..4 {
            outbox.answer(vec![0; (ROOM_ANSWER_BYTES / 4 - FRAME_BYTES) as usize]).unwrap();
        }
        assert_eq!(outbox.answer(Vec::new()), Err(Refused::NoRoom), "an empty one takes room too");
        outbox.farewell(Vec::new());
        assert_eq!(
            outbox.put(vec![0; ROOM_BYTES as usize]).await,
            Err(Refused::TooLong(ROOM_BYTES as usize))
        );
        outbox.close();
        assert_eq!(outbox.put(vec![0]).await, Err(Refused::Ended));
        assert_eq!(outbox.answer(vec![0]), Err(Refused::Ended));
    }

    /// Polls once.
    async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        tokio::select! {
            biased;
            output = future => Some(output),
            () = std::future::ready(()) => None,
        }
    }
}
