//! The two directions of a WebSocket, frame by frame: libraries that join messages hide where a close came.

use bytes::Bytes;
use fastwebsockets::{Frame, OpCode, Payload, Role, WebSocketError, WebSocketRead, WebSocketWrite};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::fault::{Fault, NO_CODE};

/// A socket's stream once the handshake is done.
pub(super) type Stream = TokioIo<Upgraded>;

/// Frames that wait for us to read them. The server sends its echo while we still send: what it sends then must not
/// stop it, or both would wait. A message of 1 MB in frames of 1 kB fits.
const WAITING: usize = 1024;

/// What comes from the server.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    /// A piece of a message.
    Data {
        is_last: bool,
        bytes: Vec<u8>,
    },
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    /// With the code, 1005 when there is none.
    Close(u16),
    /// The connection ended, or what came are no frames.
    End {
        cause: String,
        is_garbled: bool,
    },
}

/// Our direction.
pub(super) struct Outgoing {
    write: WebSocketWrite<WriteHalf<Stream>>,
    /// Reads the other direction. It ends with this value: else a socket that we give up would stay open.
    _reader: AbortOnDropHandle<()>,
}

/// Both directions. What comes is read by a task of its own until the connection ends.
pub(super) fn split(stream: Stream) -> (Outgoing, mpsc::Receiver<Incoming>) {
    let (read, write) = tokio::io::split(stream);
    let (mut read, write) = fastwebsockets::after_handshake_split(read, write, Role::Client);
    read.set_auto_close(false);
    read.set_auto_pong(false);
    let (sender, receiver) = mpsc::channel(WAITING);
    let reader = tokio::spawn(async move {
        loop {
            let incoming = next(&mut read).await;
            let is_over = matches!(incoming, Incoming::End { .. });
            if sender.send(incoming).await.is_err() || is_over {
                return;
            }
        }
    });
    (Outgoing { write, _reader: AbortOnDropHandle::new(reader) }, receiver)
}

async fn next(read: &mut WebSocketRead<ReadHalf<Stream>>) -> Incoming {
    // nothing is answered by the library: both automatisms are off
    let mut never = async |_: Frame<'static>| Ok::<(), WebSocketError>(());
    match read.read_frame(&mut never).await {
        Ok(frame) => incoming(&frame),
        Err(error) => Incoming::End { is_garbled: is_garbled(&error), cause: error.to_string() },
    }
}

fn incoming(frame: &Frame<'_>) -> Incoming {
    let bytes = frame.payload.to_vec();
    match frame.opcode {
        OpCode::Ping => Incoming::Ping(bytes),
        OpCode::Pong => Incoming::Pong(bytes),
        OpCode::Close => Incoming::Close(match bytes[..] {
            [high, low, ..] => u16::from_be_bytes([high, low]),
            _ => NO_CODE,
        }),
        OpCode::Continuation | OpCode::Text | OpCode::Binary => Incoming::Data { is_last: frame.fin, bytes },
    }
}

fn is_garbled(error: &WebSocketError) -> bool {
    !matches!(
        error,
        WebSocketError::IoError(_) | WebSocketError::UnexpectedEOF | WebSocketError::ConnectionClosed
    )
}

impl Outgoing {
    /// A piece of a binary message.
    pub(super) async fn data(&mut self, is_first: bool, is_last: bool, bytes: &Bytes) -> Result<(), Fault> {
        let opcode = if is_first { OpCode::Binary } else { OpCode::Continuation };
        self.frame(Frame::new(is_last, opcode, None, Payload::Owned(bytes.to_vec()))).await
    }

    pub(super) async fn ping(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.frame(Frame::new(true, OpCode::Ping, None, Payload::Owned(bytes.to_vec()))).await
    }

    pub(super) async fn pong(&mut self, bytes: Vec<u8>) -> Result<(), Fault> {
        self.frame(Frame::pong(Payload::Owned(bytes))).await
    }

    pub(super) async fn close(&mut self, code: u16) -> Result<(), Fault> {
        self.frame(Frame::close(code, b"")).await
    }

    async fn frame(&mut self, frame: Frame<'static>) -> Result<(), Fault> {
        let broken = |error: WebSocketError| Fault::Cut {
            received_bytes: 0,
            reset: false,
            cause: format!("a frame could not be sent: {error}"),
        };
        self.write.write_frame(frame).await.map_err(broken)
    }
}
