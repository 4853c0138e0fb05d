//! Scripted instances: a thread per connection that reads requests and does what the test says.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::client::Client;
use crate::gate::Gate;
use crate::rig::DEADLINE;

/// An instance, until it is dropped.
pub(crate) struct Instance {
    pub(crate) address: SocketAddr,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    requests: Mutex<Vec<Request>>,
    closed: Mutex<bool>,
}

/// A request as it came, line by line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn path(&self) -> &str {
        self.line.split(' ').nth(1).unwrap()
    }
}

/// What a connection is good for after a request.
pub(crate) enum Then {
    Next,
    Close,
}

/// The instance's end of a connection.
pub(crate) struct Served {
    pub(crate) client: Client,
    /// Requests on this connection so far.
    pub(crate) number: usize,
}

impl Served {
    pub(crate) fn send(&mut self, text: &str) {
        // the proxy may have gone, and the test says what that means
        let _ = self.client.stream.write_all(text.as_bytes());
    }

    /// Answers with 200 and a body.
    pub(crate) fn answer(&mut self, body: &str) -> Then {
        self.send(&format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()));
        Then::Next
    }
}

impl Instance {
    /// Answers each request's head by the script, which reads the body itself if it wants it.
    pub(crate) fn raw(script: impl Fn(&mut Served, Request) -> Then + Send + Sync + 'static) -> Self {
        Self::listening(TcpListener::bind("127.0.0.1:0").unwrap(), script)
    }

    pub(crate) fn at(
        address: SocketAddr,
        script: impl Fn(&mut Served, Request) -> Then + Send + Sync + 'static,
    ) -> Self {
        Self::listening(TcpListener::bind(address).unwrap(), script)
    }

    fn listening(
        listener: TcpListener,
        script: impl Fn(&mut Served, Request) -> Then + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let script = Arc::new(script);
        thread::spawn({
            let seen = seen.clone();
            move || {
                for stream in listener.incoming() {
                    if *seen.closed.lock().unwrap() {
                        return;
                    }
                    let (seen, script) = (seen.clone(), script.clone());
                    thread::spawn(move || serve(stream.unwrap(), &seen, &*script));
                }
            }
        });
        Self { address, seen }
    }

    /// Reads each request whole, and answers with 200 and its name.
    pub(crate) fn named(name: &'static str) -> Self {
        Self::raw(move |served, request| {
            let _ = served.read_body(&request);
            served.answer(name)
        })
    }

    /// Answers with 200 and a body, each request when the gate is open.
    pub(crate) fn behind(gate: &Gate, body: &'static str) -> Self {
        let gate = gate.clone();
        Self::raw(move |served, _| {
            gate.pass();
            served.answer(body)
        })
    }

    pub(crate) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// Requests that came, in order of their heads; bodies only where the script has put them there.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.seen.requests.lock().unwrap().clone()
    }

    /// Listens no longer; open connections go on.
    pub(crate) fn close(&self) {
        *self.seen.closed.lock().unwrap() = true;
        // so that the thread looks; it drops its listener
        let _ = TcpStream::connect(self.address);
        crate::rig::eventually("the instance listens no longer", || {
            TcpStream::connect(self.address).is_err()
        });
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        *self.seen.closed.lock().unwrap() = true;
        let _ = TcpStream::connect(self.address);
    }
}

impl Served {
    pub(crate) fn read_body(&mut self, request: &Request) -> Vec<u8> {
        if request.header("transfer-encoding") == Some("chunked") {
            let mut body = Vec::new();
            while let Some(chunk) = self.client.chunk() {
                body.extend(chunk);
            }
            while self.client.line().is_some_and(|line| !line.is_empty()) {}
            return body;
        }
        let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
        self.client.take(length)
    }
}

fn serve(stream: TcpStream, seen: &Seen, script: &(dyn Fn(&mut Served, Request) -> Then + Send + Sync)) {
    seen.connections.fetch_add(1, Ordering::SeqCst);
    stream.set_read_timeout(Some(DEADLINE * 3)).unwrap();
    let mut served = Served { client: Client::over(stream), number: 0 };
    while let Some(line) = served.client.line() {
        let headers = served.client.headers();
        let request = Request { line, headers };
        served.number += 1;
        seen.requests.lock().unwrap().push(request.clone());
        if let Then::Close = script(&mut served, request) {
            return;
        }
    }
}
