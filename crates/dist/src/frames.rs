//! Frames on a stream: a length of four bytes and as many bytes. An empty one is a tick.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, BufReader};
use tokio::time::{Instant, timeout};

/// What is reserved at once: so a length that is a lie costs little.
const STEP: usize = 64 << 10;

/// How long it is waited before it is asked again how long the peer may be silent: it may have become less.
const LOOK: Duration = Duration::from_secs(5);

/// Why there is no next frame.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("it closed the connection")]
    Closed,
    #[error("the connection broke")]
    Io(#[source] io::Error),
    #[error("nothing came for {0:?}, not even a tick")]
    Silence(Duration),
    #[error("a frame of {length} bytes came; {most} are the most")]
    TooLong { length: usize, most: usize },
}

/// Reads frames.
pub(crate) struct Frames<R> {
    input: BufReader<R>,
    most_bytes: usize,
}

impl<R: AsyncRead + Unpin> Frames<R> {
    pub(crate) fn new(input: R, most_bytes: usize) -> Self {
        Self { input: BufReader::with_capacity(STEP, input), most_bytes }
    }

    /// The next frame, in memory of its own. The connection must not be silent for longer than `silence()` says.
    pub(crate) async fn next(&mut self, silence: impl Fn() -> Duration) -> Result<Bytes, ReadError> {
        let mut length = BytesMut::with_capacity(4);
        self.fill(&mut length, 4, &silence).await?;
        let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize;
        if length > self.most_bytes {
            return Err(ReadError::TooLong { length, most: self.most_bytes });
        }
        let mut frame = BytesMut::with_capacity(length.min(STEP));
        self.fill(&mut frame, length, &silence).await?;
        Ok(frame.freeze())
    }

    /// Reads until there are so many bytes, reserving as they come.
    async fn fill(
        &mut self,
        bytes: &mut BytesMut,
        wanted: usize,
        silence: &impl Fn() -> Duration,
    ) -> Result<(), ReadError> {
        let mut heard = Instant::now();
        while bytes.len() < wanted {
            let missing = (wanted - bytes.len()).min(STEP);
            bytes.reserve(missing);
            let mut some = (&mut self.input).take(missing as u64);
            match timeout(silence().min(LOOK), some.read_buf(bytes)).await {
                Ok(Ok(0)) => return Err(ReadError::Closed),
                Ok(Ok(_)) => heard = Instant::now(),
                Ok(Err(source)) => return Err(ReadError::Io(source)),
                Err(_) if heard.elapsed() >= silence() => return Err(ReadError::Silence(silence())),
                Err(_) => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENCE: Duration = Duration::from_secs(30);

    async fn read_all(bytes: &[u8], most_bytes: usize) -> (Vec<Bytes>, ReadError) {
        let mut frames = Frames::new(bytes, most_bytes);
        let mut read = Vec::new();
        loop {
            match frames.next(|| SILENCE).await {
                Ok(frame) => read.push(frame),
                Err(error) => return (read, error),
            }
        }
    }

    #[tokio::test]
    async fn frames_and_ticks_are_read() {
        let long = vec![7; 200_000];
        let bytes = [&[0, 0, 0, 2, 1, 2, 0, 0, 0, 0][..], &200_000_u32.to_be_bytes(), &long].concat();
        let (read, end) = read_all(&bytes, 1 << 20).await;
        assert_eq!(read, [&[1, 2][..], &[], &long]);
        assert!(matches!(end, ReadError::Closed));
    }

    #[tokio::test]
    async fn a_giant_length_is_refused_before_anything_is_reserved() {
        let (_, end) = read_all(&[0xff, 0xff, 0xff, 0xff, 1], 1 << 20).await;
        assert!(matches!(end, ReadError::TooLong { length: 0xffff_ffff, most } if most == 1 << 20));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_ends_it_within_a_frame_too() {
        let (mut peer, ours) = tokio::io::duplex(64);
        tokio::io::AsyncWriteExt::write_all(&mut peer, &[0, 0, 0, 9, 1]).await.unwrap();
        let end = Frames::new(ours, 100).next(|| SILENCE).await.unwrap_err();
        assert!(matches!(end, ReadError::Silence(SILENCE)), "{end}");
    }
}
