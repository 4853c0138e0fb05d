//! A steady load on the app, through the proxy: `bellrock-load` as a program of its own, which accounts for every
//! request.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Requests a second.
pub(crate) const RATE: u32 = 200;

/// Longer than any demo: it ends when it is told to, or with us.
const SECONDS: u32 = 3600;

/// How often the counts come, in milliseconds.
const PROGRESS_MS: u32 = 100;

/// Requests counted since the last look.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) sent: u64,
    /// Sent again, because a kept connection was closed before any byte of the answer.
    pub(crate) sent_again: u64,
    pub(crate) lost: u64,
}

impl Counts {
    pub(crate) fn plus(self, other: Counts) -> Counts {
        Counts {
            sent: self.sent + other.sent,
            sent_again: self.sent_again + other.sent_again,
            lost: self.lost + other.lost,
        }
    }

    fn minus(self, other: Counts) -> Counts {
        Counts {
            sent: self.sent.saturating_sub(other.sent),
            sent_again: self.sent_again.saturating_sub(other.sent_again),
            lost: self.lost.saturating_sub(other.lost),
        }
    }

    /// Of a line of progress, or of the report at the end.
    fn read(line: &Value) -> Option<Counts> {
        let count = |key: &str| line[key].as_u64();
        Some(Counts { sent: count("sent")?, sent_again: count("idle_close_retries")?, lost: count("lost")? })
    }
}

/// The load; it ends when this is dropped.
pub(crate) struct Load {
    program: Child,
    told: Arc<Mutex<Told>>,
    taken: Counts,
    reader: Option<JoinHandle<()>>,
}

/// What the program has said.
#[derive(Default)]
struct Told {
    counts: Counts,
    last: Value,
}

/// How it ended.
pub(crate) struct End {
    /// Since the last look.
    pub(crate) counts: Counts,
    /// The first losses, in words.
    pub(crate) losses: Vec<String>,
}

impl Load {
    /// Begins to send requests of every kind that beacon answers.
    pub(crate) fn start(program: &Path, target: SocketAddr) -> Result<Load> {
        let mut command = Command::new(program);
        command
            .arg(target.to_string())
            .args(["--rate", &RATE.to_string(), "--seconds", &SECONDS.to_string()])
            .args(["--progress", &PROGRESS_MS.to_string(), "--json", "--until-eof", "--app", "beacon"]);
        Load::run(command).with_context(|| format!("could not start {}", program.display()))
    }

    fn run(mut command: Command) -> Result<Load> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let lines = child.stdout.take().context("its output is a pipe")?;
        let told = Arc::<Mutex<Told>>::default();
        let reader = thread::spawn({
            let told = told.clone();
            move || listen(lines, &told)
        });
        Ok(Load { program: child, told, taken: Counts::default(), reader: Some(reader) })
    }

    /// What was counted since the last look.
    pub(crate) fn take(&mut self) -> Counts {
        let all = locked(&self.told).counts;
        let new = all.minus(self.taken);
        self.taken = all;
        new
    }

    /// Ends it, once the requests under way have ended.
    pub(crate) fn end(mut self) -> Result<End> {
        self.stop();
        let last = locked(&self.told).last.take();
        ensure!(last["kinds"].is_object(), "the load ended without a report");
        let words = |loss: &Value| format!("{} {}: {}", loss["kind"], loss["sent"], loss["fault"]);
        let losses = last["losses"].as_array().into_iter().flatten().take(5).map(words).collect();
        Ok(End { counts: self.take(), losses })
    }

    fn stop(&mut self) {
        // the end of its input is what it waits for
        drop(self.program.stdin.take());
        if let Some(reader) = self.reader.take() {
            // a reader that panicked has said so
            let _ = reader.join();
        }
        let _ = self.program.wait();
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop();
    }
}

fn listen(lines: ChildStdout, told: &Mutex<Told>) {
    for line in BufReader::new(lines).lines().map_while(Result::ok) {
        let Ok(line) = serde_json::from_str::<Value>(&line) else { continue };
        let mut told = locked(told);
        if let Some(counts) = Counts::read(&line) {
            told.counts = counts;
        }
        told.last = line;
    }
}

/// A poisoned lock means that the reader panicked: what it had read is whole nevertheless.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program that prints this, then waits for the end of its input and prints that.
    fn load(first: &str, last: &str) -> Load {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("echo '{first}'; cat >/dev/null; echo '{last}'")]);
        let load = Load::run(shell).unwrap();
        while load.told.lock().unwrap().last.is_null() {
            thread::yield_now();
        }
        load
    }

    const FIRST: &str = r#"{"sent":10,"lost":1,"idle_close_retries":2}"#;

    #[test]
    fn counts_are_told_since_the_last_look() {
        let last = r#"{"sent":15,"lost":1,"idle_close_retries":3,"kinds":{},"losses":[{"kind":"sse","sent":"GET /sse","fault":"cut"}]}"#;
        let mut load = load(FIRST, last);
        assert_eq!(load.take(), Counts { sent: 10, sent_again: 2, lost: 1 });
        assert_eq!(load.take(), Counts::default());
        let end = load.end().unwrap();
        assert_eq!(end.counts, Counts { sent: 5, sent_again: 1, lost: 0 });
        assert_eq!(end.losses, [r#""sse" "GET /sse": "cut""#]);
    }

    #[test]
    fn a_load_without_a_report_at_its_end_is_an_error() {
        assert!(load(FIRST, "").end().is_err());
    }
}
