//! What tells one state of a file from another, and requests that depend on it (RFC 9110, 13).
//!
//! Only the tag does. Packages give all of their files one time, so that of another version's file says nothing, and no
//! `Last-Modified` is told: the client would ask the app by it, which might take its own file for the same.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use hyper::HeaderMap;
use hyper::header::{IF_MATCH, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};

/// The strong tag of a file: the name of a version's folder follows from its package's digest, so that a path in it never
/// stands for another content. A proxy that another compiler has built may give another tag; then the file is sent again.
pub(super) fn etag(folder: &Path, path: &Path, coding: Option<&str>, bytes: u64) -> String {
    let mut hasher = DefaultHasher::new();
    (folder.as_os_str(), path.as_os_str(), coding, bytes).hash(&mut hasher);
    format!("\"{bytes:x}-{:016x}\"", hasher.finish())
}

/// What a request wants to be so: `If-None-Match`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Conditions {
    known: Vec<String>,
}

impl Conditions {
    /// `None`: it has conditions that are the app's to judge.
    pub(super) fn of(request: &HeaderMap) -> Option<Self> {
        if request.contains_key(IF_MATCH) || request.contains_key(IF_UNMODIFIED_SINCE) {
            return None;
        }
        let lists = request.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        Some(Self { known: lists.flat_map(|list| list.split(',')).map(|it| it.trim().to_owned()).collect() })
    }

    /// Whether the client has the file with this tag already: 304.
    pub(super) fn has(&self, etag: &str) -> bool {
        let is_it = |known: &String| known == "*" || known.strip_prefix("W/").unwrap_or(known) == etag;
        self.known.iter().any(is_it)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    fn conditions(headers: &[(&'static str, &str)]) -> Option<Conditions> {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        Conditions::of(&headers.collect())
    }

    #[test]
    fn what_the_client_has() {
        let has = |headers: &[_]| conditions(headers).unwrap().has("\"a-b\"");
        assert!(!has(&[]));
        assert!(has(&[("if-none-match", "\"x\", \"a-b\"")]));
        assert!(has(&[("if-none-match", "W/\"a-b\"")]), "compared weakly (RFC 9110, 13.1.2)");
        assert!(has(&[("if-none-match", "*")]));
        assert!(!has(&[("if-none-match", "\"x\"")]));
        assert!(!has(&[("if-modified-since", TIME)]), "a time says nothing");
    }

    #[test]
    fn what_the_app_judges() {
        assert_eq!(conditions(&[("if-match", "*")]), None);
        assert_eq!(conditions(&[("if-unmodified-since", TIME)]), None);
    }

    #[test]
    fn a_tag_for_each_content() {
        let tag =
            |folder: &str, path: &str, coding, bytes| etag(Path::new(folder), Path::new(path), coding, bytes);
        let one = tag("a", "b/c", None, 26);
        assert!(one.starts_with("\"1a-") && one.ends_with('"'), "{one}");
        assert_eq!(one, tag("a", "b/c", None, 26));
        for other in [
            tag("b", "b/c", None, 26),
            tag("a/b", "c", None, 26),
            tag("a", "b/c", Some("gzip"), 26),
            tag("a", "b/c", None, 27),
        ] {
            assert_ne!(one, other);
        }
    }
}
