//! A server that does what a test tells it to, on each connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The server; it ends with this value.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

/// A connection that was accepted.
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    /// Counted from 0.
    pub(crate) number: usize,
    rest: Vec<u8>,
}

impl Server {
    /// Serves each connection in a task of its own.
    pub(crate) async fn start<F, R>(serve: F) -> Server
    where
        F: Fn(Peer) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = connections.clone();
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let number = counted.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(Peer { stream, number, rest: Vec::new() }));
            }
        });
        Server { address, connections, task }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Peer {
    /// The path and query of the next request; none when the client has gone. Its body is left unread.
    pub(crate) async fn request(&mut self) -> Option<String> {
        let head = self.read_until(b"\r\n\r\n").await?;
        let text = String::from_utf8(head).unwrap();
        Some(text.split(' ').nth(1).unwrap().to_owned())
    }

    /// The chunks of a request's body, joined.
    pub(crate) async fn chunked_body(&mut self) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = String::from_utf8(self.read_until(b"\r\n").await?).unwrap();
            let length = usize::from_str_radix(line.trim(), 16).unwrap();
            while self.rest.len() < length + 2 {
                self.read_more().await?;
            }
            body.extend(self.rest.drain(..length));
            self.rest.drain(..2);
            if length == 0 {
                return Some(body);
            }
        }
    }

    /// Sends; a client that has gone is none of a test's business.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// A whole answer with a length.
    pub(crate) async fn answer(&mut self, status: &str, headers: &str, body: &str) {
        let length = body.len();
        self.send(format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}")).await;
    }

    /// Ends the connection with a reset.
    pub(crate) fn reset(self) {
        set_socket_linger(&self.stream, Some(Duration::ZERO)).unwrap();
    }

    /// Reads until the client has gone.
    pub(crate) async fn wait_until_gone(mut self) {
        while self.read_more().await.is_some() {
            self.rest.clear();
        }
    }

    async fn read_until(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.rest.windows(end.len()).position(|window| window == end) {
                return Some(self.rest.drain(..at + end.len()).collect());
            }
            self.read_more().await?;
        }
    }

    async fn read_more(&mut self) -> Option<()> {
        match self.stream.read_buf(&mut self.rest).await {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(()),
        }
    }
}
