//! A connection to the proxy's control socket: one question at a time, each with a deadline; what comes unasked
//! waits until it is taken.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;
use wire::DecodeError;
use wire::frame;
use wire::proxy::{
    Answer, Certificate, Command, Drained, Health, Hello, PROTOCOL_VERSION, QueryReport, Refusal, Report,
    SOCKET_FILE, SetCertificates, SetTable, Table, Watch, Welcome,
};

use crate::unix_socket::connect_in;

/// The proxy answers from a thread of its own; a table is on its disk and on all cores within this, or something is
/// wrong with the host.
const ANSWER: Duration = Duration::from_secs(10);

/// Why the proxy was not asked, or did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nobody listens on its socket.
    #[error("could not connect to the proxy's socket in {folder}", folder = folder.display())]
    Connect {
        /// Its run folder.
        folder: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The connection broke.
    #[error("the connection to the proxy broke while it was asked to {doing}")]
    Broken {
        /// What was wanted.
        doing: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No answer in time: what became of it is unknown.
    #[error("the proxy did not {doing} within {}", model::human::duration(*.within))]
    TimedOut {
        /// What was wanted.
        doing: &'static str,
        /// For how long.
        within: Duration,
    },
    /// It said no.
    #[error("the proxy refused to {doing}: {text}")]
    Refused {
        /// What was wanted.
        doing: &'static str,
        /// The sort of reason.
        refusal: Refusal,
        /// The reason.
        text: String,
    },
    /// What was to be said is too long for a message.
    #[error("what the proxy needs in order to {doing} is too long for a message")]
    TooLong {
        /// What was wanted.
        doing: &'static str,
        /// How long it is.
        #[source]
        source: DecodeError,
    },
    /// It said something that makes no sense.
    #[error("the proxy sent something that is no message")]
    Nonsense(#[source] DecodeError),
    /// It answered something else than was asked.
    #[error("the proxy gave another answer than one to the question to {doing}")]
    WrongAnswer {
        /// What was wanted.
        doing: &'static str,
    },
}

/// What the proxy tells unasked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum News {
    /// Nothing of a draining instance is left.
    Drained(Drained),
    /// An instance's health changed.
    Health(Health),
}

/// A connection on which both have greeted each other.
#[derive(Debug)]
pub(crate) struct Control {
    stream: UnixStream,
    input: Vec<u8>,
    news: VecDeque<News>,
    last_request: u64,
}

impl Control {
    /// Connects to the proxy whose run folder this is, and greets it.
    pub(crate) async fn connect(folder: &Path, epoch: u64) -> Result<(Self, Welcome), ControlError> {
        let failed = |source| ControlError::Connect { folder: folder.to_owned(), source };
        let stream = connect_in(folder, SOCKET_FILE).await.map_err(failed)?;
        let mut control = Control { stream, input: Vec::new(), news: VecDeque::new(), last_request: 0 };
        let hello = Hello { min_version: 1, max_version: PROTOCOL_VERSION, epoch };
        match control.ask("greet", Command::Hello(hello)).await? {
            Answer::Welcome(welcome) => Ok((control, welcome)),
            _ => Err(ControlError::WrongAnswer { doing: "greet" }),
        }
    }

    /// Has the proxy serve by a table; returns when it is saved and all cores do.
    pub(crate) async fn set_table(&mut self, table: Table) -> Result<(), ControlError> {
        let (doing, revision) = ("serve by the new routes", table.revision);
        match self.ask(doing, Command::SetTable(SetTable { table })).await? {
            Answer::Applied(applied) if applied.revision == revision => Ok(()),
            _ => Err(ControlError::WrongAnswer { doing }),
        }
    }

    /// Has the proxy serve TLS with these certificates.
    pub(crate) async fn set_certificates(
        &mut self,
        certificates: Vec<Certificate>,
    ) -> Result<(), ControlError> {
        let command = Command::SetCertificates(SetCertificates { certificates });
        self.done("use the certificates", command).await
    }

    /// Has the proxy tell news, beginning with what is true now.
    pub(crate) async fn watch(&mut self) -> Result<(), ControlError> {
        self.done("tell news", Command::Watch(Watch {})).await
    }

    /// What the proxy has counted.
    pub(crate) async fn report(&mut self) -> Result<Report, ControlError> {
        match self.ask("report", Command::QueryReport(QueryReport {})).await? {
            Answer::Report(report) => Ok(report),
            _ => Err(ControlError::WrongAnswer { doing: "report" }),
        }
    }

    /// The next news; waits for it without a deadline. May be given up at any time.
    pub(crate) async fn news(&mut self) -> Result<News, ControlError> {
        const DOING: &str = "tell news";
        loop {
            if let Some(news) = self.news.pop_front() {
                return Ok(news);
            }
            match self.next(DOING).await? {
                (0, answer) => self.take_unasked(answer),
                // An answer that came too late for its question.
                _ => return Err(ControlError::WrongAnswer { doing: DOING }),
            }
        }
    }

    async fn done(&mut self, doing: &'static str, command: Command) -> Result<(), ControlError> {
        match self.ask(doing, command).await? {
            Answer::Done(_) => Ok(()),
            _ => Err(ControlError::WrongAnswer { doing }),
        }
    }

    async fn ask(&mut self, doing: &'static str, command: Command) -> Result<Answer, ControlError> {
        let late = |_| ControlError::TimedOut { doing, within: ANSWER };
        match timeout(ANSWER, self.ask_without_deadline(doing, command)).await.map_err(late)?? {
            Answer::Refused(refused) => {
                Err(ControlError::Refused { doing, refusal: refused.refusal, text: refused.text })
            }
            answer => Ok(answer),
        }
    }

    async fn ask_without_deadline(
        &mut self,
        doing: &'static str,
        command: Command,
    ) -> Result<Answer, ControlError> {
        self.last_request += 1;
        let mut bytes = Vec::new();
        let too_long = |source| ControlError::TooLong { doing, source };
        command.put_frame(self.last_request, &mut bytes).map_err(too_long)?;
        self.stream.write_all(&bytes).await.map_err(|source| ControlError::Broken { doing, source })?;
        loop {
            match self.next(doing).await? {
                (0, answer) => self.take_unasked(answer),
                (request, answer) if request == self.last_request => return Ok(answer),
                _ => return Err(ControlError::WrongAnswer { doing }),
            }
        }
    }

    fn take_unasked(&mut self, answer: Answer) {
        match answer {
            Answer::Drained(drained) => self.news.push_back(News::Drained(drained)),
            Answer::Health(health) => self.news.push_back(News::Health(health)),
            _ => {}
        }
    }

    /// The next message with the number of its question. What was read stays when this is given up.
    async fn next(&mut self, doing: &'static str) -> Result<(u64, Answer), ControlError> {
        loop {
            if let Some(message) = self.take_message()? {
                return Ok(message);
            }
            let read = self.stream.read_buf(&mut self.input).await;
            match read.map_err(|source| ControlError::Broken { doing, source })? {
                0 => {
                    let source = io::ErrorKind::UnexpectedEof.into();
                    return Err(ControlError::Broken { doing, source });
                }
                _ => continue,
            }
        }
    }

    fn take_message(&mut self) -> Result<Option<(u64, Answer)>, ControlError> {
        while let Some((frame, used)) = frame::split(&self.input).map_err(ControlError::Nonsense)? {
            let message = Answer::from_frame(&frame).map(|answer| Some((frame.request, answer?)));
            self.input.drain(..used);
            // A type that we do not know comes from a newer proxy, and is skipped.
            if let Some(message) = message.map_err(ControlError::Nonsense)? {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }
}
