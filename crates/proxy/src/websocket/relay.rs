//! An upgraded connection from its 101 to its end.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::close::going_away;
use super::frame::Frames;
use super::lane::{Lane, Mode};
use super::upgrade::Protocol;
use crate::stream_end::Draining;

/// How long the peers have to answer our Close frames.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long they have where the drain's deadline is near.
const ANSWER_AT_LEAST: Duration = Duration::from_millis(500);
/// How long each peer has to end its TCP stream after ours has ended, so that nothing is reset.
const END_WITHIN: Duration = Duration::from_secs(1);
/// How long where the drain's deadline is near: together with [`ANSWER_AT_LEAST`] no more than 1 s beyond it.
const END_AT_LEAST: Duration = Duration::from_millis(500);
/// Most bytes that are read and thrown away for that.
const END_BYTES: usize = 1024 * 1024;
/// How long the last Close frames may take at the deadline.
const CUT_WITHIN: Duration = Duration::from_millis(250);

/// How an upgraded connection ended.
#[derive(Debug)]
pub enum End {
    /// The peers closed it.
    Peers,
    /// A peer's connection failed.
    Failed(io::Error),
    /// It was told to go (1001) between two messages, because the instance drains.
    GoneAway,
    /// It was cut at the drain's deadline.
    Cut,
}

/// What was relayed.
#[derive(Debug)]
pub struct Relayed {
    /// How it ended.
    pub end: End,
    /// Bytes from the client.
    pub bytes_in: u64,
    /// Bytes from the instance.
    pub bytes_out: u64,
}

/// Relays both ways until both sides have ended, or the instance has drained: `draining` says when that begins.
///
/// A WebSocket is then closed at the moment that `share` (0 to 1) gives in the first half of the drain, as soon as
/// no message is under way in either direction; from the first such moment of a direction on no new message is
/// begun in it. A closing handshake that a peer began is left alone. What has not ended at the drain's end is cut.
pub async fn relay<C, I>(
    client: C,
    instance: I,
    protocol: Protocol,
    draining: impl Future<Output = Draining>,
    share: f64,
) -> Relayed
where
    C: AsyncRead + AsyncWrite + Unpin,
    I: AsyncRead + AsyncWrite + Unpin,
{
    let is_websocket = protocol == Protocol::WebSocket;
    let lane = || Lane::new(is_websocket.then(Frames::default));
    let mut relay = Relay { client, instance, is_websocket, up: lane(), down: lane() };
    let end = relay.run(draining, share).await.unwrap_or_else(End::Failed);
    Relayed { end, bytes_in: relay.up.bytes(), bytes_out: relay.down.bytes() }
}

struct Relay<C, I> {
    client: C,
    instance: I,
    is_websocket: bool,
    /// From the client to the instance.
    up: Lane,
    /// From the instance to the client.
    down: Lane,
}

impl<C, I> Relay<C, I>
where
    C: AsyncRead + AsyncWrite + Unpin,
    I: AsyncRead + AsyncWrite + Unpin,
{
    async fn run(&mut self, draining: impl Future<Output = Draining>, share: f64) -> io::Result<End> {
        let Some(draining) = self.relay_until(draining).await? else { return Ok(End::Peers) };
        let deadline = draining.deadline();
        match timeout_at(deadline, self.finish(draining.moment(share))).await {
            Ok(Ok(Finish::Ended)) => Ok(End::Peers),
            Ok(Ok(Finish::AtRest)) => {
                self.close(deadline).await;
                Ok(End::GoneAway)
            }
            Ok(Err(failed)) => Err(failed),
            Err(_elapsed) => {
                self.cut().await;
                Ok(End::Cut)
            }
        }
    }

    /// Relays until the peers have ended or no message is under way after the moment.
    async fn finish(&mut self, moment: Instant) -> io::Result<Finish> {
        if self.relay_until(sleep_until(moment)).await?.is_none() {
            return Ok(Finish::Ended);
        }
        if poll_fn(|cx| self.poll_at_rest(cx)).await? {
            return Ok(Finish::AtRest);
        }
        self.relay_to_end().await?;
        Ok(Finish::Ended)
    }

    /// Relays until the peers have ended (`None`) or the future has.
    async fn relay_until<F: Future>(&mut self, until: F) -> io::Result<Option<F::Output>> {
        let relaying = pin!(self.relay_to_end());
        tokio::select! {
            biased;
            ended = relaying => ended.map(|()| None),
            output = until => Ok(Some(output)),
        }
    }

    /// Relays until both peers have ended. A WebSocket is over with the first of them: its peer only has a moment
    /// left for what is on its way.
    async fn relay_to_end(&mut self) -> io::Result<()> {
        let wait_for_both = !self.is_websocket;
        poll_fn(|cx| self.poll_ended(cx, wait_for_both)).await?;
        timeout(ANSWER_WITHIN, poll_fn(|cx| self.poll_ended(cx, true))).await.unwrap_or(Ok(()))
    }

    fn poll_ended(&mut self, cx: &mut Context<'_>, both: bool) -> Poll<io::Result<()>> {
        let (up, down) = self.poll_lanes(cx, Mode::Relay)?;
        if (up && down) || (!both && (up || down)) { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// Whether each lane is done.
    fn poll_lanes(&mut self, cx: &mut Context<'_>, mode: Mode) -> io::Result<(bool, bool)> {
        let up = self.up.poll(cx, &mut self.client, &mut self.instance, mode)?.is_ready();
        let down = self.down.poll(cx, &mut self.instance, &mut self.client, mode)?.is_ready();
        Ok((up, down))
    }

    /// Until no message is under way (true), or a peer begins to close by itself (false).
    fn poll_at_rest(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        self.poll_lanes(cx, Mode::Finish)?;
        if self.up.is_closing() || self.down.is_closing() {
            Poll::Ready(Ok(false))
        } else if self.up.at_rest() && self.down.at_rest() {
            Poll::Ready(Ok(true))
        } else {
            Poll::Pending
        }
    }

    /// The closing handshake with both sides, then the end of both TCP connections. Nothing is lost any more when
    /// a side fails in it.
    async fn close(&mut self, deadline: Instant) {
        self.down.inject(&going_away(None));
        self.up.inject(&going_away(Some(mask())));
        let answered = poll_fn(|cx| match self.poll_lanes(cx, Mode::Discard) {
            Err(_gone) => Poll::Ready(()),
            Ok(_) if self.up.is_written() && self.down.is_written() => {
                if self.up.has_answered() && self.down.has_answered() {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            }
            Ok(_) => Poll::Pending,
        });
        let now = Instant::now();
        let within = deadline.max(now + ANSWER_AT_LEAST).min(now + ANSWER_WITHIN);
        // who does not answer in time is closed without an answer
        let _ = timeout_at(within, answered).await;
        let now = Instant::now();
        self.end((now + END_WITHIN).min(deadline.max(now) + END_AT_LEAST)).await;
    }

    /// The last moment: who can still be told is told; nothing waits for an answer.
    async fn cut(&mut self) {
        let tell_client = self.down.may_inject();
        let tell_instance = self.up.may_inject();
        let Self { client, instance, .. } = self;
        let _ = timeout(CUT_WITHIN, async {
            tokio::join!(
                tell_last(client, tell_client.then(|| going_away(None))),
                tell_last(instance, tell_instance.then(|| going_away(Some(mask())))),
            )
        })
        .await;
    }

    async fn end(&mut self, until: Instant) {
        tokio::join!(end_stream(&mut self.client, until), end_stream(&mut self.instance, until));
    }
}

/// How a WebSocket's last part went.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Finish {
    /// No message is under way.
    AtRest,
    /// The peers have ended it.
    Ended,
}

async fn tell_last<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, frame: Option<Vec<u8>>) {
    if let Some(frame) = frame
        && stream.write_all(&frame).await.is_ok()
    {
        end_stream(stream, Instant::now() + CUT_WITHIN).await;
    }
}

/// Ends our half, then reads the other's to its end: closing a socket with unread bytes would reset it, and the
/// peer might lose the Close frame.
async fn end_stream<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, until: Instant) {
    let _ = timeout_at(until, async {
        if stream.shutdown().await.is_ok() {
            let mut rest = stream.take(END_BYTES as u64);
            let _ = tokio::io::copy(&mut rest, &mut tokio::io::sink()).await;
        }
    })
    .await;
}

/// A masking key. Predictable ones are dangerous only where the payload can be chosen (RFC 6455, 10.3); ours is
/// always the same, so that without randomness a fixed key will do.
fn mask() -> [u8; 4] {
    let mut key = [0x5a; 4];
    let _ = getrandom::fill(&mut key);
    key
}

#[cfg(test)]
mod tests;
