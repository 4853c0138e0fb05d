//! An attempt at an instance that speaks HTTP/2.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::task::Poll;

use hyper::header::{self, HeaderValue};
use hyper::http::uri::{Authority, Scheme};
use hyper::{Request, Uri, Version};
use wire::proxy::Protocol;

use super::{Answer, Exchange, Failure};
use crate::in_flight::InFlight;
use crate::request_body::{AttemptBody, BodyFailure};
use crate::response_body::Link;
use crate::session::Expired;
use crate::shared_upstream::{Fate, SharedUpstream, SharedUse, fate};

impl Exchange {
    /// Whether the instance gets this request by HTTP/2. What wants to switch protocols can do so in HTTP/1.1 only.
    pub(super) fn goes_by_http2(&self) -> bool {
        self.route.route.protocol == Protocol::H2c && !self.wants_upgrade
    }

    pub(super) async fn attempt_by_http2(&mut self, in_flight: InFlight) -> Result<Answer, Failure> {
        if let Some(gate) = &self.gate {
            // HTTP/2 needs no 100 Continue: the instance says by its window when it takes the body
            gate.store(true, Ordering::Relaxed);
        }
        let (upstream, reused) = self.connect_shared(&in_flight).await?;
        in_flight.backend().counts().requests.add(1);
        self.session.answer_awaited.restart(self.core.now());
        let mut sent = pin!(upstream.send(self.http2_request()));
        let result = poll_fn(|cx| match sent.as_mut().poll(cx) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending if self.session.expired().is_some() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await;
        self.session.answer_awaited.clear();
        let failure = match result {
            Some(Ok(response)) => {
                // From here on both sides talk when they like.
                self.session.body_timeout_ms.set(0);
                return Ok(Answer { response, upstream: Link::Shared { _use: upstream }, in_flight });
            }
            Some(Err(error)) => self.http2_failure(&error, reused),
            None if self.session.expired() == Some(Expired::Body) => Failure::Body(BodyFailure::TooSlow),
            None => Failure::Slow,
        };
        if !matches!(failure, Failure::Body(_)) {
            in_flight.backend().counts().failed.add(1);
        }
        Err(failure)
    }

    async fn connect_shared(&self, in_flight: &InFlight) -> Result<(SharedUse, bool), Failure> {
        let backend = in_flight.backend();
        let now = self.core.now();
        if !self.only_new_connection
            && let Some(upstream) = backend.shared(now)
        {
            return Ok((upstream, true));
        }
        let connected = SharedUpstream::connect(backend.backend.address).await;
        let upstream = connected.map_err(|error| self.not_connected(backend, error))?;
        Ok((backend.share(upstream, now), false))
    }

    fn http2_failure(&self, error: &hyper::Error, reused: bool) -> Failure {
        if let Some(failure) = self.body.as_ref().and_then(|body| body.failure()) {
            return Failure::Body(failure);
        }
        match fate(error) {
            Fate::Unseen => Failure::Broken { written: false, read: false, reused, invalid: false },
            Fate::Unknown => Failure::Broken { written: true, read: false, reused, invalid: false },
            Fate::Invalid => Failure::Broken { written: true, read: true, reused, invalid: true },
        }
    }

    fn http2_request(&self) -> Request<AttemptBody> {
        let mut request = self.request();
        *request.version_mut() = Version::HTTP_2;
        let headers = request.headers_mut();
        // its meaning is told by what is sent (RFC 9113 8.1)
        headers.remove(header::EXPECT);
        let authority = headers.remove(header::HOST).and_then(|host| authority(&host));
        let mut uri = std::mem::take(request.uri_mut()).into_parts();
        uri.scheme = Some(Scheme::HTTP);
        // a client of HTTP/1.0 may not have said it, but there must be one
        uri.authority = Some(authority.unwrap_or_else(|| Authority::from_static("localhost")));
        *request.uri_mut() = Uri::from_parts(uri).expect("a path, an authority and a scheme are a URI");
        request
    }
}

fn authority(host: &HeaderValue) -> Option<Authority> {
    Authority::try_from(host.as_bytes()).ok()
}
