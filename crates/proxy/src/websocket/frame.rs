//! Where frames and messages begin and end in a stream of WebSocket bytes (RFC 6455, 5.2).

/// Longest header: two bytes, a 64-bit length, a masking key.
const LONGEST_HEADER: usize = 14;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    /// A further fragment of a message.
    Continuation,
    /// The first fragment of a text message, or all of it.
    Text,
    /// The first fragment of a binary message, or all of it.
    Binary,
    /// The beginning of the end.
    Close,
    /// Asks for a Pong.
    Ping,
    /// Answers a Ping, or just a sign of life.
    Pong,
}

impl Opcode {
    fn of(first: u8) -> Option<Self> {
        match first & 0x0f {
            0x0 => Some(Self::Continuation),
            0x1 => Some(Self::Text),
            0x2 => Some(Self::Binary),
            0x8 => Some(Self::Close),
            0x9 => Some(Self::Ping),
            0xa => Some(Self::Pong),
            _ => None,
        }
    }

    /// Control frames may stand between the fragments of a message.
    pub fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }

    /// Whether the frame begins a new message.
    pub fn begins_message(self) -> bool {
        matches!(self, Self::Text | Self::Binary)
    }
}

/// Bytes that no WebSocket sends: from there on nothing is known about the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// An opcode that RFC 6455 reserves.
    #[error("reserved opcode {0:#x}")]
    ReservedOpcode(u8),
    /// Control frames are whole and hold at most 125 bytes (5.5).
    #[error("a control frame is fragmented or longer than 125 bytes")]
    LongControl,
    /// A continuation without a beginning.
    #[error("a continuation frame outside a message")]
    StrayContinuation,
    /// A beginning inside a message.
    #[error("a new message inside a fragmented one")]
    NestedMessage,
    /// The highest bit of a 64-bit length must be 0.
    #[error("a payload length beyond 2^63")]
    Length,
}

/// Follows one direction of a WebSocket. Holds no payload: at most a header's bytes.
#[derive(Clone, Debug, Default)]
pub struct Frames {
    header: [u8; LONGEST_HEADER],
    header_len: usize,
    payload_left: u64,
    /// The frame whose payload is passing.
    current: Option<Opcode>,
    in_message: bool,
    closing: bool,
    closed: bool,
}

impl Frames {
    /// Follows the bytes, and stops before the first byte of the first frame for which `stop` says so. Returns how
    /// many bytes were followed: all, unless it stopped. What comes after a Close frame is no frame any more and is
    /// followed blindly.
    pub fn follow(&mut self, bytes: &[u8], stop: impl Fn(Opcode) -> bool) -> Result<usize, Violation> {
        let mut at = 0;
        while at < bytes.len() && !self.closed {
            if self.payload_left > 0 {
                let passing = usize::try_from(self.payload_left).unwrap_or(usize::MAX).min(bytes.len() - at);
                at += passing;
                self.payload_left -= passing as u64;
            } else {
                if self.header_len == 0 && self.stops_before(bytes[at], &stop)? {
                    return Ok(at);
                }
                self.take_header_byte(bytes[at])?;
                at += 1;
            }
            self.end_frame_when_complete();
        }
        Ok(bytes.len())
    }

    /// Whether no frame has begun that has not ended: where a control frame may be put in.
    pub fn at_frame_end(&self) -> bool {
        self.header_len == 0 && self.current.is_none()
    }

    /// Whether no message has begun that has not ended.
    pub fn at_message_end(&self) -> bool {
        self.at_frame_end() && !self.in_message
    }

    /// Whether a Close frame has begun.
    pub fn closing(&self) -> bool {
        self.closing
    }

    /// Whether a Close frame has passed completely: the last frame of this direction.
    pub fn closed(&self) -> bool {
        self.closed
    }

    fn stops_before(&self, first: u8, stop: &impl Fn(Opcode) -> bool) -> Result<bool, Violation> {
        let opcode = Opcode::of(first).ok_or(Violation::ReservedOpcode(first & 0x0f))?;
        match opcode {
            Opcode::Continuation if !self.in_message => Err(Violation::StrayContinuation),
            Opcode::Text | Opcode::Binary if self.in_message => Err(Violation::NestedMessage),
            _ => Ok(stop(opcode)),
        }
    }

    fn take_header_byte(&mut self, byte: u8) -> Result<(), Violation> {
        self.header[self.header_len] = byte;
        self.header_len += 1;
        if self.header_len >= 2 && self.header_len == header_length(self.header[1]) {
            self.begin_payload()?;
        }
        Ok(())
    }

    /// The header is complete.
    fn begin_payload(&mut self) -> Result<(), Violation> {
        let first = self.header[0];
        let opcode = Opcode::of(first).ok_or(Violation::ReservedOpcode(first & 0x0f))?;
        let last = first & 0x80 != 0;
        let length = payload_length(&self.header);
        if length >> 63 != 0 {
            return Err(Violation::Length);
        }
        if opcode.is_control() {
            if !last || self.header[1] & 0x7f > 125 {
                return Err(Violation::LongControl);
            }
            self.closing |= opcode == Opcode::Close;
        } else {
            self.in_message = !last;
        }
        self.payload_left = length;
        self.current = Some(opcode);
        self.header_len = 0;
        Ok(())
    }

    fn end_frame_when_complete(&mut self) {
        if self.payload_left == 0
            && let Some(opcode) = self.current.take()
        {
            self.closed |= opcode == Opcode::Close;
        }
    }
}

/// Length of a header by its second byte.
fn header_length(second: u8) -> usize {
    let length = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let mask = if second & 0x80 != 0 { 4 } else { 0 };
    2 + length + mask
}

fn payload_length(header: &[u8; LONGEST_HEADER]) -> u64 {
    let extended =
        |bytes: usize| header[2..2 + bytes].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    match header[1] & 0x7f {
        126 => extended(2),
        127 => extended(8),
        short => u64::from(short),
    }
}

#[cfg(test)]
mod tests;
