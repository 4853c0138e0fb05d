//! A tiny fast server for proxies to stand in front of: hyper, one thread and one listening socket per processor.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::thread;

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt};
use tokio::runtime;

use crate::cores;

/// What every page answers; as long as what a small API answers.
pub(crate) const BODY: &str = r#"{"app":"bench","version":"1.0.0","greeting":"The lamp is lit.","place":"1","instance":"1","pid":4711,"node":"bench-1@localhost","padding":"abcdefghijklmnopqrstuvwxyz0123456789abcdefghijkl"}"#;
/// The page that shows the headers of its request instead.
pub(crate) const HEADERS: &str = "/headers";

/// Serves until the process is ended.
pub(crate) fn serve(address: SocketAddr) -> Result<()> {
    let mut threads = Vec::new();
    for core in 0..cores::count() {
        let listener = shared_listener(address).with_context(|| format!("could not listen on {address}"))?;
        threads.push(thread::spawn(move || {
            cores::pin(core);
            serve_on_this_thread(listener)
        }));
    }
    for thread in threads {
        thread.join().map_err(|_| anyhow::anyhow!("a thread panicked"))??;
    }
    Ok(())
}

/// One of several sockets on the same address: the kernel shares connections out among them.
fn shared_listener(address: SocketAddr) -> rustix::io::Result<TcpListener> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseport(&socket, true)?;
    bind(&socket, &address)?;
    listen(&socket, 1024)?;
    Ok(TcpListener::from(socket))
}

fn serve_on_this_thread(listener: TcpListener) -> Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let service = http1::Builder::new()
                .pipeline_flush(true)
                .serve_connection(TokioIo::new(stream), service_fn(answer));
            // who goes away is none of our business
            tokio::spawn(async move { service.await.ok() });
        }
    })
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = if request.uri().path() == HEADERS {
        let lines = request.headers().iter().map(|(name, value)| format!("{name}: {value:?}\n"));
        Bytes::from(lines.collect::<String>())
    } else {
        Bytes::from_static(BODY.as_bytes())
    };
    let mut response = Response::new(Full::new(body));
    let json = hyper::header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(hyper::header::CONTENT_TYPE, json);
    Ok(response)
}
