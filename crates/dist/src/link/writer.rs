//! The writer: what waits, many small frames at once, and ticks when nothing does.

use std::io;

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::{Link, LinkEnd};
use crate::outbox::{Outgoing, Waiting};

/// Most frames in one write.
const MOST_FRAMES: usize = 64;
/// Frames are joined up to this length; longer ones are written by themselves.
const JOINED_BYTES: usize = 64 << 10;
const TICK: [u8; 4] = [0; 4];

pub(super) async fn write(link: &Link, mut output: impl AsyncWrite + Unpin, mut waiting: Waiting) -> LinkEnd {
    let mut batch = Vec::with_capacity(MOST_FRAMES);
    let mut joined = Vec::new();
    loop {
        let written = match timeout(link.pace.tick(), waiting.recv_many(&mut batch, MOST_FRAMES)).await {
            Err(_) => whole(link, &mut output, &TICK).await,
            // the link holds the other end
            Ok(0) => return LinkEnd::Stopped,
            Ok(_) => write_batch(link, &mut output, &mut batch, &mut joined).await,
        };
        if let Err(end) = written {
            return end;
        }
    }
}

async fn write_batch(
    link: &Link,
    output: &mut (impl AsyncWrite + Unpin),
    batch: &mut Vec<Outgoing>,
    joined: &mut Vec<u8>,
) -> Result<(), LinkEnd> {
    // the room is given back when it is written
    let batch = std::mem::take(batch);
    for outgoing in &batch {
        if joined.len() + outgoing.frame.len() > JOINED_BYTES {
            whole(link, output, joined).await?;
            joined.clear();
        }
        if outgoing.frame.len() > JOINED_BYTES {
            whole(link, output, &outgoing.frame).await?;
        } else {
            joined.extend_from_slice(&outgoing.frame);
        }
    }
    whole(link, output, joined).await?;
    joined.clear();
    Ok(())
}

/// Writes all of it, as long as the peer takes some from time to time.
async fn whole(link: &Link, output: &mut (impl AsyncWrite + Unpin), mut bytes: &[u8]) -> Result<(), LinkEnd> {
    let broken = |source: io::Error| LinkEnd::Broken(source);
    while !bytes.is_empty() {
        let silence = link.pace.silence();
        match timeout(silence, output.write(bytes)).await {
            Ok(Ok(0)) => return Err(broken(io::ErrorKind::WriteZero.into())),
            Ok(Ok(written)) => bytes = &bytes[written..],
            Ok(Err(source)) => return Err(broken(source)),
            Err(_) => return Err(LinkEnd::NotReading(silence)),
        }
    }
    let silence = link.pace.silence();
    match timeout(silence, output.flush()).await {
        Ok(flushed) => flushed.map_err(broken),
        Err(_) => Err(LinkEnd::NotReading(silence)),
    }
}
