//! A little HTTP server that answers from a script.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

/// What is answered.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    /// A status.
    Status(u16),
    /// 302 to this address.
    Redirect(String),
    /// Nothing at all.
    Silence,
    /// The connection is closed.
    HangUp,
}

/// Answers requests in order; the last answer holds from then on.
pub(super) struct Server {
    pub(super) port: u16,
    script: Arc<Mutex<Vec<Answer>>>,
    asked: Arc<Mutex<Vec<(Instant, String)>>>,
    _task: AbortOnDropHandle<()>,
}

impl Server {
    pub(super) async fn start(script: impl IntoIterator<Item = Answer>) -> Self {
        Self::on(TcpListener::bind(("127.0.0.1", 0)).await.unwrap(), script)
    }

    pub(super) fn on(listener: TcpListener, script: impl IntoIterator<Item = Answer>) -> Self {
        let mut script: Vec<Answer> = script.into_iter().collect();
        script.reverse();
        let script = Arc::new(Mutex::new(script));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(serve(listener, script.clone(), asked.clone()));
        Server { port, script, asked, _task: AbortOnDropHandle::new(task) }
    }

    /// From now on this is answered.
    pub(super) fn answer(&self, answer: Answer) {
        *self.script.lock().unwrap() = vec![answer];
    }

    /// When it was asked, and for which path.
    pub(super) fn asked(&self) -> Vec<(Instant, String)> {
        self.asked.lock().unwrap().clone()
    }
}

type Asked = Arc<Mutex<Vec<(Instant, String)>>>;

async fn serve(listener: TcpListener, script: Arc<Mutex<Vec<Answer>>>, asked: Asked) {
    let mut silent = Vec::new();
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let path = request(&mut stream).await;
        asked.lock().unwrap().push((Instant::now(), path));
        let answer = {
            let mut script = script.lock().unwrap();
            if script.len() > 1 { script.pop().unwrap() } else { script[0].clone() }
        };
        let head = match answer {
            Answer::Status(status) => format!("HTTP/1.1 {status} x"),
            Answer::Redirect(to) => format!("HTTP/1.1 302 x\r\nlocation: {to}"),
            Answer::HangUp => continue,
            Answer::Silence => {
                silent.push(stream);
                continue;
            }
        };
        let text = format!("{head}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        let _ = stream.write_all(text.as_bytes()).await;
    }
}

/// Reads a request's head and gives its path.
async fn request(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).await.unwrap_or(0) == 1 {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).split(' ').nth(1).unwrap_or_default().to_owned()
}
