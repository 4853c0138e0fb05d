//! Server-sent events as `beacon` sends them: numbered from 1 in each stream, without a gap, whole at the end.

use serde::Deserialize;

use super::fault::Fault;
use super::page::{excerpt, wrong};

/// An event longer than this is none.
const LONGEST_EVENT: usize = 64 * 1024;

/// Takes the bytes of one stream, in whatever pieces they come.
#[derive(Debug, Default)]
pub(super) struct Events {
    rest: Vec<u8>,
    last: u64,
}

#[derive(Debug, Deserialize)]
struct Data {
    n: u64,
    version: String,
}

impl Events {
    /// The versions that sent the events which these bytes complete.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<Vec<String>, Fault> {
        self.rest.extend_from_slice(bytes);
        let mut versions = Vec::new();
        while let Some(length) = self.rest.windows(2).position(|two| two == b"\n\n") {
            let event: Vec<u8> = self.rest.drain(..length + 2).collect();
            versions.push(self.check(&event)?);
        }
        if self.rest.len() > LONGEST_EVENT {
            return Err(wrong(format!("an event longer than {LONGEST_EVENT} bytes")));
        }
        Ok(versions)
    }

    /// Whether the stream may end here: between two events.
    pub(super) fn is_at_boundary(&self) -> bool {
        self.rest.is_empty()
    }

    /// Events that came.
    pub(super) fn count(&self) -> u64 {
        self.last
    }

    /// What came of an event that is not whole.
    pub(super) fn partial(&self) -> String {
        excerpt(&self.rest)
    }

    fn check(&mut self, event: &[u8]) -> Result<String, Fault> {
        let text = String::from_utf8_lossy(event);
        let field = |name: &str| {
            text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim_start)
        };
        let expected = self.last + 1;
        let id = field("id").and_then(|id| id.parse::<u64>().ok());
        let data = field("data").and_then(|data| serde_json::from_str::<Data>(data).ok());
        match (id, data) {
            (Some(id), Some(data)) if id == expected && data.n == expected => {
                self.last = expected;
                Ok(data.version)
            }
            _ => Err(wrong(format!("event {expected} should have come, but it is {:?}", excerpt(event)))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(number: u64) -> String {
        format!("id: {number}\nevent: beam\ndata: {{\"n\":{number},\"version\":\"1.0.0\"}}\n\n")
    }

    #[test]
    fn events_are_taken_from_pieces_of_any_size() {
        let text: String = (1..=5).map(event).collect();
        for size in 1..text.len() {
            let mut events = Events::default();
            for piece in text.as_bytes().chunks(size) {
                events.take(piece).unwrap();
            }
            assert!(events.is_at_boundary());
            assert_eq!(events.count(), 5, "in pieces of {size}");
        }
    }

    #[test]
    fn a_gap_a_repetition_and_a_foreign_event_are_wrong() {
        for second in [event(3), event(1), "data: hello\n\n".to_owned(), "id: 2\ndata: {}\n\n".to_owned()] {
            let mut events = Events::default();
            assert_eq!(events.take(event(1).as_bytes()).unwrap(), ["1.0.0"]);
            assert!(matches!(events.take(second.as_bytes()), Err(Fault::Wrong { .. })), "{second}");
        }
    }

    #[test]
    fn the_middle_of_an_event_is_no_boundary() {
        let mut events = Events::default();
        events.take(b"id: 1\n").unwrap();
        assert!(!events.is_at_boundary());
        assert_eq!(events.partial(), "id: 1\n");
    }

    #[test]
    fn an_event_without_end_is_refused() {
        let mut events = Events::default();
        assert!(events.take(&vec![b'x'; LONGEST_EVENT + 1]).is_err());
    }
}
