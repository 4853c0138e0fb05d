//! The load side: a closed loop, so many connections, on each one request after another. It is as lean as we could
//! make it, so that the processors' time goes to what is measured: one thread per processor, kept there; the request is
//! a constant; of an answer the head is parsed and every byte is counted and compared.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime;

use crate::cores;
use crate::upstream::BODY;

const REQUEST: &[u8] =
    b"GET /page?n=1 HTTP/1.1\r\nhost: bench.example\r\nuser-agent: bench\r\naccept: application/json\r\n\r\n";
const MOST_HEADERS: usize = 32;

/// What was measured.
#[derive(Debug)]
pub(crate) struct Measured {
    /// Answers.
    pub(crate) answers: u64,
    /// How long they took, in µs.
    pub(crate) latency: Histogram<u64>,
}

/// One round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    pub(crate) target: SocketAddr,
    pub(crate) connections: usize,
    /// From when on answers count.
    pub(crate) from: Instant,
    pub(crate) lasts: Duration,
}

impl Round {
    /// Sends requests until the round is over.
    pub(crate) fn run(self) -> Result<Measured> {
        let threads: Vec<_> = (0..cores::count())
            .map(|core| {
                thread::spawn(move || {
                    cores::pin(core);
                    self.run_on_this_thread(core)
                })
            })
            .collect();
        let mut all = Measured::nothing()?;
        for thread in threads {
            let each = thread.join().map_err(|_| anyhow::anyhow!("a client's thread panicked"))??;
            all.add(&each)?;
        }
        Ok(all)
    }

    fn run_on_this_thread(self, core: usize) -> Result<Measured> {
        let share = (self.connections + cores::count() - 1 - core) / cores::count();
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let tasks: Vec<_> = (0..share).map(|_| tokio::spawn(self.one_connection())).collect();
            let mut all = Measured::nothing()?;
            for task in tasks {
                all.add(&task.await??)?;
            }
            Ok(all)
        })
    }

    async fn one_connection(self) -> Result<Measured> {
        let mut measured = Measured::nothing()?;
        let mut stream = TcpStream::connect(self.target).await.context("could not connect")?;
        stream.set_nodelay(true)?;
        let mut buffer = Vec::with_capacity(4096);
        let until = self.from + self.lasts;
        loop {
            let began = Instant::now();
            if began >= until {
                return Ok(measured);
            }
            stream.write_all(REQUEST).await.context("could not send")?;
            read_answer(&mut stream, &mut buffer).await?;
            if began >= self.from {
                let took = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
                measured.answers += 1;
                measured.latency.saturating_record(took);
            }
        }
    }
}

impl Measured {
    fn nothing() -> Result<Measured> {
        Ok(Measured { answers: 0, latency: Histogram::new_with_max(60_000_000, 3)? })
    }

    fn add(&mut self, other: &Measured) -> Result<()> {
        self.answers += other.answers;
        self.latency.add(&other.latency)?;
        Ok(())
    }
}

/// Reads one answer, which must be the right one.
async fn read_answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<()> {
    buffer.clear();
    loop {
        let read = stream.read_buf(buffer).await.context("could not read")?;
        ensure!(read > 0, "the connection was closed after {} bytes of an answer", buffer.len());
        if let Some(length) = length_of_answer(buffer)? {
            ensure!(buffer.len() <= length, "more came than one answer");
            if buffer.len() == length {
                ensure!(buffer.ends_with(BODY.as_bytes()), "the body is another one");
                return Ok(());
            }
        }
    }
}

/// Head and body together, once the head is there.
fn length_of_answer(bytes: &[u8]) -> Result<Option<usize>> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(bytes)? else { return Ok(None) };
    if response.code != Some(200) {
        bail!("status {:?}", response.code);
    }
    let length = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = length.context("an answer without a length")?.value;
    let length: usize = std::str::from_utf8(length)?.parse()?;
    Ok(Some(head + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_an_answer_is_known_once_its_head_is_there() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        let head = answer.len() - 5;
        assert_eq!(length_of_answer(&answer[..head - 1]).unwrap(), None);
        for end in head..=answer.len() {
            assert_eq!(length_of_answer(&answer[..end]).unwrap(), Some(answer.len()));
        }
    }

    #[test]
    fn an_error_and_an_answer_without_length_are_refused() {
        assert!(length_of_answer(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n").is_err());
        assert!(length_of_answer(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
