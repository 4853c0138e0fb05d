//! The client of the daemon's API: HTTP/1.1 over a Unix socket, a connection for each request.

mod connect;
mod multipart;
mod route;
mod sse;

use std::path::{Path, PathBuf};
use std::time::Duration;

use api::problem::Problem;
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, Limited};
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, Response, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::Failure;
pub(crate) use multipart::{Part, Upload};
pub use route::Route;
pub(crate) use sse::Events;

/// A request's body.
pub(crate) type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// The daemon answers within 60 s or says that it did not; a little longer here.
const DEADLINE: Duration = Duration::from_secs(75);

/// A package is sent, unpacked and verified before the answer.
const UPLOAD_DEADLINE: Duration = Duration::from_secs(3600);

/// Largest answer that is read as a whole.
const MOST_ANSWER_BYTES: usize = 64 << 20;

/// The API of the daemon of one root.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
    root: PathBuf,
}

impl Client {
    /// The daemon of a root; nothing is connected yet.
    pub fn new(root: &Path) -> Self {
        Client { socket: root.join(api::SOCKET), root: root.to_owned() }
    }

    /// The folder that the daemon's things are below.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Asks for something.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn get<T: DeserializeOwned>(&self, route: Route) -> Result<T, Failure> {
        self.ask(Method::GET, route, None::<&()>).await
    }

    /// Sends something, as JSON.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn send<B: Serialize, T: DeserializeOwned>(
        &self,
        method: Method,
        route: Route,
        body: &B,
    ) -> Result<T, Failure> {
        self.ask(method, route, Some(body)).await
    }

    /// A request without a body.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn call<T: DeserializeOwned>(&self, method: Method, route: Route) -> Result<T, Failure> {
        self.ask(method, route, None::<&()>).await
    }

    async fn ask<B: Serialize, T: DeserializeOwned>(
        &self,
        method: Method,
        route: Route,
        body: Option<&B>,
    ) -> Result<T, Failure> {
        let request = Request::builder().method(method).uri(route.to_string());
        let request = match body {
            None => request.body(nothing()),
            Some(body) => {
                let bytes = serde_json::to_vec(body).expect("our requests have text keys");
                request.header(header::CONTENT_TYPE, "application/json").body(whole(bytes))
            }
        };
        let exchange = async { read(self.exchange(request.expect("it is well-formed")).await?).await };
        within(DEADLINE, exchange).await
    }

    /// Sends a package and what belongs to it.
    pub(crate) async fn upload<T: DeserializeOwned>(
        &self,
        route: Route,
        upload: Upload,
    ) -> Result<T, Failure> {
        let request = Request::post(route.to_string())
            .header(header::CONTENT_TYPE, upload.content_type())
            .header(header::CONTENT_LENGTH, upload.length())
            .body(upload.into_body());
        let exchange = async { read(self.exchange(request.expect("it is well-formed")).await?).await };
        within(UPLOAD_DEADLINE, exchange).await
    }

    /// Asks for something that comes bit by bit.
    pub(crate) async fn open(&self, route: Route) -> Result<Incoming, Failure> {
        let request = Request::get(route.to_string()).body(nothing()).expect("it is well-formed");
        let response = within(DEADLINE, self.exchange(request)).await?;
        match response.status().is_success() {
            true => Ok(response.into_body()),
            false => Err(refusal(response).await),
        }
    }

    /// Sends something, as JSON, whose answer comes bit by bit.
    pub(crate) async fn stream<B: Serialize>(&self, route: Route, body: &B) -> Result<Incoming, Failure> {
        let bytes = serde_json::to_vec(body).expect("our requests have text keys");
        let request = Request::post(route.to_string())
            .header(header::CONTENT_TYPE, "application/json")
            .body(whole(bytes))
            .expect("it is well-formed");
        let response = within(DEADLINE, self.exchange(request)).await?;
        match response.status().is_success() {
            true => Ok(response.into_body()),
            false => Err(refusal(response).await),
        }
    }

    /// Asks for a connection that speaks another protocol from then on.
    pub(crate) async fn switch(&self, route: Route, protocol: &'static str) -> Result<Upgraded, Failure> {
        let request = Request::get(route.to_string())
            .header(header::CONNECTION, "upgrade")
            .header(header::UPGRADE, protocol)
            .body(nothing())
            .expect("it is well-formed");
        let response = within(DEADLINE, self.exchange(request)).await?;
        match response.status() {
            StatusCode::SWITCHING_PROTOCOLS => hyper::upgrade::on(response).await.map_err(lost),
            _ => Err(refusal(response).await),
        }
    }

    /// Events as they happen.
    pub(crate) async fn events(&self, route: Route) -> Result<Events, Failure> {
        Ok(Events::new(self.open(route).await?))
    }

    async fn exchange(&self, mut request: Request<Body>) -> Result<Response<Incoming>, Failure> {
        request.headers_mut().insert(header::HOST, header::HeaderValue::from_static("bellrock"));
        let stream = connect::connect(&self.socket, &self.root).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.map_err(lost)?;
        // It ends with the request's last byte; what goes wrong in it is told by the request too.
        tokio::spawn(connection.with_upgrades());
        sender.send_request(request).await.map_err(lost)
    }
}

fn nothing() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

fn whole(bytes: Vec<u8>) -> Body {
    Full::new(Bytes::from(bytes)).map_err(|never| match never {}).boxed_unsync()
}

fn lost(error: hyper::Error) -> Failure {
    // "connection closed before message completed" says little by itself.
    let why = match std::error::Error::source(&error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    };
    Failure::Lost(why)
}

async fn within<T>(
    deadline: Duration,
    asking: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let late = |_| Err(Failure::Lost(format!("no answer came in {}", crate::time::span(deadline))));
    tokio::time::timeout(deadline, asking).await.unwrap_or_else(late)
}

async fn read<T: DeserializeOwned>(response: Response<Incoming>) -> Result<T, Failure> {
    if !response.status().is_success() {
        return Err(refusal(response).await);
    }
    let bytes = collect(response.into_body()).await?;
    serde_json::from_slice(&bytes).map_err(|error| Failure::Answer(error.to_string()))
}

/// The problem that an answer tells of.
async fn refusal(response: Response<Incoming>) -> Failure {
    let status = response.status();
    let bytes = match collect(response.into_body()).await {
        Ok(bytes) => bytes,
        Err(failure) => return failure,
    };
    Failure::Problem(serde_json::from_slice(&bytes).unwrap_or_else(|_| unexplained(status, &bytes)))
}

fn unexplained(status: StatusCode, bytes: &[u8]) -> Problem {
    let text = String::from_utf8_lossy(bytes);
    let detail = format!("bellrockd answered {status}: {}", text.trim());
    Problem::new("unexplained", status.as_u16(), detail.trim_end_matches([':', ' ']))
}

async fn collect(body: Incoming) -> Result<Bytes, Failure> {
    let collected = Limited::new(body, MOST_ANSWER_BYTES).collect().await;
    collected.map(|it| it.to_bytes()).map_err(|error| Failure::Lost(error.to_string()))
}
