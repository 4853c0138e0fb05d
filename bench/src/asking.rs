//! Requests from threads of their own while something else happens: each answer is compared, each failure counted.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// An answer comes within this time, or its request is lost; the proxy holds requests for less.
const WITHIN: Duration = Duration::from_secs(60);

const REQUEST: &[u8] = b"GET /health HTTP/1.1\r\nhost: bench\r\n\r\n";
const LAST_REQUEST: &[u8] = b"GET /health HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n";

/// What became of requests.
#[derive(Debug, Clone, Copy, Default)]
pub struct Asked {
    /// Requests sent; one that is sent again counts once.
    pub requests: u64,
    /// Those that got no answer, or not the one that was expected.
    pub lost: u64,
    /// Sent again over a new connection, because the kept one was closed before any byte of an answer (RFC 9112 9.3.1).
    pub again: u64,
}

impl std::iter::Sum for Asked {
    fn sum<I: Iterator<Item = Asked>>(all: I) -> Asked {
        all.fold(Asked::default(), |sum, one| Asked {
            requests: sum.requests + one.requests,
            lost: sum.lost + one.lost,
            again: sum.again + one.again,
        })
    }
}

/// Threads that ask until they are told to stop.
#[derive(Debug, Default)]
pub struct Asking {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Asked>>,
}

impl Asking {
    /// One more, which asks at fixed moments, each time over a connection of its own.
    pub fn poll(&mut self, address: SocketAddr, every: Duration) {
        self.spawn(move |stop| poll(address, every, stop));
    }

    /// One more, which asks without a pause over a connection that it keeps.
    pub fn keep(&mut self, address: SocketAddr) {
        self.spawn(move |stop| keep(address, stop));
    }

    fn spawn(&mut self, ask: impl FnOnce(&AtomicBool) -> Asked + Send + 'static) {
        let stop = self.stop.clone();
        self.threads.push(thread::spawn(move || ask(&stop)));
    }

    /// Ends them all; what became of their requests.
    ///
    /// # Panics
    /// When one of them panicked.
    pub fn end(self) -> Asked {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().map(|thread| thread.join().expect("it does not panic")).sum()
    }
}

fn poll(address: SocketAddr, every: Duration, stop: &AtomicBool) -> Asked {
    let (mut asked, began) = (Asked::default(), Instant::now());
    for round in 0_u32.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        // an answer that takes longer delays the next poll, and does not spare it
        thread::sleep((began + every * round).saturating_duration_since(Instant::now()));
        asked.requests += 1;
        let answer = connect(address).and_then(|mut stream| exchange(&mut stream, LAST_REQUEST));
        asked.enter(answer);
    }
    asked
}

fn keep(address: SocketAddr, stop: &AtomicBool) -> Asked {
    let (mut asked, mut kept) = (Asked::default(), None);
    while !stop.load(Ordering::Relaxed) {
        asked.requests += 1;
        let mut answer = match kept.as_mut() {
            Some(stream) => exchange(stream, REQUEST),
            None => Err(Failure::Closed),
        };
        if matches!(answer, Err(Failure::Closed)) {
            asked.again += u64::from(kept.is_some());
            answer = connect(address).and_then(|stream| exchange(kept.insert(stream), REQUEST));
        }
        if !matches!(answer, Ok(Answer { keeps: true, .. })) {
            kept = None;
        }
        asked.enter(answer);
    }
    asked
}

impl Asked {
    fn enter(&mut self, answer: Result<Answer, Failure>) {
        let why = match answer {
            Ok(Answer { is_right: true, .. }) => return,
            Ok(_) => "another answer".to_owned(),
            Err(Failure::Closed) => "a new connection was closed without an answer".to_owned(),
            Err(Failure::Io(error)) => error.to_string(),
        };
        self.lost += 1;
        eprintln!("lost: {why}");
    }
}

struct Answer {
    is_right: bool,
    /// Whether the connection may be used again.
    keeps: bool,
}

enum Failure {
    /// Ended before any byte of an answer.
    Closed,
    Io(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Io(error)
    }
}

fn connect(address: SocketAddr) -> Result<TcpStream, Failure> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(WITHIN))?;
    Ok(stream)
}

/// A request, and its answer read to the last byte.
fn exchange(stream: &mut TcpStream, request: &[u8]) -> Result<Answer, Failure> {
    // what the other side has closed takes the request, or says so: both look the same when the answer is read
    let _ = stream.write_all(request);
    let mut bytes = Vec::with_capacity(1024);
    loop {
        if let Some(answer) = whole(&bytes) {
            return Ok(answer);
        }
        let mut chunk = [0; 1024];
        match stream.read(&mut chunk) {
            Ok(0) if bytes.is_empty() => return Err(Failure::Closed),
            Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
            Err(error) => return Err(error.into()),
        }
    }
}

/// An answer that is there to the last byte of its body; `None` while more is to come.
fn whole(bytes: &[u8]) -> Option<Answer> {
    let text = str::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let head = head.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())?;
    let is_right = head.starts_with("http/1.1 200 ") && body == "ready\n";
    (body.len() >= length).then(|| Answer { is_right, keeps: !head.contains("\r\nconnection: close") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_with_its_last_byte() {
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nready\n";
        for end in 0..answer.len() {
            assert!(whole(&answer.as_bytes()[..end]).is_none(), "{end}");
        }
        assert!(whole(answer.as_bytes()).is_some_and(|it| it.is_right && it.keeps));
        let closing = answer.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
        assert!(whole(closing.as_bytes()).is_some_and(|it| it.is_right && !it.keeps));
        let other = answer.replace("200 OK", "503 Service Unavailable");
        assert!(whole(other.as_bytes()).is_some_and(|it| !it.is_right));
    }
}
