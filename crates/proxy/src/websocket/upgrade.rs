//! What a connection was upgraded to.

use hyper::HeaderMap;
use hyper::header::UPGRADE;

/// What the bytes after a 101 are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Frames of RFC 6455, whatever extension and subprotocol were agreed on.
    WebSocket,
    /// Unknown bytes.
    Other,
}

/// What the headers of a 101 say. Only a single `websocket` counts: a stack of protocols (RFC 9110, 7.8) is not
/// understood.
pub fn protocol(headers: &HeaderMap) -> Protocol {
    let mut values = headers.get_all(UPGRADE).iter();
    match (values.next(), values.next()) {
        (Some(value), None) if value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"websocket") => {
            Protocol::WebSocket
        }
        _ => Protocol::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> Protocol {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(UPGRADE, value.parse().unwrap());
        }
        protocol(&headers)
    }

    #[test]
    fn only_websocket_alone_is_one() {
        assert_eq!(of(&["websocket"]), Protocol::WebSocket);
        assert_eq!(of(&["WebSocket "]), Protocol::WebSocket);
        assert_eq!(of(&["h2c"]), Protocol::Other);
        assert_eq!(of(&["websocket, foo"]), Protocol::Other);
        assert_eq!(of(&["websocket", "foo"]), Protocol::Other);
        assert_eq!(of(&[]), Protocol::Other);
    }
}
