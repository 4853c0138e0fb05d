//! What is noted of a request while it is served.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use hyper::header::{self, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Version};
use wire::proxy::LogFormat;

use crate::core::Core;
use crate::serving::{Entry, FrontLimits, Route};
use crate::session::Session;

/// As nginx has it: the client had gone before there was an answer.
const CLIENT_GONE: u16 = 499;

/// A request, as its line tells it.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) format: LogFormat,
    /// When its answer had ended.
    pub(crate) at: SystemTime,
    /// From the end of its head to that.
    pub(crate) took: Duration,
    pub(crate) client: IpAddr,
    pub(crate) tls: bool,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) version: Version,
    pub(crate) host: Option<HeaderValue>,
    pub(crate) route: Option<Arc<Route>>,
    /// Which of the route's backends answered.
    pub(crate) backend: Option<usize>,
    pub(crate) id: Option<HeaderValue>,
    pub(crate) status: u16,
    /// Of the answer's body, as handed to HTTP.
    pub(crate) bytes: u64,
}

impl Line {
    /// Its answer comes from this backend of this table's route.
    pub(crate) fn served_by(&mut self, route: Arc<Route>, uid: u64) {
        self.backend = route.backends.iter().position(|entry| entry.backend.uid == uid);
        self.route = Some(route);
    }

    /// The instance that answered.
    pub(crate) fn entry(&self) -> Option<&Entry> {
        self.route.as_ref()?.backends.get(self.backend?)
    }
}

/// Becomes a line when it is dropped: exactly one for each request.
#[derive(Debug)]
pub(crate) struct Record {
    core: Rc<Core>,
    started: Instant,
    line: Option<Box<Line>>,
}

impl Record {
    /// Of a request as it came; `None`: no line is wanted.
    pub(crate) fn begin(
        core: &Rc<Core>,
        session: &Session,
        started: Instant,
        head: &Parts,
        route: Option<&Arc<Route>>,
    ) -> Option<Self> {
        let format = core.table().serving.log_format(route.map(|route| &**route));
        if !matches!(format, LogFormat::Common | LogFormat::Json) {
            return None;
        }
        let line = Line {
            format,
            at: SystemTime::UNIX_EPOCH,
            took: Duration::ZERO,
            client: session.peer,
            tls: session.tls,
            method: head.method.clone(),
            path: head.uri.path().to_owned(),
            version: head.version,
            host: head.headers.get(header::HOST).cloned(),
            route: route.cloned(),
            backend: None,
            id: None,
            status: CLIENT_GONE,
            bytes: 0,
        };
        Some(Self { core: core.clone(), started, line: Some(Box::new(line)) })
    }

    /// Tells what has become known.
    pub(crate) fn note(&mut self, note: impl FnOnce(&mut Line, &FrontLimits)) {
        if let Some(line) = &mut self.line {
            note(line, &self.core.table().serving.front);
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if let Some(mut line) = self.line.take() {
            line.took = self.started.elapsed();
            line.at = SystemTime::now();
            self.core.log(line);
        }
    }
}
