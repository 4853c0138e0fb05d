//! The process to which others print: it answers Erlang's I/O protocol (OTP, stdlib User's Guide, "The Erlang I/O
//! Protocol") and keeps what was printed. There is nothing to read from it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use beam::Term;
use beam::term::Pid;
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::PayloadError;
use crate::call::{Call, CallError};
use crate::chardata;
use crate::mailbox::{Event, Mailbox};

/// Most of what was printed and not taken that is kept, bytes.
const MOST_BYTES: usize = 256 << 10;
/// How long the node may take to format what it prints.
const FORMATTING: Duration = Duration::from_secs(5);
/// Most requests in one.
const MOST_REQUESTS: usize = 1024;

/// What processes print to this one. It ends when it is dropped.
#[derive(Debug)]
pub struct GroupLeader {
    pid: Pid,
    printed: Arc<Printed>,
    _stop: DropGuard,
}

/// Text that was printed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// It.
    pub text: String,
    /// How many bytes before it were dropped, as nobody took them in time or they could not be read: of requests that
    /// did not even come through, with what was around the text.
    pub dropped_bytes: u64,
}

#[derive(Debug, Default)]
struct Printed {
    state: Mutex<State>,
    more: Notify,
}

#[derive(Debug, Default)]
struct State {
    bytes: VecDeque<u8>,
    dropped_bytes: u64,
    has_ended: bool,
}

impl GroupLeader {
    pub(crate) fn start(mailbox: Mailbox, tasks: &TaskTracker) -> Self {
        let (stop, printed) = (CancellationToken::new(), Arc::new(Printed::default()));
        let pid = mailbox.pid();
        let server = Server { mailbox, printed: Arc::clone(&printed) };
        let until = stop.clone();
        tasks.spawn(async move { until.run_until_cancelled(server.serve()).await });
        Self { pid, printed, _stop: stop.drop_guard() }
    }

    /// To whom is to be printed: for [`Call::printing_to`].
    pub fn pid(&self) -> Pid {
        self.pid.clone()
    }

    /// What was printed since this was asked last; may be empty.
    pub fn take(&self) -> Output {
        self.printed.take()
    }

    /// Waits until something was printed; none when nothing comes any more.
    pub async fn next(&mut self) -> Option<Output> {
        loop {
            let more = self.printed.more.notified();
            let (output, has_ended) = (self.printed.take(), self.printed.has_ended());
            if output != Output::default() {
                return Some(output);
            }
            if has_ended {
                return None;
            }
            more.await;
        }
    }
}

impl Printed {
    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        // nothing that is done under it panics halfway
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn push(&self, text: &str) {
        self.with(|state| {
            let text = text.as_bytes();
            let unkept = text.len().saturating_sub(MOST_BYTES);
            state.bytes.extend(&text[unkept..]);
            let over = state.bytes.len().saturating_sub(MOST_BYTES);
            state.bytes.drain(..over);
            state.dropped_bytes += (unkept + over) as u64;
        });
        self.more.notify_one();
    }

    fn lost(&self, bytes: u64) {
        self.with(|state| state.dropped_bytes += bytes);
        self.more.notify_one();
    }

    fn take(&self) -> Output {
        let (bytes, dropped_bytes) =
            self.with(|state| (std::mem::take(&mut state.bytes), std::mem::take(&mut state.dropped_bytes)));
        // what was dropped may have ended inside a character
        Output { text: String::from_utf8_lossy(&Vec::from(bytes)).into_owned(), dropped_bytes }
    }

    fn has_ended(&self) -> bool {
        self.with(|state| state.has_ended)
    }

    fn end(&self) {
        self.with(|state| state.has_ended = true);
        self.more.notify_one();
    }
}

struct Server {
    mailbox: Mailbox,
    printed: Arc<Printed>,
}

impl Server {
    async fn serve(mut self) {
        loop {
            match self.mailbox.next().await {
                Event::Message(message) => self.answer(&message).await,
                Event::Dropped(dropped) => self.lost(dropped.bytes),
                Event::Unreadable(PayloadError::TooLarge(bytes)) => self.lost(bytes as u64),
                Event::Unreadable(PayloadError::Decode(_) | PayloadError::Ending) => self.lost(0),
                Event::NodeDown(_) => return self.printed.end(),
                // it monitors nothing, and does not end when somebody wants it to
                Event::Down { .. } | Event::Exit { .. } => {}
            }
        }
    }

    /// Who asked for what was lost is unknown, and waits for an answer or our end: so all who wait are told that.
    fn lost(&self, bytes: u64) {
        self.printed.lost(bytes);
        self.mailbox.leave_watchers();
    }

    /// Answers `{io_request, From, ReplyAs, Request}`.
    async fn answer(&self, message: &Term) {
        let Some([tag, Term::Pid(from), reply_as, request]) = message.as_tuple() else { return };
        if tag.as_atom() != Some("io_request") {
            return;
        }
        let result = self.perform(request).await;
        let reply = Term::tuple([Term::atom("io_reply"), reply_as.clone(), result]);
        // when it cannot be sent, the connection has ended, which the next event tells
        let _ = self.mailbox.send(from, &reply).await;
    }

    async fn perform(&self, request: &Term) -> Term {
        let requests = match request.as_tuple() {
            Some([tag, requests]) if tag.as_atom() == Some("requests") => requests.as_list(),
            _ => return self.perform_one(request).await,
        };
        let requests = requests.as_deref().unwrap_or_default();
        if requests.len() > MOST_REQUESTS {
            return error("request");
        }
        let mut result = Term::atom("ok");
        for request in requests {
            result = self.perform_one(request).await;
            if result.as_tuple().is_some() {
                break;
            }
        }
        result
    }

    async fn perform_one(&self, request: &Term) -> Term {
        let parts = request.as_tuple().unwrap_or_default();
        let kind = parts.first().and_then(Term::as_atom).unwrap_or_default();
        match (kind, parts) {
            ("put_chars", [_, _, text]) => self.print(text),
            ("put_chars", [_, _, module, function, arguments]) => {
                match self.format(module, function, arguments).await {
                    Ok(text) => self.print(&text),
                    Err(_) => error("put_chars"),
                }
            }
            ("get_line" | "get_chars" | "get_until" | "get_password", _) => Term::atom("eof"),
            ("getopts" | "setopts" | "get_geometry", _) => error("enotsup"),
            _ => error("request"),
        }
    }

    fn print(&self, text: &Term) -> Term {
        self.printed.push(&chardata::text(text));
        Term::atom("ok")
    }

    /// `io:format` leaves the formatting to whom it prints to; we leave it to the node.
    async fn format(&self, module: &Term, function: &Term, arguments: &Term) -> Result<Term, CallError> {
        let (module, function) =
            (module.as_atom().unwrap_or_default(), function.as_atom().unwrap_or_default());
        let arguments = arguments.as_list().unwrap_or_default();
        let call = Call::new(module, function, arguments.iter().cloned());
        self.mailbox.connection().call(&call, FORMATTING).await
    }
}

fn error(why: &str) -> Term {
    Term::tuple([Term::atom("error"), Term::atom(why)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_of_too_much_is_kept() {
        let printed = Printed::default();
        printed.push(&"x".repeat(MOST_BYTES));
        printed.push("end\u{e5}");
        let output = printed.take();
        assert!(output.text.ends_with("xend\u{e5}"));
        assert_eq!((output.text.len(), output.dropped_bytes), (MOST_BYTES, 5));
        assert_eq!(printed.take(), Output::default());
        printed.push("x");
        printed.push(&"y".repeat(3 * MOST_BYTES));
        let output = printed.take();
        assert_eq!((output.text.len(), output.dropped_bytes), (MOST_BYTES, 2 * MOST_BYTES as u64 + 1));
        assert!(!output.text.contains('x'));
    }
}
