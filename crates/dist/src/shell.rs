//! A shell in a node, IEx or Erlang's, whose terminal we are.
//!
//! In the node runs a process that is the shell's group leader and passes on what it prints and asks for; lines are
//! edited on our side. So it works for every release, needs no program and no cookie of the operator's, and nothing that
//! happens to our side reaches the node as the end of its input, which would stop it: the shell is killed instead, with
//! its evaluator, when we leave, are dropped, or lose the connection.

use std::time::Duration;

use beam::Term;
use beam::term::Pid;

use crate::chardata;
use crate::eval::bindings;
use crate::evaluation::Language;
use crate::mailbox::{Event, Mailbox, SpawnError, TellError};
use crate::reason::shown;
use crate::{CallError, PrepareError};

/// What runs in the node.
const AGENT: &str = include_str!("shell/agent.txt");

/// What a shell is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShellPlan {
    /// Its language; when there is none, Elixir where it runs, or else Erlang.
    pub language: Option<Language>,
    /// The terminal's size.
    pub size: TerminalSize,
}

/// How large a terminal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalSize {
    /// Characters in a line.
    pub columns: u16,
    /// Lines.
    pub rows: u16,
}

/// What comes from a shell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShellEvent {
    /// It begins: first of all.
    Started(Language),
    /// It printed this. Until the next event is asked for, it prints no more than 256 KB.
    Printed(String),
    /// It waits for a line.
    Read {
        /// What it says for that.
        prompt: String,
    },
    /// What may follow a text.
    Completed(Completed),
    /// Nothing more comes.
    Ended(ShellEnd),
}

/// The answer to [`Shell::complete`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completed {
    /// The number that was given.
    pub number: u64,
    /// What certainly follows; may be empty.
    pub insert: String,
    /// What may follow: at most 200 names.
    pub names: Vec<String>,
}

/// How a shell ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShellEnd {
    /// By itself.
    Ended,
    /// [`Shell::leave`].
    Left,
    /// There is no IEx.
    NoIex,
    /// The connection or our process there ended.
    Lost(String),
}

/// Why there is no shell.
#[derive(Debug, thiserror::Error)]
pub enum ShellError {
    /// The node does not parse what is to run there.
    #[error("the node could not prepare the shell")]
    Prepare(#[from] PrepareError),
    /// The node does not start it.
    #[error("the node could not start the shell")]
    Spawn(#[from] SpawnError),
    /// There is no connection.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// A shell that runs. It is killed when it is dropped.
#[derive(Debug)]
pub struct Shell {
    mailbox: Mailbox,
    agent: Pid,
    /// What was printed and taken, which the node is to be told: bytes.
    owed: usize,
    /// The beginning of a character whose end comes with what is printed next.
    partial: Vec<u8>,
    has_ended: bool,
}

impl Shell {
    pub(crate) async fn start(
        mailbox: Mailbox,
        plan: ShellPlan,
        within: Duration,
    ) -> Result<Self, ShellError> {
        let agent = mailbox.connection().prepare(AGENT, within).await?;
        let agent = mailbox.spawn(&agent.call(plan.bindings(&mailbox)), within).await?.pid;
        Ok(Self { mailbox, agent, owed: 0, partial: Vec::new(), has_ended: false })
    }

    /// What comes next; none after the end. Asking says that what came before was taken.
    pub async fn next(&mut self) -> Option<ShellEvent> {
        if self.has_ended {
            return None;
        }
        if self.owed > 0 {
            // when it cannot be told, the connection has ended, which the next event tells
            let _ = self.tell("took", [integer(self.owed)]).await;
            self.owed = 0;
        }
        loop {
            let end = match self.mailbox.next().await {
                Event::Message(message) => match self.read(&message) {
                    Some(event) => return Some(event),
                    None => continue,
                },
                Event::Down { reason, .. } => read_end(&reason),
                Event::NodeDown(end) => ShellEnd::Lost(end.to_string()),
                Event::Unreadable(_) | Event::Exit { .. } | Event::Dropped(_) => continue,
            };
            self.has_ended = true;
            return Some(ShellEvent::Ended(end));
        }
    }

    /// Gives it a line, which it need not have asked for yet.
    ///
    /// # Errors
    /// When there is no connection any more.
    pub async fn line(&self, line: &str) -> Result<(), TellError> {
        self.tell("line", [Term::binary(format!("{line}\n"))]).await
    }

    /// Ends what it evaluates, or what it was given of an expression.
    ///
    /// # Errors
    /// When there is no connection any more.
    pub async fn interrupt(&self) -> Result<(), TellError> {
        self.tell("interrupt", []).await
    }

    /// The terminal has another size.
    ///
    /// # Errors
    /// When there is no connection any more.
    pub async fn resize(&self, size: TerminalSize) -> Result<(), TellError> {
        self.tell("size", [Term::Integer(size.columns.into()), Term::Integer(size.rows.into())]).await
    }

    /// Asks what may follow a text; a [`ShellEvent::Completed`] with this number answers, unless that hangs.
    ///
    /// # Errors
    /// When there is no connection any more.
    pub async fn complete(&self, number: u64, before: &str) -> Result<(), TellError> {
        let number = Term::Integer(i64::try_from(number).unwrap_or(i64::MAX));
        self.tell("complete", [number, Term::binary(before.to_owned())]).await
    }

    /// Asks it to end.
    ///
    /// # Errors
    /// When there is no connection any more: then it ends as well.
    pub async fn leave(&self) -> Result<(), TellError> {
        self.tell("leave", []).await
    }

    async fn tell<const N: usize>(&self, what: &str, with: [Term; N]) -> Result<(), TellError> {
        let what = match N {
            0 => Term::atom(what),
            _ => Term::tuple([Term::atom(what)].into_iter().chain(with)),
        };
        self.mailbox.send(&self.agent, &Term::tuple([Term::atom("bellrock_shell"), what])).await
    }

    /// What is in `{bellrock_shell, It}`.
    fn read(&mut self, message: &Term) -> Option<ShellEvent> {
        let [tag, what] = message.as_tuple()? else { return None };
        let [kind, with @ ..] = what.as_tuple()? else { return None };
        match (tag.as_atom()?, kind.as_atom()?, with) {
            ("bellrock_shell", "started", [language]) => {
                Some(ShellEvent::Started(match language.as_atom()? {
                    "elixir" => Language::Elixir,
                    _ => Language::Erlang,
                }))
            }
            ("bellrock_shell", "out", [Term::Binary(bytes)]) => Some(self.printed(bytes)),
            ("bellrock_shell", "read", [prompt]) => Some(ShellEvent::Read { prompt: chardata::text(prompt) }),
            ("bellrock_shell", "completed", [Term::Integer(number), insert, names]) => {
                Some(ShellEvent::Completed(Completed {
                    number: u64::try_from(*number).ok()?,
                    insert: chardata::text(insert),
                    names: names.as_list()?.iter().map(chardata::text).collect(),
                }))
            }
            _ => None,
        }
    }

    fn printed(&mut self, bytes: &[u8]) -> ShellEvent {
        self.owed += bytes.len();
        self.partial.extend_from_slice(bytes);
        let whole = match std::str::from_utf8(&self.partial) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => self.partial.len(),
        };
        let rest = self.partial.split_off(whole);
        let text = std::mem::replace(&mut self.partial, rest);
        ShellEvent::Printed(String::from_utf8_lossy(&text).into_owned())
    }
}

impl ShellPlan {
    fn bindings(&self, mailbox: &Mailbox) -> Term {
        let language = match self.language {
            None => "any",
            Some(Language::Erlang) => "erlang",
            Some(Language::Elixir) => "elixir",
        };
        bindings([
            ("Dest", Term::from(mailbox.pid())),
            ("Language", Term::atom(language)),
            ("Columns", Term::Integer(self.size.columns.into())),
            ("Rows", Term::Integer(self.size.rows.into())),
        ])
    }
}

fn integer(number: usize) -> Term {
    Term::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

/// `Why` in `{bellrock_shell, Why}`.
fn read_end(reason: &Term) -> ShellEnd {
    match reason.as_tuple() {
        Some([tag, why]) if tag.as_atom() == Some("bellrock_shell") => match why.as_atom() {
            Some("ended") => ShellEnd::Ended,
            Some("left") => ShellEnd::Left,
            Some("no_iex") => ShellEnd::NoIex,
            _ => ShellEnd::Lost(shown(why)),
        },
        _ => ShellEnd::Lost(shown(reason)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_told_apart() {
        let end = |why: &str| read_end(&Term::tuple([Term::atom("bellrock_shell"), Term::atom(why)]));
        assert_eq!(
            (end("ended"), end("left"), end("no_iex")),
            (ShellEnd::Ended, ShellEnd::Left, ShellEnd::NoIex)
        );
        assert_eq!(read_end(&Term::atom("killed")), ShellEnd::Lost("killed".to_owned()));
    }
}
