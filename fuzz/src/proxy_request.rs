//! Requests on their way through the proxy, and what WebSockets send.

use proxy::websocket::Frames;

/// Leads the bytes as a request's head along the proxy's path, and follows them as a WebSocket: cut in two anywhere,
/// it is the same to the follower.
pub fn proxy_request(bytes: &[u8]) {
    proxy::fuzz::request(bytes);
    let follow = |parts: &[&[u8]]| {
        let mut frames = Frames::default();
        for part in parts {
            frames.follow(part, |_| false)?;
        }
        Ok::<_, proxy::websocket::Violation>((
            frames.at_frame_end(),
            frames.at_message_end(),
            frames.closed(),
        ))
    };
    let whole = follow(&[bytes]);
    for at in 0..bytes.len().min(32) {
        let (begin, end) = bytes.split_at(at);
        assert_eq!(follow(&[begin, end]), whole, "cut at {at}");
    }
}
