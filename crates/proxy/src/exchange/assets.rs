//! A file of another version in the place of an instance's 404.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use hyper::body::Body;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use super::{Answer, Exchange};
use crate::assets::Wanted;
use crate::core::Core;
use crate::own_answer::Problem;
use crate::request_head::REQUEST_ID;
use crate::response_body::{Link, ResponseBody};

/// What an instance says of all of its answers, and what a page's assets may not work without.
const OF_THE_ORIGIN: [HeaderName; 6] = [
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    header::STRICT_TRANSPORT_SECURITY,
    header::X_CONTENT_TYPE_OPTIONS,
    HeaderName::from_static("cross-origin-resource-policy"),
    HeaderName::from_static("timing-allow-origin"),
];

/// More of an answer that nobody gets is not read; its connection is closed instead.
const MAX_UNREAD: usize = 64 * 1024;

impl Exchange {
    /// What may stand in for an answer.
    pub(super) fn wanted_asset(&self, status: StatusCode) -> Option<Wanted> {
        if status != StatusCode::NOT_FOUND || self.body.is_some() {
            return None;
        }
        self.route.route.assets.as_ref()?.wanted(&self.head)
    }

    /// Answers with the file that is wanted, or passes the instance's answer on where there is none.
    pub(super) async fn stand_in(
        &mut self,
        wanted: Wanted,
        answer: Answer,
    ) -> Result<Response<ResponseBody>, Problem> {
        let Some(found) = wanted.look(&self.core.looks).await else { return self.pass(answer) };
        self.count(&answer);
        let mut file = found.answer(&self.core, &self.session);
        let headers = file.headers_mut();
        keep_of_the_origin(answer.response.headers(), headers);
        headers.insert(REQUEST_ID, self.id.clone());
        let_go(&self.core, answer);
        Ok(file)
    }
}

fn keep_of_the_origin(instance: &HeaderMap, file: &mut HeaderMap) {
    for name in OF_THE_ORIGIN {
        if let Some(value) = instance.get(&name) {
            file.insert(name, value.clone());
        }
    }
    let varies: Vec<HeaderValue> = instance.get_all(header::VARY).iter().cloned().collect();
    for value in varies {
        file.append(header::VARY, value);
    }
}

/// Nobody gets this answer. Its connection is kept where all of it is there already.
fn let_go(core: &Core, answer: Answer) {
    let Answer { response, upstream, in_flight } = answer;
    // a stream of HTTP/2 is reset alone when its body is dropped
    let Link::Own(mut upstream) = upstream else { return };
    // it is read here and now or not at all: nobody is to be woken
    let mut cx = Context::from_waker(Waker::noop());
    let (mut body, mut read) = (response.into_body(), 0);
    while !body.is_end_stream() {
        let _ = upstream.poll(&mut cx);
        match Pin::new(&mut body).poll_frame(&mut cx) {
            Poll::Ready(None) => break,
            Poll::Ready(Some(Ok(frame))) if read < MAX_UNREAD => {
                read += frame.data_ref().map_or(0, |data| data.len());
            }
            _ => return,
        }
    }
    in_flight.backend().keep(upstream, core.now());
}
