//! A request's head along the proxy's own path, for fuzzing: what hyper has parsed is checked, routed and cleaned.

use hyper::header::{self, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Uri, Version};
use wire::proxy::Route;

use crate::host_map::HostMap;
use crate::request_head::{check, expects_continue, remove_hop_by_hop, upgrade};

/// Most header lines that are read.
const MOST_HEADERS: usize = 64;

/// Takes any bytes as a request's head.
///
/// # Panics
/// When a head that passes still says what must not reach an instance.
pub fn request(bytes: &[u8]) {
    let Some(mut head) = parse(bytes) else { return };
    let _ = (upgrade(&head), expects_continue(&head));
    if check(&mut head).is_err() {
        return;
    }
    assert!(head.uri.authority().is_none(), "an absolute target reaches the instance: {}", head.uri);
    let hosts = head.headers.get_all(header::HOST).iter().count();
    assert!(hosts <= 1, "{hosts} hosts reach the instance");
    let host = head.headers.get(header::HOST).cloned();
    route(host.as_ref().map_or(&[], |host| host.as_bytes()), head.uri.path());
    remove_hop_by_hop(&mut head.headers);
    for name in [
        header::CONNECTION,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        HeaderName::from_static("keep-alive"),
    ] {
        assert!(!head.headers.contains_key(&name), "{name} reaches the instance");
    }
    let te: Vec<&HeaderValue> = head.headers.get_all(header::TE).iter().collect();
    assert!(te.iter().all(|value| *value == "trailers"), "{te:?}");
    assert_eq!(head.headers.get(header::HOST), host.as_ref(), "Connection took the Host");
}

/// Whatever is asked for, a route of everybody's is found, and a narrower one only by its own name and path.
fn route(host: &[u8], path: &str) {
    let narrow = Route {
        hosts: vec!["a.test".into(), "*.b.test".into()],
        paths: vec!["/x".into()],
        ..Route::default()
    };
    let map = HostMap::new(&[narrow, Route::default()]);
    match map.find(host, path) {
        Some(0) => {
            let host = host.to_ascii_lowercase();
            let named = [&b"a.test"[..], b".b.test"]
                .iter()
                .any(|name| host.windows(name.len()).any(|it| it == *name));
            assert!(named && path.starts_with("/x"), "{:?} {path}", host.escape_ascii().to_string());
        }
        // A target such as `*` is below no path.
        found => assert!(found == Some(1) || !path.starts_with('/'), "{found:?} for {path}"),
    }
}

fn parse(bytes: &[u8]) -> Option<Parts> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    parsed.parse(bytes).ok()?.is_complete().then_some(())?;
    let mut head = Request::new(()).into_parts().0;
    head.method = Method::from_bytes(parsed.method?.as_bytes()).ok()?;
    head.uri = Uri::try_from(parsed.path?).ok()?;
    head.version = if parsed.version? == 0 { Version::HTTP_10 } else { Version::HTTP_11 };
    for line in parsed.headers.iter() {
        let name = HeaderName::from_bytes(line.name.as_bytes()).ok()?;
        head.headers.append(name, HeaderValue::from_bytes(line.value).ok()?);
    }
    Some(head)
}
