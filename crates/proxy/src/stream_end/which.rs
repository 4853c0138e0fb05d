//! Which responses never end by themselves.

use hyper::HeaderMap;
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};

use super::boundary::Unit;

/// What must stay whole in a response's body, if it is one of those that never end: its type is in `endless_types`
/// (`type/subtype` or `type/*`). One with a length ends by itself. In an encoded one nobody sees where an event
/// ends: it is left alone.
pub fn unit(headers: &HeaderMap, endless_types: &[String]) -> Option<Unit> {
    if endless_types.is_empty()
        || headers.contains_key(CONTENT_LENGTH)
        || headers.contains_key(CONTENT_ENCODING)
    {
        return None;
    }
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let content_type = value.split(';').next().unwrap_or_default().trim();
    let is_endless = endless_types.iter().any(|pattern| matches(pattern, content_type));
    is_endless.then(|| {
        if content_type.eq_ignore_ascii_case("text/event-stream") { Unit::Event } else { Unit::Line }
    })
}

fn matches(pattern: &str, content_type: &str) -> bool {
    match pattern.strip_suffix("/*") {
        Some(main) => content_type.split_once('/').is_some_and(|(of, _)| of.eq_ignore_ascii_case(main)),
        None => pattern.eq_ignore_ascii_case(content_type),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(headers: &[(&'static str, &str)]) -> Option<Unit> {
        let headers =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        unit(
            &headers,
            &["text/event-stream".to_owned(), "video/*".to_owned(), "application/x-ndjson".to_owned()],
        )
    }

    #[test]
    fn by_type() {
        assert_eq!(of(&[("content-type", "text/event-stream; charset=utf-8")]), Some(Unit::Event));
        assert_eq!(of(&[("content-type", "Text/Event-Stream")]), Some(Unit::Event));
        assert_eq!(of(&[("content-type", "application/x-ndjson")]), Some(Unit::Line));
        assert_eq!(of(&[("content-type", "video/mp2t")]), Some(Unit::Line));
        assert_eq!(of(&[("content-type", "text/html")]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn what_has_a_length_or_is_encoded_is_left_alone() {
        assert_eq!(of(&[("content-type", "text/event-stream"), ("content-length", "9")]), None);
        assert_eq!(of(&[("content-type", "text/event-stream"), ("content-encoding", "gzip")]), None);
    }
}
