//! Questions to one shim, each with a deadline.

use super::connection::{Ask, Ends, Events, Gone};
use super::{ShimError, ShimId};
use std::path::Path;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use wire::shim::{
    Ack, Answer, Command, End, Hello, QueryStatus, Release, Renew, Restart, RestartPolicy, Rotate, SetPolicy,
    SetRun, Start, Status, Stop, Tail, Welcome,
};

/// A shim answers at once unless the host is in trouble; past this its state is unknown, not gone.
pub(crate) const ANSWER: Duration = Duration::from_secs(10);
/// A released shim flushes its logs (5 s at most) before it ends.
const RELEASE: Duration = Duration::from_secs(10);

/// A connection to a shim, to ask. Clones share it; when the last is dropped it is closed, and the shim goes on.
#[derive(Debug, Clone)]
pub struct Handle {
    id: ShimId,
    asks: mpsc::Sender<Ask>,
    gone: watch::Receiver<Option<Gone>>,
}

impl Handle {
    pub(crate) fn new(id: ShimId, ends: Ends) -> (Self, Events) {
        (Self { id, asks: ends.asks, gone: ends.gone }, ends.events)
    }

    /// Whose handle this is.
    pub fn id(&self) -> &ShimId {
        &self.id
    }

    /// How the connection ended, if it has.
    pub fn gone(&self) -> Option<Gone> {
        *self.gone.borrow()
    }

    /// Starts the child; said twice with the same id it is done once.
    ///
    /// # Errors
    /// As all questions: refused, no answer in time (state unknown), connection closed.
    pub async fn start(&self, start: Start) -> Result<(), ShimError> {
        self.done("start", Command::Start(start)).await
    }

    /// SIGTERM, then after `within` SIGKILL to the whole tree (at once if zero). Returns when the shim has
    /// begun; the end is an `Exited` event, then `Stopped`.
    ///
    /// # Errors
    /// See [`Self::start`].
    pub async fn stop(&self, within: Duration) -> Result<(), ShimError> {
        self.done("stop", Command::Stop(Stop { timeout_ms: ms(within), ..Stop::default() })).await
    }

    /// As [`Self::stop`], with SIGTERM only after `asked`: the app is asked to end in another way, and its end is none that
    /// nobody asked for. A shim of before sends SIGTERM at once.
    ///
    /// # Errors
    /// See [`Self::start`].
    pub async fn expect_end(&self, within: Duration, asked: Duration) -> Result<(), ShimError> {
        let stop = Stop { timeout_ms: ms(within), asked_ms: ms(asked), ..Stop::default() };
        self.done("stop", Command::Stop(stop)).await
    }

    /// As [`Self::stop`]; its listening sockets, which another shim has taken over, are closed at once.
    ///
    /// # Errors
    /// See [`Self::start`].
    pub async fn leave(&self, within: Duration) -> Result<(), ShimError> {
        self.done("leave", Command::Stop(Stop { timeout_ms: ms(within), let_go: true, ..Stop::default() }))
            .await
    }

    /// A forced restart, in place: as [`Self::stop`], then a new run without waiting.
    ///
    /// # Errors
    /// See [`Self::start`].
    pub async fn restart(&self, within: Duration) -> Result<(), ShimError> {
        self.done("restart", Command::Restart(Restart { timeout_ms: ms(within) })).await
    }

    /// When it is started again.
    ///
    /// # Errors
    /// See [`Self::start`].
    pub async fn set_policy(&self, restart: RestartPolicy) -> Result<(), ShimError> {
        self.done("take a restart policy", Command::SetPolicy(SetPolicy { restart })).await
    }

    /// What is started from the next run on.
    ///
    /// # Errors
    /// See [`Self::start`]; a shim of before it refuses.
    pub async fn set_run(&self, run: SetRun) -> Result<(), ShimError> {
        self.done("take what it starts next", Command::SetRun(run)).await
    }

    /// What it is doing now.
    ///
    /// # Errors
    /// See [`Self::start`].
    pub async fn status(&self) -> Result<Status, ShimError> {
        match self.ask("tell its status", Command::Status(QueryStatus {})).await? {
            Answer::Status(status) => Ok(status),
            _ => Err(self.wrong("tell its status")),
        }
    }

    /// The newest output (both streams as they came), at most 16 kB.
    ///
    /// # Errors
    /// See [`Self::start`].
    pub async fn tail(&self, max_bytes: u32) -> Result<Vec<u8>, ShimError> {
        match self.ask("show its output", Command::Tail(Tail { max_bytes })).await? {
            Answer::Output(output) => Ok(output.bytes.0),
            _ => Err(self.wrong("show its output")),
        }
    }

    /// Begins new log files.
    ///
    /// # Errors
    /// See [`Self::start`].
    pub async fn rotate(&self) -> Result<(), ShimError> {
        self.done("rotate its logs", Command::Rotate(Rotate {})).await
    }

    /// All events up to `seq` are durable here; the shim need not keep them.
    ///
    /// # Errors
    /// See [`Self::start`].
    pub async fn ack(&self, seq: u64) -> Result<(), ShimError> {
        self.done("take an acknowledgement", Command::Ack(Ack { seq })).await
    }

    /// Everything is taken: the shim removes its run folder and ends as soon as it has no child. Returns when
    /// it is gone; its state folder is removed by [`super::ShimHost::forget`].
    ///
    /// # Errors
    /// See [`Self::start`]; [`ShimError::TimedOut`] while its child lives.
    pub async fn release(&self) -> Result<(), ShimError> {
        self.done("end", Command::Release(Release {})).await?;
        let mut gone = self.gone.clone();
        let ended = timeout(RELEASE, gone.wait_for(Option::is_some)).await;
        match ended {
            Ok(_) => Ok(()),
            Err(_) => Err(self.timed_out("end", RELEASE)),
        }
    }

    /// Has it go on as this program, which reads records of these formats; returns when the connection has ended, as it
    /// does when the shim has executed it.
    ///
    /// # Errors
    /// See [`Self::start`]; refused, the connection goes on.
    pub(crate) async fn renew(&self, program: &Path, formats: Vec<u32>) -> Result<(), ShimError> {
        const DOING: &str = "go on as another program";
        match self.ask(DOING, Command::Renew(Renew { program: program.to_owned(), formats })).await {
            Err(ShimError::Closed { .. }) => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(self.wrong(DOING)),
        }
    }

    /// Has the shim end, with its child in order; returns when it is gone. Its folders stay for [`super::Dead`].
    ///
    /// # Errors
    /// See [`Self::start`]; [`ShimError::TimedOut`] while its child lives after `within`.
    pub async fn end(&self, within: Duration) -> Result<(), ShimError> {
        const DOING: &str = "end with its child";
        self.done(DOING, Command::End(End {})).await?;
        let mut gone = self.gone.clone();
        match timeout(within, gone.wait_for(Option::is_some)).await {
            Ok(_) => Ok(()),
            Err(_) => Err(self.timed_out(DOING, within)),
        }
    }

    /// The first question on every connection.
    pub(crate) async fn hello(&self, hello: Hello) -> Result<Welcome, ShimError> {
        match self.ask("greet", Command::Hello(hello)).await? {
            Answer::Welcome(welcome) => Ok(welcome),
            _ => Err(self.wrong("greet")),
        }
    }

    async fn done(&self, doing: &'static str, command: Command) -> Result<(), ShimError> {
        match self.ask(doing, command).await? {
            Answer::Done(_) => Ok(()),
            _ => Err(self.wrong(doing)),
        }
    }

    async fn ask(&self, doing: &'static str, command: Command) -> Result<Answer, ShimError> {
        let answered = timeout(ANSWER, self.send(command)).await;
        match answered.map_err(|_| self.timed_out(doing, ANSWER))?? {
            Answer::Refused(refused) => {
                let (refusal, text) = (refused.refusal, refused.text);
                Err(ShimError::Refused { id: self.id.to_string(), doing, refusal, text })
            }
            answer => Ok(answer),
        }
    }

    async fn send(&self, command: Command) -> Result<Answer, ShimError> {
        let closed = || ShimError::Closed { id: self.id.to_string() };
        let (reply, answer) = oneshot::channel();
        self.asks.send(Ask { command, reply }).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    fn wrong(&self, doing: &'static str) -> ShimError {
        ShimError::WrongAnswer { id: self.id.to_string(), doing }
    }

    fn timed_out(&self, doing: &'static str, within: Duration) -> ShimError {
        ShimError::TimedOut { id: self.id.to_string(), doing, within }
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
