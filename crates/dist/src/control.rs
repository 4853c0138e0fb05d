//! Control messages: what one node tells another about processes (OTP, "Distribution Protocol", "Protocol between
//! Connected Nodes").

use beam::Term;
use beam::etf::{EncodeError, encode_into};
use beam::term::{Atom, Pid, Reference};

const LINK: i64 = 1;
const SEND: i64 = 2;
const REG_SEND: i64 = 6;
const SEND_TT: i64 = 12;
const REG_SEND_TT: i64 = 16;
const MONITOR_P: i64 = 19;
const DEMONITOR_P: i64 = 20;
const SEND_SENDER: i64 = 22;
const SEND_SENDER_TT: i64 = 23;
const PAYLOAD_EXIT: i64 = 24;
const PAYLOAD_EXIT_TT: i64 = 25;
const PAYLOAD_EXIT2: i64 = 26;
const PAYLOAD_EXIT2_TT: i64 = 27;
const PAYLOAD_MONITOR_P_EXIT: i64 = 28;
const SPAWN_REQUEST: i64 = 29;
const SPAWN_REQUEST_TT: i64 = 30;
const SPAWN_REPLY: i64 = 31;
const SPAWN_REPLY_TT: i64 = 32;
const UNLINK_ID: i64 = 35;
const UNLINK_ID_ACK: i64 = 36;

/// What the peer tells us: identifiers, names and numbers only, so that it is small, may be kept and may be sent back.
/// Reasons are payloads: `EXIT_PAYLOAD` is required, with which OTP sends none of the kinds that carry them here
/// (`erts/emulator/beam/dist.c`). Before it is negotiated it may, but then to processes of an earlier connection.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Signal {
    /// The payload is a message to one of our processes.
    Send { to: Pid },
    /// The payload is a message to a registered name.
    SendToName { name: Atom },
    /// A linked process ended, or somebody sends an exit signal.
    Exit { from: Pid, to: Pid },
    /// What we monitor ended.
    Down { to: Pid, reference: Reference },
    /// One of our processes, or a name, is to be monitored.
    Monitor { from: Pid, of: Term, reference: Reference },
    /// One of our processes is no more.
    Demonitor { of: Pid, reference: Reference },
    /// One of our processes is linked.
    Link { from: Pid, to: Pid },
    /// No more, which is to be acknowledged.
    Unlink { id: Term, from: Pid, to: Pid },
    /// The acknowledgement of ours.
    Unlinked { id: Term, from: Pid, to: Pid },
    /// A process is to start here.
    SpawnRequest { request: Reference, from: Pid },
    /// The process that we asked for, or why there is none.
    SpawnReply { request: Reference, to: Pid, result: Result<Pid, Atom> },
    /// What nobody here needs, or what has not the shape of its kind.
    Other,
}

impl Signal {
    /// What a control message says.
    pub(crate) fn read(control: &Term) -> Self {
        Self::known(control).unwrap_or(Self::Other)
    }

    fn known(control: &Term) -> Option<Self> {
        let parts = control.as_tuple()?;
        let pid = |index: usize| parts.get(index)?.as_pid().cloned();
        let reference = |index: usize| parts.get(index)?.as_reference().cloned();
        let id = |index: usize| parts.get(index).filter(|term| is_unlink_id(term)).cloned();
        let watched = |index: usize| {
            parts.get(index).filter(|term| matches!(term, Term::Pid(_) | Term::Atom(_))).cloned()
        };
        Some(match parts.first()?.as_integer()? {
            SEND | SEND_TT | SEND_SENDER | SEND_SENDER_TT => Self::Send { to: pid(2)? },
            REG_SEND | REG_SEND_TT => match parts.get(3)? {
                Term::Atom(name) => Self::SendToName { name: name.clone() },
                _ => return None,
            },
            PAYLOAD_EXIT | PAYLOAD_EXIT_TT | PAYLOAD_EXIT2 | PAYLOAD_EXIT2_TT => {
                Self::Exit { from: pid(1)?, to: pid(2)? }
            }
            PAYLOAD_MONITOR_P_EXIT => Self::Down { to: pid(2)?, reference: reference(3)? },
            MONITOR_P => Self::Monitor { from: pid(1)?, of: watched(2)?, reference: reference(3)? },
            DEMONITOR_P => Self::Demonitor { of: pid(2)?, reference: reference(3)? },
            LINK => Self::Link { from: pid(1)?, to: pid(2)? },
            UNLINK_ID => Self::Unlink { id: id(1)?, from: pid(2)?, to: pid(3)? },
            UNLINK_ID_ACK => Self::Unlinked { id: id(1)?, from: pid(2)?, to: pid(3)? },
            SPAWN_REQUEST | SPAWN_REQUEST_TT => Self::SpawnRequest { request: reference(1)?, from: pid(2)? },
            SPAWN_REPLY | SPAWN_REPLY_TT => {
                let result = match parts.get(4)? {
                    Term::Pid(pid) => Ok((**pid).clone()),
                    Term::Atom(why) => Err(why.clone()),
                    _ => return None,
                };
                Self::SpawnReply { request: reference(1)?, to: pid(2)?, result }
            }
            _ => return None,
        })
    }
}

/// 64 bits at most (OTP, "Distribution Protocol", `UNLINK_ID`).
fn is_unlink_id(term: &Term) -> bool {
    match term {
        Term::Integer(_) => true,
        Term::BigInteger(number) => number.bits() <= 64,
        _ => false,
    }
}

fn message(kind: i64, parts: impl IntoIterator<Item = Term>) -> Term {
    Term::tuple([Term::Integer(kind)].into_iter().chain(parts))
}

/// Where the protocol has something unused: the empty atom.
fn unused() -> Term {
    Term::atom("")
}

pub(crate) fn send(to: &Pid) -> Term {
    message(SEND, [unused(), to.clone().into()])
}

pub(crate) fn send_to_name(from: &Pid, name: &str) -> Term {
    message(REG_SEND, [from.clone().into(), unused(), Term::atom(name)])
}

pub(crate) fn monitor(from: &Pid, of: &Term, reference: &Reference) -> Term {
    message(MONITOR_P, [from.clone().into(), of.clone(), reference.clone().into()])
}

pub(crate) fn demonitor(from: &Pid, of: &Term, reference: &Reference) -> Term {
    message(DEMONITOR_P, [from.clone().into(), of.clone(), reference.clone().into()])
}

/// The answer to those who monitor `of`, which is no more. Its reason is the payload.
pub(crate) fn monitored_is_down(of: &Term, to: &Pid, reference: &Reference) -> Term {
    message(PAYLOAD_MONITOR_P_EXIT, [of.clone(), to.clone().into(), reference.clone().into()])
}

pub(crate) fn link(from: &Pid, to: &Pid) -> Term {
    message(LINK, [from.clone().into(), to.clone().into()])
}

pub(crate) fn unlink(id: &Term, from: &Pid, to: &Pid) -> Term {
    message(UNLINK_ID, [id.clone(), from.clone().into(), to.clone().into()])
}

pub(crate) fn unlinked(id: &Term, from: &Pid, to: &Pid) -> Term {
    message(UNLINK_ID_ACK, [id.clone(), from.clone().into(), to.clone().into()])
}

/// The end of a linked process of ours. Its reason is the payload.
pub(crate) fn exit(from: &Pid, to: &Pid) -> Term {
    message(PAYLOAD_EXIT, [from.clone().into(), to.clone().into()])
}

/// The arguments are the payload, a list.
pub(crate) fn spawn_request(
    request: &Reference,
    from: &Pid,
    group_leader: &Pid,
    function: (&str, &str, usize),
    options: Term,
) -> Term {
    let (module, name, arity) = function;
    let function = Term::tuple([Term::atom(module), Term::atom(name), Term::Integer(arity as i64)]);
    message(
        SPAWN_REQUEST,
        [request.clone().into(), from.clone().into(), group_leader.clone().into(), function, options],
    )
}

/// Nothing is started here.
pub(crate) fn spawn_refused(request: &Reference, from: &Pid) -> Term {
    message(
        SPAWN_REPLY,
        [request.clone().into(), from.clone().into(), Term::Integer(0), Term::atom("notsup")],
    )
}

/// The frame of a message, with its length.
///
/// # Errors
/// When a term has no external form that a node would take.
pub(crate) fn frame(control: &Term, payload: Option<&Term>) -> Result<Vec<u8>, EncodeError> {
    // the length, and a distribution header without atoms
    let mut frame = vec![0, 0, 0, 0, 131, 68, 0];
    encode_into(control, &mut frame)?;
    if let Some(payload) = payload {
        encode_into(payload, &mut frame)?;
    }
    let length = u32::try_from(frame.len() - 4).map_err(|_| EncodeError::TooLong)?;
    frame[..4].copy_from_slice(&length.to_be_bytes());
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pid(id: u32) -> Pid {
        Pid { node: Atom::new("a@h"), id, serial: 0, creation: 4 }
    }

    fn reference() -> Reference {
        Reference::new(Atom::new("a@h"), 4, &[1, 2, 3]).unwrap()
    }

    #[test]
    fn what_we_tell_is_what_a_peer_reads() {
        let (a, b, r) = (pid(1), pid(2), reference());
        let name = Term::atom("init");
        let read = |control| Signal::read(&control);
        assert_eq!(read(send(&b)), Signal::Send { to: b.clone() });
        assert_eq!(read(send_to_name(&a, "init")), Signal::SendToName { name: Atom::new("init") });
        assert_eq!(
            read(monitor(&a, &name, &r)),
            Signal::Monitor { from: a.clone(), of: name.clone(), reference: r.clone() }
        );
        assert_eq!(
            read(demonitor(&a, &b.clone().into(), &r)),
            Signal::Demonitor { of: b.clone(), reference: r.clone() }
        );
        assert_eq!(
            read(monitored_is_down(&name, &b, &r)),
            Signal::Down { to: b.clone(), reference: r.clone() }
        );
        assert_eq!(read(link(&a, &b)), Signal::Link { from: a.clone(), to: b.clone() });
        let id = Term::Integer(7);
        assert_eq!(
            read(unlink(&id, &a, &b)),
            Signal::Unlink { id: id.clone(), from: a.clone(), to: b.clone() }
        );
        assert_eq!(read(unlinked(&id, &a, &b)), Signal::Unlinked { id, from: a.clone(), to: b.clone() });
        assert_eq!(read(exit(&a, &b)), Signal::Exit { from: a.clone(), to: b.clone() });
        assert_eq!(
            read(spawn_request(&r, &a, &b, ("m", "f", 0), Term::list([]))),
            Signal::SpawnRequest { request: r.clone(), from: a.clone() }
        );
        assert_eq!(
            read(spawn_refused(&r, &a)),
            Signal::SpawnReply { request: r, to: a, result: Err(Atom::new("notsup")) }
        );
    }

    #[test]
    fn what_has_not_its_shape_is_not_needed() {
        let integers = |count| Term::tuple((0..count).map(Term::Integer));
        for control in [Term::Integer(2), integers(0), integers(3), message(SEND, []), message(MONITOR_P, [])]
        {
            assert_eq!(Signal::read(&control), Signal::Other, "{control:?}");
        }
    }

    #[test]
    fn what_would_be_kept_or_sent_back_is_small() {
        let (a, b, r) = (pid(1), pid(2), reference());
        let large = Term::list([Term::binary(vec![0; 1000])]);
        let [huge, largest] =
            &beam::text::consult(b"18446744073709551616. 18446744073709551615.").unwrap()[..]
        else {
            panic!("they are two")
        };
        let old = |kind, parts: &[Term]| message(kind, parts.iter().cloned());
        for control in [
            monitor(&a, &large, &r),
            demonitor(&a, &large, &r),
            unlink(&large, &a, &b),
            unlinked(huge, &a, &b),
            old(3, &[a.clone().into(), b.clone().into(), large.clone()]),
            old(21, &[a.clone().into(), b.clone().into(), r.clone().into(), large.clone()]),
        ] {
            assert_eq!(Signal::read(&control), Signal::Other, "{control:?}");
        }
        assert!(matches!(Signal::read(&unlink(largest, &a, &b)), Signal::Unlink { .. }));
    }
}
