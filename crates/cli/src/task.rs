//! Following a one-off task: its output is passed on, its end becomes our own; through restarts of the daemon.

use std::io::Write;
use std::time::Duration;

use api::AppName;
use api::log::Stream;
use api::task::{OutputQuery, Task, TaskEnd, TaskHow};
use http_body_util::BodyExt;
use hyper::Method;
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep};

use crate::client::Route;
use crate::commands::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

/// A daemon that is being replaced is back sooner.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two attempts to reach it.
const PAUSE: Duration = Duration::from_millis(250);

/// As timeout(1) says it.
const TIME_OVER: u8 = 124;

/// A task that is followed.
pub(crate) struct Following<'a> {
    pub(crate) context: &'a Context<'a>,
    pub(crate) app: &'a AppName,
    pub(crate) task: u64,
    /// Whether a signal that ends us shall end the task.
    pub(crate) ends_with_us: bool,
}

/// Asks until the daemon answers, for a while.
pub(crate) async fn patiently<T>(ask: impl AsyncFn() -> Result<T, Failure>) -> Result<T, Failure> {
    let give_up_at = Instant::now() + PATIENCE;
    loop {
        match ask().await {
            Err(failure) if failure.is_absence() && Instant::now() < give_up_at => sleep(PAUSE).await,
            answered => return answered,
        }
    }
}

impl Following<'_> {
    /// Passes on what it writes until it has ended.
    pub(crate) async fn run(self) -> Result<Exit, Failure> {
        let mut signals = Signals::new()?;
        let mut task = std::pin::pin!(self.pass_on());
        tokio::select! {
            task = &mut task => return self.ended(&task?, false),
            () = signals.next() => {}
        }
        if !self.ends_with_us {
            let (app, task) = (self.app, self.task);
            self.context
                .output
                .say(&format!("task {task} goes on; to end it: bellrock tasks {app} end {task}"));
            return Ok(Exit::Interrupted);
        }
        let ending = async {
            let ask = async || self.context.client.call::<Task>(Method::DELETE, self.route(&[])).await;
            if let Err(failure) = patiently(ask).await {
                self.context.output.failure(&failure);
            }
            task.await
        };
        tokio::select! {
            task = ending => self.ended(&task?, true),
            // Somebody does not want to wait for the end.
            () = signals.next() => Ok(Exit::Interrupted),
        }
    }

    async fn pass_on(&self) -> Result<Task, Failure> {
        tokio::try_join!(self.copy(Stream::Stdout), self.copy(Stream::Stderr))?;
        patiently(async || self.context.client.get(self.route(&[])).await).await
    }

    /// Copies one of its outputs; a connection that breaks is made again where it broke.
    async fn copy(&self, stream: Stream) -> Result<(), Failure> {
        let mut copy = Copy { output: self.context.output, stream, from: 0, line: Vec::new() };
        loop {
            let query = OutputQuery { stream, from: copy.from };
            let route = self.route(&["output"]).query(&query);
            let mut body = patiently(async || self.context.client.open(route.clone()).await).await?;
            loop {
                match body.frame().await {
                    Some(Ok(frame)) => {
                        if let Ok(bytes) = frame.into_data() {
                            copy.bytes(&bytes)?;
                        }
                    }
                    Some(Err(_)) => break,
                    None => return copy.end(),
                }
            }
            sleep(PAUSE).await;
        }
    }

    fn route(&self, rest: &[&str]) -> Route {
        let task = self.task.to_string();
        let segments: Vec<&str> = ["tasks", &task].iter().chain(rest).copied().collect();
        Route::app(self.app, &segments)
    }

    /// Says how it ended where its status does not, and gives that on.
    fn ended(&self, task: &Task, by_us: bool) -> Result<Exit, Failure> {
        let output = self.context.output;
        if output.json {
            output.record(task, |_| String::new());
        }
        let Some(end) = &task.end else {
            return Err(Failure::Answer(format!("task {} has ended, and does not say how", task.task)));
        };
        if let (Some(text), false) = (remark(task, end), output.json) {
            output.say(&text);
        }
        Ok(exit(end, by_us))
    }
}

fn remark(task: &Task, end: &TaskEnd) -> Option<String> {
    let reason = end.reason.as_deref().unwrap_or_default();
    let limit = api::human::duration(Duration::from_millis(task.limit_ms));
    Some(match end.how {
        TaskHow::Ended => return None,
        TaskHow::Signalled => format!("ended by signal {}", end.signal.unwrap_or_default()),
        TaskHow::TimeLimit => {
            format!("did not end within {limit} and was killed with all it had started (--time-limit)")
        }
        TaskHow::Halted => format!("task {} was ended", task.task),
        TaskHow::NotBegun => format!("did not begin: {reason}"),
        TaskHow::Unknown => format!("nobody knows how it ended: {reason}"),
    })
}

fn exit(end: &TaskEnd, by_us: bool) -> Exit {
    let low = |number: Option<i32>| u8::try_from(number.unwrap_or_default() & 0xff).unwrap_or(u8::MAX);
    match end.how {
        TaskHow::Ended => Exit::OfTask(low(end.status)),
        TaskHow::Signalled => Exit::OfTask(128 | low(end.signal)),
        TaskHow::TimeLimit => Exit::OfTask(TIME_OVER),
        TaskHow::Halted if by_us => Exit::Interrupted,
        TaskHow::Halted | TaskHow::NotBegun | TaskHow::Unknown => Exit::Failed,
    }
}

/// Where a stream goes: as it is, or line by line as JSON.
struct Copy<'a> {
    output: &'a Output,
    stream: Stream,
    /// Bytes taken so far.
    from: u64,
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
}

impl Copy<'_> {
    fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.from += bytes.len() as u64;
        if !self.output.json {
            return self.raw(bytes).map_err(Failure::from);
        }
        self.line.extend_from_slice(bytes);
        while let Some(end) = self.line.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.line.drain(..=end).collect();
            self.record(&line[..end]);
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Failure> {
        if !self.line.is_empty() {
            let line = std::mem::take(&mut self.line);
            self.record(&line);
        }
        Ok(())
    }

    /// A terminal or pipe that is slow slows us, and the daemon with us; the task goes on.
    fn raw(&self, bytes: &[u8]) -> std::io::Result<()> {
        match self.stream {
            Stream::Stdout => {
                let mut out = std::io::stdout().lock();
                out.write_all(bytes)?;
                out.flush()
            }
            Stream::Stderr => std::io::stderr().write_all(bytes),
        }
    }

    fn record(&self, line: &[u8]) {
        let line = json!({"stream": self.stream, "text": String::from_utf8_lossy(line)});
        self.output.record(&line, |_| String::new());
    }
}

/// Signals that end us.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_end_is_ours() {
        let end = |how, status, signal| TaskEnd {
            at: jiff::Timestamp::UNIX_EPOCH,
            how,
            status,
            signal,
            reason: None,
        };
        assert_eq!(exit(&end(TaskHow::Ended, Some(7), None), false).code(), 7);
        assert_eq!(exit(&end(TaskHow::Ended, Some(7), None), true).code(), 7, "it came to its end before");
        assert_eq!(exit(&end(TaskHow::Signalled, None, Some(9)), false).code(), 137);
        assert_eq!(exit(&end(TaskHow::TimeLimit, None, None), false).code(), 124);
        assert_eq!(exit(&end(TaskHow::Halted, None, None), true).code(), 130);
        assert_eq!(exit(&end(TaskHow::Halted, None, None), false).code(), 1);
    }
}
