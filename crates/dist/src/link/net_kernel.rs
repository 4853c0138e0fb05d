//! What a peer asks our `net_kernel`, which every node has: whether the connection is authenticated.
//!
//! `net_adm:ping/1` asks `{is_auth, Node}` by `gen:call` and closes the connection unless the answer is `yes` (OTP,
//! `lib/kernel/src/net_adm.erl`). That call monitors the name first, so that it must look alive. Other calls are told that
//! nobody is there, by their monitor, so that nobody waits.

use beam::Term;
use beam::term::{Pid, Reference};

use super::Link;
use crate::control;
use crate::payload::Payload;

/// The registered name.
pub(super) const NAME: &str = "net_kernel";

/// Longest question that is read, bytes: a pid, a reference and a name.
const MOST_BYTES: usize = 2048;

/// `{'$gen_call', {Asker, Tag}, Request}`.
struct Question<'a> {
    asker: &'a Pid,
    tag: &'a Term,
    is_auth: bool,
}

impl Link {
    /// Answers the one question that there is an answer to, and refuses all others.
    pub(super) fn take_question(&self, question: Payload) {
        let Ok(question) = question.decode_here_within(MOST_BYTES) else { return };
        let Some(Question { asker, tag, is_auth }) = Question::read(&question) else { return };
        if is_auth {
            self.answer(&control::send(asker), Some(&Term::tuple([tag.clone(), Term::atom("yes")])));
        } else if let Some(monitor) = monitor_of(tag) {
            let down = control::monitored_is_down(&Term::atom(NAME), asker, monitor);
            self.answer(&down, Some(&Term::atom("noproc")));
        }
    }
}

impl<'a> Question<'a> {
    fn read(question: &'a Term) -> Option<Self> {
        let [kind, from, request] = question.as_tuple()? else { return None };
        let [asker, tag] = from.as_tuple()? else { return None };
        let asker = asker.as_pid().filter(|_| kind.as_atom() == Some("$gen_call"))?;
        let what = request.as_tuple().filter(|parts| parts.len() == 2).and_then(|parts| parts[0].as_atom());
        Some(Question { asker, tag, is_auth: what == Some("is_auth") })
    }
}

/// The monitor that `gen:call` has made: its tag is that reference, or `[alias | Reference]` since OTP 24.
fn monitor_of(tag: &Term) -> Option<&Reference> {
    match tag {
        Term::ImproperList(list) => list.1.as_reference(),
        tag => tag.as_reference(),
    }
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
        let asks = |question: Term| Question::read(&question).map(|it| it.is_auth);
        assert_eq!(asks(question("$gen_call", pid.clone().into(), "is_auth")), Some(true));
        assert_eq!(asks(question("$gen_call", pid.clone().into(), "spawn")), Some(false));
        assert_eq!(asks(question("$gen_cast", pid.into(), "is_auth")), None);
        assert_eq!(asks(question("$gen_call", Term::atom("pid"), "is_auth")), None);
        assert_eq!(asks(Term::atom("is_auth")), None);
    }
}
