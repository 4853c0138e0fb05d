//! The handshake, version 6: who is who, what both can do, and that both know the cookie.
//!
//! We always begin it. Before TLS distribution each message has a length of two bytes, in TLS distribution one of
//! four.

pub mod message;

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::transport::Stream;
use crate::{Cookie, Flags, NodeName};
use message::{Challenge, MOST_BYTES, Malformed, Status};

/// Who we are to the other node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnName {
    /// This name, and what happens when the other node has a connection to a node of that name already.
    Fixed(NodeName),
    /// The other node gives us one (OTP 23 and newer), with this host in it.
    Dynamic {
        /// The host.
        host: String,
    },
}

/// What the other node says when it has a connection to a node of our name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NameTaken {
    /// We leave that one alone.
    Refuse,
    /// It was ours, and is replaced.
    TakeOver,
}

/// Why there is no connection, although somebody answered.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The connection broke.
    #[error("the connection broke while {0}")]
    Io(&'static str, #[source] io::Error),
    /// A message with a length that none has.
    #[error("a message of {0} bytes came, which none of the handshake has")]
    Length(usize),
    /// A message that may not come here.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The node refused us.
    #[error("the node does not allow the connection: look at the arguments of net_kernel:allow/1 there")]
    NotAllowed,
    /// Somebody else is about to have our name.
    #[error(
        "the node is at this moment being connected with a node named {0}: two that use this name come at once, or it \
         connects to us by itself"
    )]
    Simultaneous(NodeName),
    /// Somebody else has our name.
    #[error(
        "the node has a connection with a node named {0} already, which is left alone: when that is another than ours, \
         choose another name; when it is ours and dead, the node sees that within its net_ticktime"
    )]
    NameTaken(NodeName),
    /// Somebody else has the name that the node chose for us.
    #[error("the node gave us a name that it has a connection with already")]
    GivenNameTaken,
    /// A name was given that was not asked for, or the other way round.
    #[error("the node did not name us as asked")]
    Naming,
    /// Another node listens there.
    #[error("{found} listens there, not {expected}")]
    OtherNode {
        /// Who was looked for.
        expected: NodeName,
        /// Who is there.
        found: NodeName,
    },
    /// The node is too old, or no node.
    #[error("the node lacks capabilities {0}: OTP 24 and newer have them")]
    TooOld(Flags),
    /// The node did not like our digest.
    #[error("the node closed the connection over the cookie: it has another one (see its log)")]
    CookieRefused(#[source] io::Error),
    /// We do not like the node's digest.
    #[error("the node does not know the cookie")]
    CookieUnknown,
    /// No randomness.
    #[error("could not get random numbers from the system: {0}")]
    Random(getrandom::Error),
}

/// What the handshake found out.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// Which start of the node it is.
    pub(crate) creation: u32,
    /// Our name.
    pub(crate) own_name: NodeName,
    /// Our creation.
    pub(crate) own_creation: u32,
}

/// What is needed for a handshake.
#[derive(Clone, Debug)]
pub(crate) struct Handshake<'a> {
    pub(crate) node: &'a NodeName,
    pub(crate) own_name: &'a OwnName,
    pub(crate) cookie: &'a Cookie,
    pub(crate) name_taken: NameTaken,
    /// Lengths of four bytes.
    pub(crate) in_tls: bool,
}

impl Handshake<'_> {
    /// Shakes hands. Has no deadline of its own.
    pub(crate) async fn run(&self, stream: &mut dyn Stream) -> Result<Peer, HandshakeError> {
        let (own_name, own_creation) = self.introduce(stream).await?;
        let theirs = message::read_challenge(&self.receive(stream, "waiting for its challenge").await?)?;
        self.check(&theirs)?;
        let challenge = getrandom::u32().map_err(HandshakeError::Random)?;
        let reply = message::reply(challenge, self.cookie.digest(theirs.challenge));
        self.send(stream, &reply).await?;
        let ack = match self.receive(stream, "waiting for its digest").await {
            Err(HandshakeError::Io(_, source)) if source.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(HandshakeError::CookieRefused(source));
            }
            ack => message::read_ack(&ack?)?,
        };
        if !self.cookie.answers(challenge, &ack) {
            return Err(HandshakeError::CookieUnknown);
        }
        Ok(Peer { creation: theirs.creation, own_name, own_creation })
    }

    /// Says who we are; returns who we are to be.
    async fn introduce(&self, stream: &mut dyn Stream) -> Result<(NodeName, u32), HandshakeError> {
        // 0 to 3 are creations of old nodes
        let creation = getrandom::u32().map_err(HandshakeError::Random)? | 4;
        let hello = match self.own_name {
            OwnName::Fixed(name) => message::name(Flags::OFFERED, creation, name.as_str()),
            OwnName::Dynamic { host } => message::name(Flags::OFFERED | Flags::NAME_ME, 0, host),
        };
        self.send(stream, &hello).await?;
        let status = message::read_status(&self.receive(stream, "waiting for its status").await?)?;
        match (status, self.own_name) {
            (Status::Ok | Status::OkSimultaneous, OwnName::Fixed(name)) => Ok((name.clone(), creation)),
            (Status::Named { name, creation }, OwnName::Dynamic { .. }) => Ok((name, creation)),
            (Status::Alive, OwnName::Fixed(name)) => {
                let take_over = self.name_taken == NameTaken::TakeOver;
                self.send(stream, &message::takes_over(take_over)).await?;
                if take_over {
                    Ok((name.clone(), creation))
                } else {
                    Err(HandshakeError::NameTaken(name.clone()))
                }
            }
            (Status::NotAllowed, _) => Err(HandshakeError::NotAllowed),
            (Status::Nok, OwnName::Fixed(name)) => Err(HandshakeError::Simultaneous(name.clone())),
            (Status::Alive | Status::Nok, OwnName::Dynamic { .. }) => Err(HandshakeError::GivenNameTaken),
            _ => Err(HandshakeError::Naming),
        }
    }

    fn check(&self, theirs: &Challenge) -> Result<(), HandshakeError> {
        if theirs.name != *self.node {
            return Err(HandshakeError::OtherNode {
                expected: self.node.clone(),
                found: theirs.name.clone(),
            });
        }
        let flags = theirs.flags.expanded();
        if !flags.has(Flags::REQUIRED) {
            return Err(HandshakeError::TooOld(Flags::REQUIRED.without(flags)));
        }
        Ok(())
    }

    async fn send(&self, stream: &mut dyn Stream, message: &[u8]) -> Result<(), HandshakeError> {
        // none of ours is longer than MOST_BYTES
        let mut whole = Vec::with_capacity(message.len() + 4);
        if self.in_tls {
            whole.extend_from_slice(&(message.len() as u32).to_be_bytes());
        } else {
            whole.extend_from_slice(&(message.len() as u16).to_be_bytes());
        }
        whole.extend_from_slice(message);
        let written = async {
            stream.write_all(&whole).await?;
            stream.flush().await
        };
        written.await.map_err(|source| HandshakeError::Io("writing to it", source))
    }

    async fn receive(&self, stream: &mut dyn Stream, doing: &'static str) -> Result<Vec<u8>, HandshakeError> {
        let broke = |source| HandshakeError::Io(doing, source);
        let length = if self.in_tls {
            stream.read_u32().await.map_err(broke)? as usize
        } else {
            usize::from(stream.read_u16().await.map_err(broke)?)
        };
        if length > MOST_BYTES {
            return Err(HandshakeError::Length(length));
        }
        let mut message = vec![0; length];
        stream.read_exact(&mut message).await.map_err(broke)?;
        Ok(message)
    }
}
