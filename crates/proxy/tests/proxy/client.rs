//! A client that writes bytes and reads answers, without cleverness of its own.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use crate::rig::DEADLINE;

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }

    /// Our own word for what went wrong.
    pub(crate) fn error(&self) -> &str {
        self.header("x-bellrock-error").unwrap_or("none")
    }
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream)
    }

    pub(crate) fn over(stream: TcpStream) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    pub(crate) fn send(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).unwrap();
    }

    /// A GET and its answer.
    pub(crate) fn get(&mut self, path: &str) -> Reply {
        self.ask("GET", path, "")
    }

    /// A request with more header lines, and its answer.
    pub(crate) fn ask(&mut self, method: &str, path: &str, lines: &str) -> Reply {
        self.send(&format!("{method} {path} HTTP/1.1\r\nhost: a.test\r\n{lines}\r\n"));
        self.reply_to(method)
    }

    pub(crate) fn post(&mut self, path: &str, body: &str) -> Reply {
        let length = body.len();
        self.send(&format!("POST {path} HTTP/1.1\r\nhost: a.test\r\ncontent-length: {length}\r\n\r\n{body}"));
        self.reply()
    }

    pub(crate) fn reply(&mut self) -> Reply {
        self.reply_to("GET")
    }

    /// The next answer, whole.
    #[track_caller]
    pub(crate) fn reply_to(&mut self, method: &str) -> Reply {
        let mut reply = self.head();
        let has_body = method != "HEAD" && reply.status >= 200 && ![204, 304].contains(&reply.status);
        if has_body {
            self.read_body(&mut reply);
        }
        reply
    }

    /// The next head alone.
    #[track_caller]
    pub(crate) fn head(&mut self) -> Reply {
        let line = self.line().expect("an answer");
        let status = line.split(' ').nth(1).unwrap().parse().unwrap();
        let headers = self.headers();
        Reply { status, headers, body: Vec::new(), trailers: Vec::new() }
    }

    /// Header lines up to the empty one.
    pub(crate) fn headers(&mut self) -> Vec<(String, String)> {
        let mut lines = Vec::new();
        loop {
            let line = self.line().expect("the end of the head");
            let Some((name, value)) = line.split_once(':') else { return lines };
            lines.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    fn read_body(&mut self, reply: &mut Reply) {
        if reply.header("transfer-encoding") == Some("chunked") {
            while let Some(chunk) = self.chunk() {
                reply.body.extend(chunk);
            }
            reply.trailers = self.headers();
        } else if let Some(length) = reply.header("content-length") {
            reply.body = self.take(length.parse().unwrap());
        } else {
            reply.body = self.rest();
        }
    }

    /// A chunk; `None` is the last one, whose trailers are not yet read.
    pub(crate) fn chunk(&mut self) -> Option<Vec<u8>> {
        let size = usize::from_str_radix(&self.line().expect("a chunk's size"), 16).unwrap();
        if size == 0 {
            return None;
        }
        let chunk = self.take(size);
        assert_eq!(self.take(2), b"\r\n");
        Some(chunk)
    }

    /// A line without its end; `None` at the end of the stream.
    pub(crate) fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let line = self.buffer.drain(..end + 2).collect::<Vec<u8>>();
                return Some(String::from_utf8(line[..end].to_vec()).unwrap());
            }
            if self.fill() == 0 {
                assert!(
                    self.buffer.is_empty(),
                    "an unfinished line: {:?}",
                    String::from_utf8_lossy(&self.buffer)
                );
                return None;
            }
        }
    }

    pub(crate) fn take(&mut self, length: usize) -> Vec<u8> {
        while self.buffer.len() < length {
            assert!(self.fill() > 0, "the stream ended early");
        }
        self.buffer.drain(..length).collect()
    }

    /// Everything up to the end of the stream; a reset ends it too.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.fill() > 0 {}
        std::mem::take(&mut self.buffer)
    }

    fn fill(&mut self) -> usize {
        let mut bytes = [0; 16 * 1024];
        let read = match self.stream.read(&mut bytes) {
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => 0,
            Err(error) => panic!("{error}"),
        };
        self.buffer.extend_from_slice(&bytes[..read]);
        read
    }

    /// Whether the proxy has ended the stream, and said nothing before.
    pub(crate) fn is_at_end(&mut self) -> bool {
        self.buffer.is_empty() && self.fill() == 0
    }

    pub(crate) fn end(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }
}
