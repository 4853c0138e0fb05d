//! The operator's side of a shell: the terminal, and a connection to the daemon that carries one JSON text a line.
//!
//! Lines are edited by [`editor`], in a thread of its own, only while the shell waits for one; else the terminal is as it
//! always is, and Ctrl-C is a signal.

mod editor;

use std::io::Write;
use std::os::fd::AsFd;

use api::AppName;
use api::console::{FromTerminal, Language, ShellEnded, ToTerminal};
use api::problem::Problem;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines, ReadHalf, WriteHalf, split};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::time::span_ms;
use editor::{Edited, Editor};

/// The terminal's columns and rows; those of old where there is none.
pub(crate) fn size() -> (u16, u16) {
    match tcgetwinsize(std::io::stdout()) {
        Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col, size.ws_row),
        _ => (80, 24),
    }
}

/// A shell from its first word to its last.
pub(crate) struct Session<'a> {
    output: &'a Output,
    app: &'a AppName,
    from: Lines<BufReader<ReadHalf<TokioIo<Upgraded>>>>,
    to: WriteHalf<TokioIo<Upgraded>>,
    editor: Editor,
    /// As the terminal was; put back at the end, when the editor may be in the middle of a line.
    before: Option<Termios>,
    is_terminal: bool,
    language: Language,
    /// As it was told last.
    size: (u16, u16),
    /// Nothing more is typed; what is still told is shown.
    has_left: bool,
    /// What is being asked for a line.
    prompt: Option<String>,
}

impl<'a> Session<'a> {
    pub(crate) fn new(
        connection: Upgraded,
        output: &'a Output,
        app: &'a AppName,
        is_terminal: bool,
    ) -> Result<Self, Failure> {
        let before = is_terminal.then(|| tcgetattr(std::io::stdin().as_fd())).transpose();
        let (from, to) = split(TokioIo::new(connection));
        Ok(Session {
            output,
            app,
            from: BufReader::new(from).lines(),
            to,
            editor: Editor::start(is_terminal)?,
            before: before.map_err(std::io::Error::from)?,
            is_terminal,
            language: Language::Erlang,
            size: size(),
            has_left: false,
            prompt: None,
        })
    }

    /// Goes on until the shell has ended, or we have.
    pub(crate) async fn run(mut self) -> Result<Exit, Failure> {
        let ended = self.converse().await;
        self.restore();
        ended
    }

    async fn converse(&mut self) -> Result<Exit, Failure> {
        let mut signals = Signals::new()?;
        loop {
            tokio::select! {
                line = self.from.next_line() => {
                    let line = line.map_err(|error| Failure::Lost(error.to_string()))?;
                    let Some(line) = line else {
                        return Err(Failure::Lost("bellrockd has ended the shell".to_owned()));
                    };
                    let told = serde_json::from_str(&line).map_err(|error| Failure::Answer(error.to_string()))?;
                    if let Some(exit) = self.take(told)? {
                        return Ok(exit);
                    }
                }
                edited = self.editor.next(), if !self.has_left => self.edited(edited).await?,
                heard = signals.next() => match heard {
                    Heard::Interrupt => self.say(&FromTerminal::Interrupt).await?,
                    Heard::End => return Ok(Exit::Interrupted),
                },
            }
        }
    }

    /// What the daemon told; the exit code when that was the last.
    fn take(&mut self, told: ToTerminal) -> Result<Option<Exit>, Failure> {
        match told {
            ToTerminal::Started { language, place, node, idle_ms } => {
                self.language = language;
                if self.is_terminal {
                    self.output.say(&greeting(language, self.app, place, &node, idle_ms));
                }
            }
            ToTerminal::Printed { text } => self.editor.print(&text, self.prompt.is_some())?,
            ToTerminal::Read { prompt } if self.prompt.is_none() => self.ask(prompt),
            ToTerminal::Read { .. } => {}
            ToTerminal::Completed { number, insert, names } => self.editor.completed(number, insert, names),
            ToTerminal::Ended { why } => return ended(why, self.output).map(Some),
        }
        Ok(None)
    }

    fn ask(&mut self, prompt: String) {
        self.editor.read(prompt.clone());
        self.prompt = Some(prompt);
    }

    async fn edited(&mut self, edited: Edited) -> Result<(), Failure> {
        let said = match edited {
            Edited::Question { number, before } => {
                return self.say(&FromTerminal::Complete { number, before }).await;
            }
            Edited::Line(text) if would_stop(self.language, &text) => {
                self.output
                    .say("not passed on: q() stops the node. Ctrl-D leaves; init:stop() stops the node.");
                let prompt = self.prompt.take().unwrap_or_default();
                self.ask(prompt);
                return Ok(());
            }
            Edited::Line(text) => {
                self.tell_size().await?;
                FromTerminal::Line { text }
            }
            Edited::Interrupt => FromTerminal::Interrupt,
            Edited::End => {
                self.has_left = true;
                FromTerminal::Leave
            }
        };
        self.prompt = None;
        self.say(&said).await
    }

    /// The signal for a new size is the editor's: it is looked at before each line.
    async fn tell_size(&mut self) -> Result<(), Failure> {
        let now = size();
        if std::mem::replace(&mut self.size, now) == now {
            return Ok(());
        }
        let (columns, rows) = now;
        self.say(&FromTerminal::Size { columns, rows }).await
    }

    async fn say(&mut self, what: &FromTerminal) -> Result<(), Failure> {
        let mut line = serde_json::to_vec(what).expect("it is made of texts and numbers");
        line.push(b'\n');
        let said = async {
            self.to.write_all(&line).await?;
            self.to.flush().await
        };
        said.await.map_err(|error: std::io::Error| Failure::Lost(error.to_string()))
    }

    fn restore(&self) {
        let Some(before) = &self.before else { return };
        // a terminal that has gone needs nothing
        let _ = tcsetattr(std::io::stdin().as_fd(), OptionalActions::Now, before);
        if self.prompt.is_some() {
            // the editor had asked for marks around what is pasted
            let _ = std::io::stdout().write_all(b"\x1b[?2004l\r\n").and_then(|()| std::io::stdout().flush());
        }
    }
}

fn greeting(language: Language, app: &AppName, place: u16, node: &str, idle_ms: Option<u64>) -> String {
    let (shell, stops) = match language {
        Language::Erlang => ("Erlang", "init:stop()"),
        Language::Elixir => ("IEx", "System.stop()"),
    };
    let idle =
        idle_ms.map(|ms| format!(" It ends after {} without a word.", span_ms(ms))).unwrap_or_default();
    format!(
        "{shell} in {app}/{place} ({node}). Ctrl-C ends what runs here, Ctrl-D leaves; {stops} stops the node.{idle}"
    )
}

/// In a shell of one's own it leaves, so that it is typed without a thought.
fn would_stop(language: Language, line: &str) -> bool {
    let words: String = line.chars().filter(|c| !c.is_whitespace()).collect();
    language == Language::Erlang && words == "q()."
}

fn ended(why: ShellEnded, output: &Output) -> Result<Exit, Failure> {
    match why {
        ShellEnded::Ended => Ok(Exit::Ok),
        ShellEnded::NoIex => {
            let detail = "Elixir does not run in this node; without --elixir there is Erlang's shell";
            Err(Failure::Problem(Problem::new("no-elixir", 409, detail)))
        }
        ShellEnded::Idle { for_ms } => {
            output.say(&format!("ended: nothing was typed and printed for {} (--idle)", span_ms(for_ms)));
            Ok(Exit::Ok)
        }
        ShellEnded::Stopping => Err(Failure::Lost("bellrockd stops; the node runs on".to_owned())),
        ShellEnded::Lost { reason } => Err(Failure::Lost(format!("the node was lost: {reason}"))),
    }
}

/// Signals that mean something to a shell.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

enum Heard {
    Interrupt,
    End,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Heard {
        tokio::select! {
            _ = self.interrupt.recv() => Heard::Interrupt,
            _ = self.terminate.recv() => Heard::End,
            _ = self.hangup.recv() => Heard::End,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_a_shell_elsewhere_does_not_stop_the_node() {
        assert!(would_stop(Language::Erlang, " q( ). "));
        assert!(!would_stop(Language::Elixir, "q()."));
        for passed_on in ["init:stop().", "q(1).", "Q = q"] {
            assert!(!would_stop(Language::Erlang, passed_on), "{passed_on}");
        }
    }

    #[test]
    fn ends_have_their_codes() {
        let output = Output::new(false);
        let code = |why| ended(why, &output).map_or_else(|failure| failure.exit().code(), Exit::code);
        assert_eq!(code(ShellEnded::Ended), 0);
        assert_eq!(code(ShellEnded::Idle { for_ms: 1000 }), 0);
        assert_eq!(code(ShellEnded::NoIex), 3);
        assert_eq!(code(ShellEnded::Stopping), 6);
        assert_eq!(code(ShellEnded::Lost { reason: String::new() }), 6);
    }
}
