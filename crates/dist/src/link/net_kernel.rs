//! What a peer asks our `net_kernel`, which every node has: whether the connection is authenticated.
//!
//! `net_adm:ping/1` asks `{is_auth, Node}` by `gen:call` and closes the connection unless the answer is `yes` (OTP,
//! `lib/kernel/src/net_adm.erl`). That call monitors the name first, so that it must look alive.

use beam::Term;
use beam::term::Pid;

use super::Link;
use crate::control;
use crate::payload::Payload;

/// The registered name.
pub(super) const NAME: &str = "net_kernel";

/// Longest question that is read, bytes: a pid, a reference and a name.
const MOST_BYTES: usize = 2048;

impl Link {
    /// Answers the one question that there is an answer to.
    pub(super) fn take_question(&self, question: Payload) {
        let Ok(question) = question.decode_here_within(MOST_BYTES) else { return };
        if let Some((asker, tag)) = is_auth(&question) {
            self.answer(&control::send(asker), Some(&Term::tuple([tag.clone(), Term::atom("yes")])));
        }
    }
}

/// Who asks, and the tag of the answer, in `{'$gen_call', {Pid, Tag}, {is_auth, Node}}`.
fn is_auth(question: &Term) -> Option<(&Pid, &Term)> {
    let [kind, from, request] = question.as_tuple()? else { return None };
    let ([asker, tag], [what, _node]) = (from.as_tuple()?, request.as_tuple()?) else { return None };
    let asks = kind.as_atom() == Some("$gen_call") && what.as_atom() == Some("is_auth");
    asker.as_pid().filter(|_| asks).map(|asker| (asker, tag))
}

#[cfg(test)]
mod tests {
    use beam::term::Atom;

    use super::*;

    #[test]
    fn only_a_call_of_is_auth_is_one() {
        let pid = Pid { node: Atom::new("a@h"), id: 1, serial: 0, creation: 4 };
        let question = |kind: &str, asker: Term, what: &str| {
            let from = Term::tuple([asker, Term::atom("tag")]);
            Term::tuple([Term::atom(kind), from, Term::tuple([Term::atom(what), Term::atom("a@h")])])
        };
        let tag = Term::atom("tag");
        assert_eq!(is_auth(&question("$gen_call", pid.clone().into(), "is_auth")), Some((&pid, &tag)));
        assert_eq!(is_auth(&question("$gen_cast", pid.clone().into(), "is_auth")), None);
        assert_eq!(is_auth(&question("$gen_call", pid.into(), "spawn")), None);
        assert_eq!(is_auth(&question("$gen_call", Term::atom("pid"), "is_auth")), None);
        assert_eq!(is_auth(&Term::atom("is_auth")), None);
    }
}
