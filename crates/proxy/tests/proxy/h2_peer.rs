//! Clients and instances that speak HTTP/2, frame by frame where a test wants that.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use hyper::{HeaderMap, Request, Response};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::rig::DEADLINE;

/// Runs a test's client; nothing in it may wait for longer than the deadline.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(DEADLINE, test).await.expect("within the deadline") })
}

/// A client's connection, and the task that drives it: how it ended.
pub(crate) struct H2Client {
    pub(crate) sender: SendRequest<Bytes>,
    pub(crate) end: JoinHandle<Result<(), h2::Error>>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct H2Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    pub(crate) trailers: Option<HeaderMap>,
}

impl H2Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap(), h2::client::Builder::new()).await
    }

    pub(crate) async fn over<S>(stream: S, builder: h2::client::Builder) -> Self
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = builder.handshake(stream).await.unwrap();
        Self { sender, end: tokio::spawn(connection) }
    }

    pub(crate) async fn send(
        &mut self,
        request: Request<()>,
        end: bool,
    ) -> (h2::client::ResponseFuture, SendStream<Bytes>) {
        std::future::poll_fn(|cx| self.sender.poll_ready(cx)).await.unwrap();
        self.sender.send_request(request, end).unwrap()
    }

    pub(crate) async fn get(&mut self, path: &str) -> Result<H2Reply, h2::Error> {
        let (answer, _) = self.send(request("GET", path), true).await;
        whole(answer.await?).await
    }
}

pub(crate) fn request(method: &str, path: &str) -> Request<()> {
    Request::builder().method(method).uri(format!("http://a.test{path}")).body(()).unwrap()
}

/// Reads an answer to its end.
pub(crate) async fn whole(answer: Response<RecvStream>) -> Result<H2Reply, h2::Error> {
    let (head, mut body) = answer.into_parts();
    let mut bytes = Vec::new();
    while let Some(piece) = next(&mut body).await? {
        bytes.extend_from_slice(&piece);
    }
    Ok(H2Reply {
        status: head.status.as_u16(),
        headers: head.headers,
        body: String::from_utf8(bytes).unwrap(),
        trailers: body.trailers().await?,
    })
}

/// The next piece of a body, taken.
pub(crate) async fn next(body: &mut RecvStream) -> Result<Option<Bytes>, h2::Error> {
    let Some(piece) = body.data().await.transpose()? else { return Ok(None) };
    body.flow_control().release_capacity(piece.len()).unwrap();
    Ok(Some(piece))
}

/// An instance that speaks HTTP/2 without TLS, until the process ends.
pub(crate) struct H2Instance {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl H2Instance {
    /// Each request is answered by the script, in a task of its own.
    pub(crate) fn new<F>(
        script: impl Fn(Request<RecvStream>, SendResponse<Bytes>) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), h2::Error>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        thread::spawn({
            let connections = connections.clone();
            let script = Arc::new(script);
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                    loop {
                        let (stream, _) = listener.accept().await.unwrap();
                        connections.fetch_add(1, Ordering::SeqCst);
                        let script = script.clone();
                        tokio::spawn(async move {
                            let Ok(mut connection) = h2::server::handshake(stream).await else { return };
                            while let Some(Ok((request, respond))) = connection.accept().await {
                                tokio::spawn(script(request, respond));
                            }
                        });
                    }
                });
            }
        });
        Self { address, connections }
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}
