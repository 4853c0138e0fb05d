//! The heads of requests and answers on their way through: what must not pass is taken out, and what the instance
//! is to know of the client is put in.

use std::net::IpAddr;

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::http::uri::PathAndQuery;
use hyper::{Method, Uri, Version};

use crate::own_answer::Problem;
use crate::session::Session;

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(crate) const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Checks what HTTP's parser lets through, and brings the target into origin form.
pub(crate) fn check(head: &mut Parts) -> Result<(), Problem> {
    if head.method == Method::CONNECT {
        return Err(Problem::NotImplemented);
    }
    if head.version == Version::HTTP_2 {
        as_http1(head)?;
    }
    let mut hosts = head.headers.get_all(header::HOST).iter();
    let (host, second) = (hosts.next(), hosts.next());
    if second.is_some() || (host.is_none() && head.version >= Version::HTTP_11) {
        return Err(Problem::BadRequest);
    }
    if host.is_some_and(|host| !is_host(host.as_bytes())) {
        return Err(Problem::BadRequest);
    }
    match head.uri.authority() {
        None => Ok(()),
        // RFC 9112 3.2.2 makes a server take it; what contradicts its Host is an attack or an accident.
        Some(authority) if host.is_some_and(|host| same(authority.as_str(), host)) => {
            head.uri = origin_form(&head.uri);
            Ok(())
        }
        Some(_) => Err(Problem::BadRequest),
    }
}

/// What HTTP/2 says otherwise: `Host` by `:authority`, where they do not differ (RFC 9113 8.3.1), and one `Cookie` in
/// place of many (8.2.3).
fn as_http1(head: &mut Parts) -> Result<(), Problem> {
    if let Some(authority) = head.uri.authority()
        && !head.headers.contains_key(header::HOST)
    {
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| Problem::BadRequest)?;
        head.headers.insert(header::HOST, host);
    }
    let cookies: Vec<&[u8]> =
        head.headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if cookies.len() > 1 {
        let one = HeaderValue::from_bytes(&cookies.join(&b"; "[..])).map_err(|_| Problem::BadRequest)?;
        head.headers.insert(header::COOKIE, one);
    }
    Ok(())
}

/// RFC 9110 7.2: a name or address, and a port. Lists, paths and user names are none.
fn is_host(host: &[u8]) -> bool {
    host.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:[]%!$&'()*+;=".contains(byte))
}

fn same(authority: &str, host: &HeaderValue) -> bool {
    authority.as_bytes().eq_ignore_ascii_case(host.as_bytes())
}

fn origin_form(uri: &Uri) -> Uri {
    let path = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    Uri::from(path)
}

/// What the client wants to switch to, if it does: `Upgrade` counts only where `Connection` names it.
pub(crate) fn upgrade(head: &Parts) -> Option<HeaderValue> {
    let value = head.headers.get(header::UPGRADE)?;
    let named = has_token(&head.headers, &header::CONNECTION, "upgrade");
    (named && head.version == Version::HTTP_11).then(|| value.clone())
}

/// Whether the client waits for `100 Continue` before it sends its body.
pub(crate) fn expects_continue(head: &Parts) -> bool {
    let expects = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    head.version == Version::HTTP_11 && head.headers.get(header::EXPECT).is_some_and(expects)
}

/// Whether one of the comma-separated tokens is this one.
fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let tokens = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    tokens.flat_map(|value| value.split(',')).any(|each| each.trim().eq_ignore_ascii_case(token))
}

/// Takes out what holds for one connection only (RFC 9110 7.6.1).
pub(crate) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        remove_named_by_connection(headers);
    }
    for name in [KEEP_ALIVE, PROXY_CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE] {
        headers.remove(name);
    }
    if headers.contains_key(header::TE) {
        let takes_trailers = has_token(headers, &header::TE, "trailers");
        headers.remove(header::TE);
        if takes_trailers {
            headers.insert(header::TE, HeaderValue::from_static("trailers"));
        }
    }
}

/// What a message is framed and routed by cannot be declared to hold for one connection only.
const NEVER_HOP_BY_HOP: [HeaderName; 4] =
    [header::HOST, header::CONTENT_LENGTH, header::TE, header::TRANSFER_ENCODING];

fn remove_named_by_connection(headers: &mut HeaderMap) {
    let values: Vec<HeaderValue> = headers.get_all(header::CONNECTION).iter().cloned().collect();
    headers.remove(header::CONNECTION);
    for token in values.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')) {
        if let Ok(name) = token.trim().parse::<HeaderName>()
            && !NEVER_HOP_BY_HOP.contains(&name)
        {
            headers.remove(name);
        }
    }
}

/// Puts back what asks the instance to switch protocols.
pub(crate) fn ask_for_upgrade(headers: &mut HeaderMap, protocol: HeaderValue) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, protocol);
}

/// Tells the instance who asked, how, and for what; of a trusted peer only what it did not say itself. Returns the
/// request's id.
pub(crate) fn forward(
    headers: &mut HeaderMap,
    session: &Session,
    trusted: bool,
    new_id: impl FnOnce() -> HeaderValue,
) -> HeaderValue {
    if !trusted {
        for name in [FORWARDED_FOR, FORWARDED_HOST, FORWARDED_PROTO, REQUEST_ID] {
            headers.remove(name);
        }
    }
    let client = forwarded_for(headers, session);
    headers.insert(FORWARDED_FOR, client);
    if !headers.contains_key(FORWARDED_PROTO) {
        let proto = if session.tls { "https" } else { "http" };
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static(proto));
    }
    if let Some(host) = headers.get(header::HOST)
        && !headers.contains_key(FORWARDED_HOST)
    {
        let host = host.clone();
        headers.insert(FORWARDED_HOST, host);
    }
    if let Some(id) = headers.get(REQUEST_ID) {
        return id.clone();
    }
    let id = new_id();
    headers.insert(REQUEST_ID, id.clone());
    id
}

/// The peer, after those for whom it speaks.
fn forwarded_for(headers: &HeaderMap, session: &Session) -> HeaderValue {
    let mut list = Vec::new();
    for value in headers.get_all(FORWARDED_FOR) {
        list.extend_from_slice(value.as_bytes());
        list.extend_from_slice(b", ");
    }
    if list.is_empty() {
        return session.peer_text.clone();
    }
    list.extend_from_slice(session.peer_text.as_bytes());
    HeaderValue::try_from(list).unwrap_or_else(|_| session.peer_text.clone())
}

/// Whose request it is, of a request as the instance gets it: the last of `X-Forwarded-For` that is not trusted to
/// speak for others.
pub(crate) fn client(headers: &HeaderMap, peer: IpAddr, is_trusted: impl Fn(IpAddr) -> bool) -> IpAddr {
    let mut client = peer;
    let lists = headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
    let all: Vec<&str> = lists.flat_map(|list| list.split(',')).map(str::trim).collect();
    for text in all.into_iter().rev() {
        let Ok(address) = text.parse() else { return client };
        client = address;
        if !is_trusted(client) {
            return client;
        }
    }
    client
}

/// RFC 9110 9.2.2.
pub(crate) fn is_idempotent(method: &Method) -> bool {
    let methods = [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS, Method::TRACE];
    methods.contains(method)
}
