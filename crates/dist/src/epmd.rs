//! The client of epmd, which knows the ports of a host's nodes (OTP, "Distribution Protocol", "EPMD Protocol").
//!
//! One question per connection. What comes back is bounded, whoever listens on that port.

use std::io;
use std::time::Duration;

use bytes::Buf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::HostPort;

const PORT_PLEASE2_REQ: u8 = 122;
const PORT2_RESP: u8 = 119;
const NAMES_REQ: u8 = 110;

/// Longest answer about one node: two lengths of 16 bits and what they count, and 12 bytes.
const MOST_PORT_BYTES: usize = 2 * 65_535 + 14;
/// Longest list of nodes: some ten thousand.
const MOST_NAMES_BYTES: usize = 1 << 20;

/// What epmd knows of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Where it listens.
    pub port: u16,
    /// Whether it is a hidden node.
    pub hidden: bool,
    /// The versions of the distribution protocol that it speaks.
    pub versions: std::ops::RangeInclusive<u16>,
}

/// A line of epmd's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The part of the node's name before the `@`.
    pub name: String,
    /// Where it listens.
    pub port: u16,
}

/// Why epmd did not tell what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum EpmdError {
    /// Nobody answers there, or the connection broke.
    #[error("could not ask epmd at {epmd}")]
    Io {
        /// Where it was asked.
        epmd: HostPort,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It took too long.
    #[error("epmd at {epmd} did not answer within {within:?}")]
    Timeout {
        /// Where it was asked.
        epmd: HostPort,
        /// How long it had.
        within: Duration,
    },
    /// No node of that name is registered.
    #[error("epmd at {epmd} knows no node named {name:?}: it is not running, or runs without epmd")]
    NotRegistered {
        /// Where it was asked.
        epmd: HostPort,
        /// The name before the `@`.
        name: String,
    },
    /// What listens there speaks something else.
    #[error("what answers at {epmd} is no epmd")]
    Malformed {
        /// Where it was asked.
        epmd: HostPort,
        /// What is wrong.
        source: Malformed,
    },
}

/// What is wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It ends too early.
    #[error("the answer ends too early")]
    Short,
    /// It does not end.
    #[error("the answer is longer than any of epmd's")]
    Long,
    /// It is the answer to something else.
    #[error("the answer begins with byte {0}")]
    Tag(u8),
    /// A line that does not say name and port.
    #[error("a line of the list does not read \"name NAME at port PORT\"")]
    Line,
}

/// Asks where a node listens, by the part of its name before the `@`.
///
/// # Errors
/// When epmd does not know it, or does not say so within the time.
pub async fn port_please(epmd: &HostPort, name: &str, within: Duration) -> Result<Registration, EpmdError> {
    let mut question = vec![PORT_PLEASE2_REQ];
    question.extend_from_slice(name.as_bytes());
    let answer = ask(epmd, &question, MOST_PORT_BYTES, within).await?;
    match read_registration(&answer) {
        Ok(Some(registration)) => Ok(registration),
        Ok(None) => Err(EpmdError::NotRegistered { epmd: epmd.clone(), name: name.to_owned() }),
        Err(source) => Err(EpmdError::Malformed { epmd: epmd.clone(), source }),
    }
}

/// Asks for all nodes of the host.
///
/// # Errors
/// When epmd does not say so within the time.
pub async fn names(epmd: &HostPort, within: Duration) -> Result<Vec<Registered>, EpmdError> {
    let answer = ask(epmd, &[NAMES_REQ], MOST_NAMES_BYTES, within).await?;
    read_names(&answer).map_err(|source| EpmdError::Malformed { epmd: epmd.clone(), source })
}

/// Sends one question and reads until epmd closes.
async fn ask(
    epmd: &HostPort,
    question: &[u8],
    most_bytes: usize,
    within: Duration,
) -> Result<Vec<u8>, EpmdError> {
    let answer = async {
        let mut stream = TcpStream::connect((epmd.host.as_str(), epmd.port)).await?;
        let length = u16::try_from(question.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        stream.write_all(&[&length.to_be_bytes(), question].concat()).await?;
        let mut answer = Vec::new();
        stream.take(most_bytes as u64 + 1).read_to_end(&mut answer).await?;
        Ok(answer)
    };
    match tokio::time::timeout(within, answer).await {
        Ok(Ok(answer)) if answer.len() > most_bytes => {
            Err(EpmdError::Malformed { epmd: epmd.clone(), source: Malformed::Long })
        }
        Ok(answer) => answer.map_err(|source| EpmdError::Io { epmd: epmd.clone(), source }),
        Err(_) => Err(EpmdError::Timeout { epmd: epmd.clone(), within }),
    }
}

/// Reads the answer to `PORT_PLEASE2_REQ`; none when no node has that name.
///
/// # Errors
/// When it is none.
pub fn read_registration(mut answer: &[u8]) -> Result<Option<Registration>, Malformed> {
    let mut byte = || answer.try_get_u8().map_err(|_| Malformed::Short);
    let tag = byte()?;
    if tag != PORT2_RESP {
        return Err(Malformed::Tag(tag));
    }
    if byte()? != 0 {
        return Ok(None);
    }
    // port, kind of node, protocol, highest and lowest version; the name and what else follows is not needed
    let Some((&[port_high, port_low, kind, _tcp, high1, high0, low1, low0], _)) = answer.split_first_chunk()
    else {
        return Err(Malformed::Short);
    };
    let word = |high, low| u16::from_be_bytes([high, low]);
    Ok(Some(Registration {
        port: word(port_high, port_low),
        hidden: kind == 72,
        versions: word(low1, low0)..=word(high1, high0),
    }))
}

/// Reads the answer to `NAMES_REQ`.
///
/// # Errors
/// When it is none.
pub fn read_names(answer: &[u8]) -> Result<Vec<Registered>, Malformed> {
    // epmd's own port leads
    let (_, text) = answer.split_first_chunk::<4>().ok_or(Malformed::Short)?;
    let text = std::str::from_utf8(text).map_err(|_| Malformed::Line)?;
    text.lines().map(|line| read_line(line).ok_or(Malformed::Line)).collect()
}

fn read_line(line: &str) -> Option<Registered> {
    let (name, port) = line.strip_prefix("name ")?.rsplit_once(" at port ")?;
    Some(Registered { name: name.to_owned(), port: port.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registration_is_read() {
        let answer = [119, 0, 0x12, 0x34, 77, 0, 0, 6, 0, 5, 0, 4, b's', b'h', b'o', b'p', 0, 0];
        let expected = Registration { port: 0x1234, hidden: false, versions: 5..=6 };
        assert_eq!(read_registration(&answer), Ok(Some(expected)));
        assert_eq!(read_registration(&[119, 1]), Ok(None));
    }

    #[test]
    fn what_is_no_registration_is_refused() {
        for end in 0..10 {
            let answer = [119, 0, 0x12, 0x34, 77, 0, 0, 6, 0, 5];
            assert_eq!(read_registration(&answer[..end]), Err(Malformed::Short), "{end} bytes");
        }
        assert_eq!(read_registration(b"HTTP/1.1"), Err(Malformed::Tag(b'H')));
    }

    #[test]
    fn a_list_is_read() {
        let answer = b"\0\0\x11\x11name shop at port 41000\nname odd at port name at port 2\n";
        let names: Vec<_> =
            read_names(answer).unwrap().into_iter().map(|each| (each.name, each.port)).collect();
        assert_eq!(names, [("shop".to_owned(), 41000), ("odd at port name".to_owned(), 2)]);
        assert_eq!(read_names(b"\0\0\x11\x11"), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        assert_eq!(read_names(b"\0\0"), Err(Malformed::Short));
        for line in ["shop", "name shop at port 70000", "name shop", "\u{fffd}"] {
            assert_eq!(read_names(&[b"\0\0\0\0", line.as_bytes()].concat()), Err(Malformed::Line), "{line}");
        }
    }
}
