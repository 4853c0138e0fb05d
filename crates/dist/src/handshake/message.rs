//! The messages of the handshake, version 6 (OTP, "Distribution Protocol", "Distribution Handshake"), without
//! their lengths.

use bytes::{Buf, BufMut};

use crate::{Flags, NodeName};

/// Longest message: a name of 255 characters of four bytes, and what comes with it.
pub const MOST_BYTES: usize = 2048;

/// A message that is none of the handshake, or none that may come here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It ends too early.
    #[error("{0} ends too early")]
    Short(&'static str),
    /// It is something else.
    #[error("{0} was expected, and a message that begins with byte {1} came")]
    Tag(&'static str, u8),
    /// A status that version 6 does not have.
    #[error("the status {0:?} is unknown")]
    Status(String),
    /// A name that no node has.
    #[error("the name in {0} is no node's")]
    Name(&'static str),
}

/// What the peer says to our name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Go on.
    Ok,
    /// Go on: it gave up a connection of its own to us.
    OkSimultaneous,
    /// It goes on with a connection of its own to us.
    Nok,
    /// It does not allow this connection.
    NotAllowed,
    /// It has a connection to a node of our name.
    Alive,
    /// It gave us this name.
    Named {
        /// Our name.
        name: NodeName,
        /// Our creation.
        creation: u32,
    },
}

/// What the peer says of itself, and what it wants digested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Its capabilities.
    pub flags: Flags,
    /// To be digested with the cookie.
    pub challenge: u32,
    /// Which start of the node it is.
    pub creation: u32,
    /// Its name.
    pub name: NodeName,
}

/// Our name, or only our host when the peer is to name us (`NAME_ME`).
pub fn name(flags: Flags, creation: u32, name: &str) -> Vec<u8> {
    let mut message = vec![b'N'];
    message.put_u64(flags.0);
    message.put_u32(creation);
    // of an atom of at most 255 characters
    message.put_u16(name.len() as u16);
    message.put_slice(name.as_bytes());
    message
}

/// What to do about the connection that the peer has to our name.
pub fn takes_over(yes: bool) -> Vec<u8> {
    if yes { b"strue".to_vec() } else { b"sfalse".to_vec() }
}

/// Our challenge, and the answer to the peer's.
pub fn reply(challenge: u32, digest: [u8; 16]) -> Vec<u8> {
    let mut message = vec![b'r'];
    message.put_u32(challenge);
    message.put_slice(&digest);
    message
}

/// Reads the answer to our name.
///
/// # Errors
/// When it is none.
pub fn read_status(message: &[u8]) -> Result<Status, Malformed> {
    const WHAT: &str = "the status";
    match after_tag(WHAT, b's', message)? {
        b"ok" => Ok(Status::Ok),
        b"ok_simultaneous" => Ok(Status::OkSimultaneous),
        b"nok" => Ok(Status::Nok),
        b"not_allowed" => Ok(Status::NotAllowed),
        b"alive" => Ok(Status::Alive),
        other => {
            let Some(mut named) = other.strip_prefix(b"named:") else {
                let told = other.get(..other.len().min(40)).unwrap_or_default();
                return Err(Malformed::Status(String::from_utf8_lossy(told).into_owned()));
            };
            let name = read_name(WHAT, &mut named)?;
            let creation = named.try_get_u32().map_err(|_| Malformed::Short(WHAT))?;
            Ok(Status::Named { name, creation })
        }
    }
}

/// Reads the peer's challenge.
///
/// # Errors
/// When it is none, or one of an older handshake.
pub fn read_challenge(message: &[u8]) -> Result<Challenge, Malformed> {
    const WHAT: &str = "the challenge";
    let mut rest = after_tag(WHAT, b'N', message)?;
    let short = |_| Malformed::Short(WHAT);
    let flags = Flags(rest.try_get_u64().map_err(short)?);
    let challenge = rest.try_get_u32().map_err(short)?;
    let creation = rest.try_get_u32().map_err(short)?;
    Ok(Challenge { flags, challenge, creation, name: read_name(WHAT, &mut rest)? })
}

/// Reads the digest that answers our challenge.
///
/// # Errors
/// When there is none.
pub fn read_ack(message: &[u8]) -> Result<[u8; 16], Malformed> {
    const WHAT: &str = "the acknowledgement";
    after_tag(WHAT, b'a', message)?.try_into().map_err(|_| Malformed::Short(WHAT))
}

fn after_tag<'a>(what: &'static str, tag: u8, message: &'a [u8]) -> Result<&'a [u8], Malformed> {
    match message.split_first() {
        Some((&first, rest)) if first == tag => Ok(rest),
        Some((&other, _)) => Err(Malformed::Tag(what, other)),
        None => Err(Malformed::Short(what)),
    }
}

fn read_name(what: &'static str, rest: &mut &[u8]) -> Result<NodeName, Malformed> {
    let length = usize::from(rest.try_get_u16().map_err(|_| Malformed::Short(what))?);
    let (name, after) = rest.split_at_checked(length).ok_or(Malformed::Short(what))?;
    *rest = after;
    let name = std::str::from_utf8(name).ok().and_then(|name| name.parse().ok());
    name.ok_or(Malformed::Name(what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_read() {
        let named = b"snamed:\0\x03a@h\0\0\0\x07";
        let name = "a@h".parse().unwrap();
        assert_eq!(read_status(named), Ok(Status::Named { name, creation: 7 }));
        assert_eq!(read_status(b"sok"), Ok(Status::Ok));
        assert_eq!(read_status(b"sok_simultaneous"), Ok(Status::OkSimultaneous));
        assert_eq!(read_status(b"snok"), Ok(Status::Nok));
        assert_eq!(read_status(b"salive"), Ok(Status::Alive));
        assert_eq!(read_status(b"snot_allowed"), Ok(Status::NotAllowed));
        for end in 0..named.len() {
            assert!(read_status(&named[..end]).is_err(), "{end} bytes");
        }
    }

    #[test]
    fn a_challenge_is_what_was_written() {
        let mut message = name(Flags(0x1_0000_0002), 9, "shop@h");
        // the challenge stands between flags and creation
        message.splice(9..9, [0, 0, 0, 5]);
        let name = "shop@h".parse().unwrap();
        let expected = Challenge { flags: Flags(0x1_0000_0002), challenge: 5, creation: 9, name };
        assert_eq!(read_challenge(&message), Ok(expected));
        for end in 0..message.len() {
            assert!(read_challenge(&message[..end]).is_err(), "{end} bytes");
        }
        assert_eq!(read_challenge(b"n\0\x05"), Err(Malformed::Tag("the challenge", b'n')));
    }

    #[test]
    fn an_acknowledgement_has_sixteen_bytes() {
        assert_eq!(read_ack(&[&b"a"[..], &[1; 16]].concat()), Ok([1; 16]));
        assert!(read_ack(&[&b"a"[..], &[1; 17]].concat()).is_err());
        assert!(read_ack(b"").is_err());
    }
}
