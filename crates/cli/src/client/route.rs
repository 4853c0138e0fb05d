//! Paths of the API, escaped.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

/// What may stand in a path as it is (RFC 3986, 2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A path of the API with what stands behind its `?`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    path: String,
    query: String,
}

impl Route {
    /// `/v1/` and these segments.
    pub fn new<T: AsRef<str>>(segments: impl IntoIterator<Item = T>) -> Self {
        let mut path = String::from("/v1");
        for segment in segments {
            path.push('/');
            path.extend(utf8_percent_encode(segment.as_ref(), ESCAPED));
        }
        Route { path, query: String::new() }
    }

    /// A path about an app.
    pub(crate) fn app(app: &api::AppName, rest: &[&str]) -> Self {
        Route::new(["apps", app.as_str()].iter().chain(rest))
    }

    /// With a query.
    #[must_use]
    pub fn query<T: Serialize>(mut self, query: &T) -> Self {
        self.query = serde_urlencoded::to_string(query).expect("our queries are flat");
        self
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if !self.query.is_empty() {
            write!(f, "?{}", self.query)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use api::query::DeploymentsQuery;

    use super::*;

    #[test]
    fn segments_and_queries_are_escaped() {
        assert_eq!(
            Route::new(["apps", "a", "versions", "1+g/?"]).to_string(),
            "/v1/apps/a/versions/1%2Bg%2F%3F"
        );
        let query = DeploymentsQuery { app: Some("a&b".into()), most: None };
        assert_eq!(Route::new(["deployments"]).query(&query).to_string(), "/v1/deployments?app=a%26b");
    }
}
