//! What tells one state of a file from another, and requests that depend on it (RFC 9110, 13).

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use hyper::HeaderMap;
use hyper::header::{
    ETAG, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE, LAST_MODIFIED,
};
use jiff::Timestamp;

/// What a file is told by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Validators {
    etag: String,
    last_modified: String,
}

/// What a request wants to be so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Conditions {
    /// `If-None-Match`.
    known: Vec<String>,
    /// `If-Modified-Since`, as it came; without meaning where there is the other.
    since: Option<String>,
}

impl Validators {
    /// The tag is never the same for two contents, also where packages give all files one time and a number of a file
    /// that is gone is used again: the time of the last change of its inode tells these apart.
    pub(super) fn of(file: &Metadata) -> Self {
        let (size, inode) = (file.len(), file.ino());
        let (seconds, nanoseconds) = (file.ctime(), file.ctime_nsec());
        let modified = Timestamp::from_second(file.mtime()).unwrap_or(Timestamp::UNIX_EPOCH);
        Self {
            etag: format!("\"{size:x}-{inode:x}-{seconds:x}.{nanoseconds:x}\""),
            // RFC 9110, 5.6.7
            last_modified: modified.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string(),
        }
    }

    pub(super) fn write(&self, headers: &mut HeaderMap) {
        for (name, value) in [(ETAG, &self.etag), (LAST_MODIFIED, &self.last_modified)] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
    }
}

impl Conditions {
    /// `None`: it has conditions that are the app's to judge.
    pub(super) fn of(request: &HeaderMap) -> Option<Self> {
        if request.contains_key(IF_MATCH) || request.contains_key(IF_UNMODIFIED_SINCE) {
            return None;
        }
        let lists = request.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        let known: Vec<String> =
            lists.flat_map(|list| list.split(',')).map(|it| it.trim().to_owned()).collect();
        let since = request.get(IF_MODIFIED_SINCE).and_then(|value| value.to_str().ok());
        let since = since.filter(|_| !request.contains_key(IF_NONE_MATCH)).map(str::to_owned);
        Some(Self { known, since })
    }

    /// Whether the client has this state already: 304.
    pub(super) fn has(&self, file: &Validators) -> bool {
        let is_tag = |known: &String| known == "*" || known.strip_prefix("W/").unwrap_or(known) == file.etag;
        // Exactly that time, as it was told: another version's file may be older, and another one all the same.
        self.known.iter().any(is_tag) || self.since.as_deref() == Some(&file.last_modified)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODIFIED: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    fn file() -> Validators {
        Validators { etag: "\"a-b-c.d\"".into(), last_modified: MODIFIED.into() }
    }

    fn conditions(headers: &[(&'static str, &str)]) -> Option<Conditions> {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        Conditions::of(&headers.collect())
    }

    #[test]
    fn what_the_client_has() {
        let has = |headers: &[_]| conditions(headers).unwrap().has(&file());
        assert!(!has(&[]));
        assert!(has(&[("if-none-match", "\"x\", \"a-b-c.d\"")]));
        assert!(has(&[("if-none-match", "W/\"a-b-c.d\"")]), "compared weakly (RFC 9110, 13.1.2)");
        assert!(has(&[("if-none-match", "*")]));
        assert!(!has(&[("if-none-match", "\"x\"")]));
        assert!(has(&[("if-modified-since", MODIFIED)]));
        assert!(!has(&[("if-modified-since", "Sun, 06 Nov 1994 08:49:38 GMT")]), "a later time says nothing");
        assert!(!has(&[("if-none-match", "\"x\""), ("if-modified-since", MODIFIED)]));
    }

    #[test]
    fn what_the_app_judges() {
        assert_eq!(conditions(&[("if-match", "*")]), None);
        assert_eq!(conditions(&[("if-unmodified-since", MODIFIED)]), None);
    }

    #[test]
    fn a_time_as_http_writes_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = fs_err::File::create(folder.path().join("a")).unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(784_111_777);
        file.file().set_modified(time).unwrap();
        assert_eq!(Validators::of(&file.metadata().unwrap()).last_modified, MODIFIED);
    }
}
