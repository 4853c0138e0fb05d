//! The PROXY protocol, versions 1 and 2: a balancer that passes on bytes says with it whose they are. As in HAProxy's
//! `proxy-protocol.txt`, it is never guessed whether a header comes: those senders that are set to send one must, and
//! of others the same bytes are no HTTP.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use thiserror::Error;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// What version 2 begins with (section 2.2).
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Longest line of version 1, with its end (section 2.1).
const LINE_BYTES: usize = 107;
/// What of version 2 says how long the rest is.
const FIXED_BYTES: usize = 16;
/// Most bytes of version 2 after those: addresses and whatever else a balancer tells, which is some hundreds.
const REST_BYTES: usize = 4096;

/// Whose connection it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// This client's.
    Client(IpAddr),
    /// The sender's own, as for a check of its health, or nobody knows.
    Sender,
}

/// Why a connection cannot be served.
#[derive(Debug, Error)]
pub(crate) enum HeaderError {
    #[error("it begins with no PROXY header")]
    Missing,
    #[error("its PROXY header is malformed")]
    Malformed,
    #[error("its PROXY header announces {0} bytes, of at most {REST_BYTES}")]
    TooLong(usize),
    #[error("it ended within its PROXY header")]
    Read(#[from] io::Error),
}

/// Reads the header, and not a byte more.
pub(crate) async fn read(stream: &mut TcpStream) -> Result<Origin, HeaderError> {
    let mut beginning = [0; SIGNATURE.len()];
    stream.read_exact(&mut beginning).await?;
    if beginning == *SIGNATURE {
        read_version_2(stream).await
    } else if beginning.starts_with(b"PROXY ") {
        read_version_1(stream, &beginning).await
    } else {
        Err(HeaderError::Missing)
    }
}

async fn read_version_1(stream: &mut TcpStream, beginning: &[u8]) -> Result<Origin, HeaderError> {
    let mut line = [0; LINE_BYTES];
    let mut length = beginning.len();
    line[..length].copy_from_slice(beginning);
    while !line[..length].ends_with(b"\n") {
        let rest = &mut line[length..];
        if rest.is_empty() {
            return Err(HeaderError::Malformed);
        }
        // what is behind the line belongs to whoever reads next
        let seen = stream.peek(rest).await?;
        let end = rest[..seen].iter().position(|byte| *byte == b'\n').map_or(seen, |position| position + 1);
        // at the stream's end this fails
        stream.read_exact(&mut rest[..end.max(1)]).await?;
        length += end;
    }
    version_1(&line[..length]).ok_or(HeaderError::Malformed)
}

async fn read_version_2(stream: &mut TcpStream) -> Result<Origin, HeaderError> {
    let mut fixed = [0; FIXED_BYTES - SIGNATURE.len()];
    stream.read_exact(&mut fixed).await?;
    let [command, family, high, low] = fixed;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > REST_BYTES {
        return Err(HeaderError::TooLong(length));
    }
    let mut rest = vec![0; length];
    stream.read_exact(&mut rest).await?;
    version_2(command, family, &rest).ok_or(HeaderError::Malformed)
}

/// A whole line, with its end (section 2.1).
fn version_1(line: &[u8]) -> Option<Origin> {
    let line = str::from_utf8(line).ok()?.strip_suffix("\r\n")?;
    let mut words = line.split(' ');
    if words.next()? != "PROXY" {
        return None;
    }
    let family = words.next()?;
    if family == "UNKNOWN" {
        // what follows is to be ignored
        return Some(Origin::Sender);
    }
    let (source, _destination) = (words.next()?, words.next()?);
    let is_port = |text: &str| text.parse::<u16>().is_ok() && text.bytes().all(|byte| byte.is_ascii_digit());
    let has_ports = is_port(words.next()?) && is_port(words.next()?);
    if !has_ports || words.next().is_some() {
        return None;
    }
    match family {
        "TCP4" => source.parse::<Ipv4Addr>().ok().map(|address| Origin::Client(address.into())),
        "TCP6" => source.parse::<Ipv6Addr>().ok().map(|address| Origin::Client(address.into())),
        _ => None,
    }
}

/// The bytes after the signature (section 2.2). What follows the addresses is not looked at.
fn version_2(command: u8, family: u8, rest: &[u8]) -> Option<Origin> {
    match command {
        0x20 => return Some(Origin::Sender),
        0x21 => {}
        _ => return None,
    }
    // source, destination, and a port of each
    match family >> 4 {
        1 => {
            let source: &[u8; 4] = rest.get(..12)?.first_chunk()?;
            Some(Origin::Client(Ipv4Addr::from(*source).into()))
        }
        2 => {
            let source: &[u8; 16] = rest.get(..36)?.first_chunk()?;
            Some(Origin::Client(Ipv6Addr::from(*source).into()))
        }
        // unspecified, or a Unix socket: there is no address that HTTP could tell
        0 | 3 => Some(Origin::Sender),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use proptest::prelude::*;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    /// A header of version 2: what a balancer says of a client.
    fn of_version_2(client: SocketAddr, more: &[u8]) -> Vec<u8> {
        let (family, addresses) = match client {
            SocketAddr::V4(client) => (0x11, [client.ip().octets(), [127, 0, 0, 1]].concat()),
            SocketAddr::V6(client) => (0x21, [client.ip().octets(), Ipv6Addr::LOCALHOST.octets()].concat()),
        };
        let rest = [&addresses, &client.port().to_be_bytes()[..], &443_u16.to_be_bytes(), more].concat();
        [&SIGNATURE[..], &[0x21, family], &(rest.len() as u16).to_be_bytes(), &rest].concat()
    }

    fn client(text: &str) -> Option<Origin> {
        Some(Origin::Client(text.parse().unwrap()))
    }

    #[test]
    fn lines_of_version_1() {
        let of = |line: &str| version_1(line.as_bytes());
        assert_eq!(of("PROXY TCP4 192.0.2.7 192.0.2.1 56324 443\r\n"), client("192.0.2.7"));
        assert_eq!(of("PROXY TCP6 2001:db8::7 2001:db8::1 56324 443\r\n"), client("2001:db8::7"));
        assert_eq!(of("PROXY UNKNOWN\r\n"), Some(Origin::Sender));
        assert_eq!(of("PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n"), Some(Origin::Sender));
        for bad in [
            "PROXY TCP4 192.0.2.7 192.0.2.1 56324 443\n",
            "PROXY TCP4 192.0.2.7 192.0.2.1 56324\r\n",
            "PROXY TCP4 192.0.2.7 192.0.2.1 56324 443 1\r\n",
            "PROXY TCP4  192.0.2.7 192.0.2.1 56324 443\r\n",
            "PROXY TCP4 2001:db8::7 192.0.2.1 56324 443\r\n",
            "PROXY TCP6 192.0.2.7 192.0.2.1 56324 443\r\n",
            "PROXY TCP4 192.0.2.7 192.0.2.1 65536 443\r\n",
            "PROXY TCP4 192.0.2.7 192.0.2.1 +1 443\r\n",
            "PROXY UDP4 192.0.2.7 192.0.2.1 1 2\r\n",
            "PROXY\r\n",
            "\r\n",
        ] {
            assert_eq!(of(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn headers_of_version_2() {
        let of = |client: &str, more: &[u8]| {
            let header = of_version_2(client.parse().unwrap(), more);
            version_2(header[12], header[13], &header[FIXED_BYTES..])
        };
        assert_eq!(of("192.0.2.7:1", b""), client("192.0.2.7"));
        assert_eq!(of("[2001:db8::7]:1", b"\x03\x00\x04abcd"), client("2001:db8::7"));
        assert_eq!(version_2(0x20, 0x00, b""), Some(Origin::Sender), "a health check");
        assert_eq!(version_2(0x21, 0x00, b""), Some(Origin::Sender));
        assert_eq!(version_2(0x21, 0x31, &[0; 216]), Some(Origin::Sender));
        assert_eq!(version_2(0x21, 0x11, &[0; 11]), None, "cut off");
        assert_eq!(version_2(0x21, 0x21, &[0; 35]), None, "cut off");
        assert_eq!(version_2(0x11, 0x11, &[0; 12]), None, "version 1 in binary");
        assert_eq!(version_2(0x22, 0x11, &[0; 12]), None, "an unknown command");
        assert_eq!(version_2(0x21, 0x41, &[0; 12]), None, "an unknown family");
    }

    /// What is read of these bytes, in two writes, and what is left.
    fn read_all(bytes: &[u8], first: usize) -> (Result<Origin, HeaderError>, Vec<u8>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let mut sender = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (mut receiver, _) = listener.accept().await.unwrap();
            let (now, later) = bytes.split_at(first.min(bytes.len()));
            sender.write_all(now).await.unwrap();
            let rest = async {
                tokio::task::yield_now().await;
                // who is refused may have closed
                let _ = sender.write_all(later).await;
                let _ = sender.shutdown().await;
            };
            let (origin, ()) = tokio::join!(read(&mut receiver), rest);
            let mut left = Vec::new();
            receiver.read_to_end(&mut left).await.unwrap();
            (origin, left)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_header_is_read_whole_and_nothing_behind_it(
            address: [u8; 16], port: u16, version_1: bool, first in 0_usize..120, behind in "[a-z\n]{0,20}",
        ) {
            let client = SocketAddr::from((address, port));
            let header = if version_1 {
                format!("PROXY TCP6 {} ::1 {port} 443\r\n", client.ip()).into_bytes()
            } else {
                of_version_2(client, b"\x04\x00\x01\x00")
            };
            let (origin, left) = read_all(&[&header, behind.as_bytes()].concat(), first);
            prop_assert_eq!(origin.unwrap(), Origin::Client(client.ip()));
            prop_assert_eq!(left, behind.as_bytes());
        }

        #[test]
        fn no_bytes_make_it_panic_or_wait(
            kind in 0..3, noise in proptest::collection::vec(any::<u8>(), 0..300), first in 0_usize..40,
        ) {
            let beginning: &[u8] = match kind {
                0 => b"",
                1 => b"PROXY TCP4 ",
                _ => &[SIGNATURE.as_slice(), b"\x21\x11"].concat(),
            };
            let _ = read_all(&[beginning, &noise].concat(), first);
        }
    }
}
