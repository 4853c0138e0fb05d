//! The reader: from frames to whom they are for.

use beam::Term;
use beam::term::{Atom, Pid, Reference};
use tokio::io::AsyncRead;

use super::{Link, LinkEnd, net_kernel};
use crate::assembly::{Assembly, Message};
use crate::control::{self, Signal};
use crate::frames::{Frames, ReadError};
use crate::inbox::Arrival;
use crate::payload::Payload;

pub(super) async fn read(link: &Link, input: impl AsyncRead + Unpin) -> LinkEnd {
    let mut frames = Frames::new(input, link.limits.frame_bytes);
    let mut assembly = Assembly::new(link.limits);
    loop {
        let frame = match frames.next(|| link.pace.silence()).await {
            Ok(frame) => frame,
            Err(error) => return error.into(),
        };
        match assembly.take(frame) {
            Ok(None) => {}
            Ok(Some(message)) => link.take(message),
            Err(error) => return LinkEnd::Protocol(error),
        }
    }
}

impl From<ReadError> for LinkEnd {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Closed => Self::Closed,
            ReadError::Io(source) => Self::Broken(source),
            ReadError::Silence(silence) => Self::Silent(silence),
            ReadError::TooLong { length, most } => Self::FrameTooLong { length, most },
        }
    }
}

impl Link {
    /// Brings a message to whom it is for. What is for nobody is ignored, as in OTP: those may have ended meanwhile.
    fn take(&self, message: Message) {
        let payload = message.payload;
        match message.signal {
            Signal::Send { to } => self.take_message(&to, payload),
            Signal::SendToName { name } => {
                if let (net_kernel::NAME, Some(payload)) = (name.as_str(), payload) {
                    self.take_question(payload);
                }
            }
            Signal::Exit { from, to } => self.take_exit(from, &to, payload),
            Signal::Down { to, reference } => self.take_down(&to, reference, payload),
            Signal::Monitor { from, of, reference } => self.take_monitor(from, &of, reference),
            Signal::Demonitor { of, reference } => {
                if let Some(inbox) = self.mailbox_of(&of) {
                    inbox.ties(|ties| ties.watchers.remove(&reference));
                }
            }
            Signal::Link { from, to } => self.take_link(from, &to),
            Signal::Unlink { id, from, to } => {
                if let Some(inbox) = self.mailbox_of(&to) {
                    inbox.ties(|ties| ties.links.remove(&from));
                }
                self.answer(&control::unlinked(&id, &to, &from), None);
            }
            Signal::Unlinked { id, from, to } => {
                if let Some(inbox) = self.mailbox_of(&to) {
                    inbox.ties(|ties| {
                        if ties.unlinking.get(&from) == Some(&id) {
                            ties.unlinking.remove(&from);
                        }
                    });
                }
            }
            Signal::SpawnRequest { request, from } => {
                self.answer(&control::spawn_refused(&request, &from), None);
            }
            Signal::SpawnReply { request, to, result } => self.take_spawned(&request, &to, result),
            Signal::Other => {}
        }
    }

    fn mailbox_of(&self, pid: &Pid) -> Option<std::sync::Arc<crate::inbox::Inbox>> {
        self.routes.mailbox(self.number_of_pid(pid)?)
    }

    fn take_message(&self, to: &Pid, payload: Option<Payload>) {
        let (Some(number), Some(payload)) = (self.number_of_pid(to), payload) else { return };
        if let Some((inbox, payload)) = self.routes.mailbox_or_answer(number, payload) {
            inbox.put(Arrival::Message(payload));
        }
    }

    fn take_exit(&self, from: Pid, to: &Pid, reason: Option<Payload>) {
        let Some(inbox) = self.mailbox_of(to) else { return };
        let is_awaited = inbox.ties(|ties| {
            ties.links.remove(&from);
            !ties.unlinking.contains_key(&from)
        });
        if let (true, Some(reason)) = (is_awaited, reason) {
            inbox.put(Arrival::Exit { from, reason });
        }
    }

    fn take_down(&self, to: &Pid, reference: Reference, reason: Option<Payload>) {
        let Some(inbox) = self.mailbox_of(to) else { return };
        let is_monitored = inbox.ties(|ties| ties.monitors.remove(&reference).is_some());
        if let (true, Some(reason)) = (is_monitored, reason) {
            inbox.put(Arrival::Down { reference, reason });
        }
    }

    fn take_monitor(&self, from: Pid, of: &Term, reference: Reference) {
        if of.as_atom() == Some(net_kernel::NAME) {
            // it lives as long as the connection, whose end its node tells itself
            return;
        }
        let inbox = of.as_pid().and_then(|pid| self.mailbox_of(pid));
        let watches =
            inbox.is_some_and(|inbox| inbox.ties(|ties| ties.watch(reference.clone(), from.clone())));
        if !watches {
            let down = control::monitored_is_down(of, &from, &reference);
            self.answer(&down, Some(&Term::atom("noproc")));
        }
    }

    fn take_spawned(&self, request: &Reference, to: &Pid, result: Result<Pid, Atom>) {
        let Some(number) = self.number_of_reference(request) else { return };
        let started = result.as_ref().ok().cloned();
        if !self.routes.spawned(number, result)
            && let Some(pid) = started
        {
            // nobody waited that long: it runs, and is not monitored
            self.answer(&control::demonitor(to, &pid.into(), request), None);
        }
    }

    fn take_link(&self, from: Pid, to: &Pid) {
        let links = self.mailbox_of(to).is_some_and(|inbox| inbox.ties(|ties| ties.link(from.clone())));
        if !links {
            self.answer(&control::exit(to, &from), Some(&Term::atom("noproc")));
        }
    }
}
