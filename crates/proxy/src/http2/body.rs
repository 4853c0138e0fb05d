//! An answer's body as a stream sends it, watched: HTTP/2 asks for the next piece when the client has taken the last.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use crate::core::Core;
use crate::response_body::{Broken, ResponseBody};
use crate::session::Session;

/// Notes since when the client takes nothing.
pub(super) struct StreamBody {
    body: ResponseBody,
    core: Rc<Core>,
    session: Rc<Session>,
}

impl StreamBody {
    pub(super) fn new(body: ResponseBody, core: Rc<Core>, session: Rc<Session>) -> Self {
        Self { body, core, session }
    }
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        self.session.write_blocked.clear();
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(&frame, Poll::Ready(Some(Ok(_)))) {
            self.session.write_blocked.begin(self.core.now());
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
