//! A WebSocket client for `--check` (RFC 6455).

use anyhow::{Result, ensure};

use super::http::Connection;

/// The example of RFC 6455, section 1.3.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

const FINAL: u8 = 0x80;

/// An open WebSocket, from the client's side.
pub(crate) struct WebSocket(Connection);

impl WebSocket {
    pub(crate) fn open(mut http: Connection) -> Result<WebSocket> {
        let head = format!(
            "GET /ws HTTP/1.1\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: {KEY}\r\n\r\n"
        );
        http.send(&head, b"")?;
        let response = http.read_head()?;
        ensure!(response.status == 101, "/ws answered {}", response.status);
        ensure!(response.header("sec-websocket-accept") == Some(ACCEPT), "/ws accepted with the wrong key");
        Ok(WebSocket(http))
    }

    /// Messages short, in pieces and long, a ping, and the close that the client asks for.
    pub(crate) fn use_it(mut self) -> Result<()> {
        let http = &mut self.0;
        send(http, TEXT, b"two ")?;
        send(http, FINAL | PING, b"hello?")?;
        send(http, FINAL | CONTINUATION, b"halves")?;
        ensure!(receive(http)? == (FINAL | PONG, b"hello?".to_vec()), "the ping got no pong");
        ensure!(receive(http)? == (FINAL | TEXT, b"two halves".to_vec()), "the halves were not joined");

        let long = vec![b'x'; 70_000];
        send(http, FINAL | TEXT, &long)?;
        ensure!(receive(http)? == (FINAL | TEXT, long), "a long message differs");

        send(http, FINAL | CLOSE, &1000_u16.to_be_bytes())?;
        self.expect_close(1000)
    }

    /// The next frame is a close with this status.
    pub(crate) fn expect_close(&mut self, status: u16) -> Result<()> {
        let (first, data) = receive(&mut self.0)?;
        ensure!(first == FINAL | CLOSE, "frame {first:x} instead of a close");
        ensure!(data == status.to_be_bytes(), "closed with {data:?} instead of {status}");
        Ok(())
    }
}

/// A client's frames are masked.
fn send(http: &mut Connection, first: u8, data: &[u8]) -> Result<()> {
    let mask = [1, 2, 3, 4];
    let mut frame = vec![first];
    match data.len() {
        length @ 0..126 => frame.push(0x80 | length as u8),
        length @ 126..65_536 => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(mask);
    frame.extend(data.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    http.send("", &frame)
}

fn receive(http: &mut Connection) -> Result<(u8, Vec<u8>)> {
    let head = http.read_bytes(2)?;
    let length = match head[1] {
        126 => big_endian(&http.read_bytes(2)?),
        127 => big_endian(&http.read_bytes(8)?),
        short => short.into(),
    };
    Ok((head[0], http.read_bytes(length)?))
}

fn big_endian(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, byte| number << 8 | usize::from(*byte))
}
