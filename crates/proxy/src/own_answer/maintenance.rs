//! What an operator wants to be answered while an app is in maintenance.

use bytes::Bytes;
use hyper::Response;
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use wire::proxy;

/// A page and the time to come back.
#[derive(Debug, Clone)]
pub(crate) struct MaintenanceAnswer {
    /// `None`: our own page.
    page: Option<Bytes>,
    retry_after: HeaderValue,
}

/// Where the table gives no time to come back, in s.
const RETRY_AFTER_S: u32 = 60;

impl MaintenanceAnswer {
    pub(crate) fn new(wanted: &proxy::Maintenance) -> Self {
        let page = Some(&wanted.page).filter(|page| !page.is_empty());
        let seconds = if wanted.retry_after_s == 0 { RETRY_AFTER_S } else { wanted.retry_after_s };
        Self { page: page.map(|page| Bytes::from(page.clone())), retry_after: HeaderValue::from(seconds) }
    }

    /// Puts the page in the place of ours, where the client gets a page, and says when to come back.
    pub(crate) fn dress(&self, answer: &mut Response<Bytes>) {
        answer.headers_mut().insert(RETRY_AFTER, self.retry_after.clone());
        let gets_page =
            answer.headers().get(CONTENT_TYPE).is_some_and(|it| it.as_bytes().starts_with(b"text/html"));
        if let Some(page) = self.page.as_ref().filter(|_| gets_page) {
            *answer.body_mut() = page.clone();
        }
    }
}
