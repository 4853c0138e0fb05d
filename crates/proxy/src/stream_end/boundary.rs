//! Where a stream may end without breaking something in two.

/// What must stay whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// An event of `text/event-stream`: it ends with a blank line (WHATWG HTML, 9.2.5). Lines end with CR LF, LF or
    /// CR.
    Event,
    /// A line that ends with LF.
    Line,
}

/// How the bytes so far end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tail {
    /// In a line.
    Text,
    /// With the end of a line that is not blank.
    Line,
    /// With the end of a blank line (or nothing has come yet).
    Blank,
}

/// Follows a stream and knows whether it is at the end of a unit.
#[derive(Clone, Copy, Debug)]
pub struct Boundary {
    unit: Unit,
    tail: Tail,
    /// The last byte was CR: an LF belongs to it.
    after_cr: bool,
}

/// How many of a chunk's last bytes decide: blank lines end with at most `\r\n\r\n`.
const DECIDING: usize = 4;

impl Boundary {
    /// Of a stream that has not begun.
    pub fn new(unit: Unit) -> Self {
        Self { unit, tail: Tail::Blank, after_cr: false }
    }

    /// Follows a chunk. Takes the same short time however long it is.
    pub fn follow(&mut self, chunk: &[u8]) {
        let deciding = match chunk.len().checked_sub(DECIDING) {
            None | Some(0) => chunk,
            Some(skipped) => {
                self.tail = Tail::Text;
                self.after_cr = false;
                &chunk[skipped..]
            }
        };
        for byte in deciding {
            self.take(*byte);
        }
    }

    /// Whether the stream may end here.
    pub fn is_end(&self) -> bool {
        match self.unit {
            Unit::Event => self.tail == Tail::Blank,
            Unit::Line => self.tail != Tail::Text,
        }
    }

    /// Follows a chunk up to the first place where the stream may end: how many bytes of it to pass on, `None` when
    /// there is no such place in it (it has then been followed wholly).
    pub fn first_end(&mut self, chunk: &[u8]) -> Option<usize> {
        for (at, byte) in chunk.iter().enumerate() {
            self.take(*byte);
            if self.is_end() {
                let lf_follows = *byte == b'\r' && chunk.get(at + 1) == Some(&b'\n');
                return Some(at + 1 + usize::from(lf_follows));
            }
        }
        None
    }

    fn take(&mut self, byte: u8) {
        let second_half = self.after_cr && byte == b'\n';
        self.after_cr = byte == b'\r' && self.unit == Unit::Event;
        let ends_line = byte == b'\n' || self.after_cr;
        self.tail = match (ends_line, self.tail) {
            (true, tail) if second_half => tail,
            (true, Tail::Text) => Tail::Line,
            (true, Tail::Line | Tail::Blank) => Tail::Blank,
            (false, _) => Tail::Text,
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(unit: Unit, stream: &str, expect: Option<usize>) {
        let mut boundary = Boundary::new(unit);
        // in the middle of a unit, as it is when a drain begins
        boundary.follow(b"x");
        assert_eq!(boundary.first_end(stream.as_bytes()), expect, "{stream:?}");
    }

    #[test]
    fn events_end_with_a_blank_line() {
        check(Unit::Event, "data: a\n\ndata: b\n\n", Some(9));
        check(Unit::Event, "data: a\r\n\r\nrest", Some(11));
        check(Unit::Event, "data: a\r\rrest", Some(9));
        check(Unit::Event, "data: a\n\r\nrest", Some(10));
        check(Unit::Event, "data: a\r\n\nrest", Some(10));
        check(Unit::Event, "data: a\n\rrest", Some(9));
        check(Unit::Event, "data: a\r\nid: 3\r\n", None);
        check(Unit::Event, "data: a", None);
    }

    #[test]
    fn lines_end_with_lf() {
        check(Unit::Line, "{\"a\":1}\n{\"b\"", Some(8));
        check(Unit::Line, "{\"a\":\r1}", None);
    }

    #[test]
    fn an_idle_stream_may_end_at_once() {
        let mut boundary = Boundary::new(Unit::Event);
        assert!(boundary.is_end(), "nothing has come yet");
        boundary.follow(b"data: 1\n\n");
        assert!(boundary.is_end());
        boundary.follow(b"data: 2\n");
        assert!(!boundary.is_end(), "the event goes on");
        boundary.follow(b"\n");
        assert!(boundary.is_end());
        boundary.follow(b": half a comment");
        assert!(!boundary.is_end());
    }

    /// The same by looking at the whole stream: its lines, split as the standard says.
    fn ends_with_blank_line(stream: &str) -> bool {
        let lines = stream.replace("\r\n", "\n").replace('\r', "\n");
        lines.is_empty() || lines == "\n" || lines.ends_with("\n\n")
    }

    proptest! {
        #[test]
        fn any_split_is_followed_alike(stream in "[a\r\n]{0,24}", cuts in proptest::collection::vec(0usize..24, 0..5)) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
            cuts.sort_unstable();
            cuts.push(stream.len());
            let mut boundary = Boundary::new(Unit::Event);
            let mut from = 0;
            for cut in cuts {
                boundary.follow(&stream.as_bytes()[from..cut]);
                from = cut;
                prop_assert_eq!(boundary.is_end(), ends_with_blank_line(&stream[..cut]), "{:?}", &stream[..cut]);
            }
        }

        #[test]
        fn the_first_end_is_the_first(stream in "[a\r\n]{0,24}") {
            let mut boundary = Boundary::new(Unit::Event);
            boundary.follow(b"x");
            let end = boundary.first_end(stream.as_bytes());
            let is_end = |at: usize| ends_with_blank_line(&format!("x{}", &stream[..at]));
            let first = (1..=stream.len()).find(|at| is_end(*at));
            // an LF right behind a CR belongs to it
            let first = first.map(|at| at + usize::from(stream[..at].ends_with('\r') && stream[at..].starts_with('\n')));
            prop_assert_eq!(end, first);
        }
    }
}
