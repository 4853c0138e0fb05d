//! One connection of a daemon: frames in, answers and news out.

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;
use wire::frame;
use wire::proxy::{
    Answer, Applied, Command, Done, Hello, PROTOCOL_VERSION, Refusal, Refused, SetCertificates, SetTable,
    Welcome,
};

use super::{BadCertificates, Control, NotApplied};
use crate::log::{self, with_causes};

/// Serves until the daemon closes or says something that is no frame.
pub(super) async fn serve(control: Rc<Control>, stream: UnixStream) {
    let (reader, writer) = stream.into_split();
    let (answers, outbox) = mpsc::unbounded_channel();
    let (news, newsbox) = mpsc::unbounded_channel();
    let connection = Connection { control, answers, news, epoch: Cell::new(None) };
    // whichever ends first ends the other: a connection is of use in both directions only
    let ended = tokio::select! {
        ended = connection.read(reader) => ended,
        ended = write(outbox, newsbox, writer) => ended,
    };
    if let Err(error) = ended {
        log::line(format_args!("error: the daemon's connection ended: {error}"));
    }
}

struct Connection {
    control: Rc<Control>,
    /// Answers with the numbers of their requests.
    answers: mpsc::UnboundedSender<(u64, Answer)>,
    /// What nobody asked for.
    news: mpsc::UnboundedSender<Answer>,
    /// The daemon's, once it has said Hello.
    epoch: Cell<Option<u64>>,
}

const READ_BYTES: usize = 64 * 1024;

impl Connection {
    async fn read(&self, mut reader: OwnedReadHalf) -> io::Result<()> {
        let mut buffer = Vec::new();
        loop {
            loop {
                let (request, command, used) = match frame::split(&buffer) {
                    Ok(Some((frame, used))) => (frame.request, Command::from_frame(&frame), used),
                    Ok(None) => break,
                    Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
                };
                buffer.drain(..used);
                let answer = match command {
                    Ok(Some(command)) => self.take(command).await,
                    Ok(None) => refuse(Refusal::UnknownMessage, "the message is not known"),
                    Err(error) => refuse(Refusal::Invalid, error),
                };
                // it fails when the writer has ended, and that ends us
                let _ = self.answers.send((request, answer));
            }
            buffer.reserve(READ_BYTES);
            if reader.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        }
    }

    async fn take(&self, command: Command) -> Answer {
        if let Command::Hello(hello) = &command {
            return self.greet(hello);
        }
        match self.epoch.get() {
            None => return refuse(Refusal::NoHello, "Hello must come first"),
            Some(epoch) if epoch < self.control.epoch.get() => return self.outdated(epoch),
            Some(_) => {}
        }
        match command {
            Command::Hello(hello) => self.greet(&hello),
            Command::SetTable(SetTable { table }) => match self.control.apply(table).await {
                Ok(revision) => Answer::Applied(Applied { revision }),
                Err(error) => refused_table(&error),
            },
            Command::SetCertificates(certificates) => self.set_certificates(&certificates),
            Command::Watch(_) => {
                self.control.watch(self.news.clone());
                Answer::Done(Done {})
            }
            Command::QueryReport(_) => Answer::Report(self.control.report()),
        }
    }

    fn greet(&self, hello: &Hello) -> Answer {
        if hello.min_version > PROTOCOL_VERSION || hello.max_version < hello.min_version.max(1) {
            return refuse(
                Refusal::Version,
                format!(
                    "versions {} to {} are asked for, {PROTOCOL_VERSION} is spoken",
                    hello.min_version, hello.max_version
                ),
            );
        }
        if hello.epoch < self.control.epoch.get() {
            return self.outdated(hello.epoch);
        }
        self.control.epoch.set(hello.epoch);
        self.epoch.set(Some(hello.epoch));
        Answer::Welcome(Welcome {
            version: PROTOCOL_VERSION.min(hello.max_version),
            revision: self.control.serving.borrow().table.revision,
            pid: std::process::id(),
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            incarnation: self.control.incarnation,
        })
    }

    fn outdated(&self, epoch: u64) -> Answer {
        let heard = self.control.epoch.get();
        refuse(Refusal::Epoch, format!("a daemon of epoch {heard} has spoken, {epoch} is lower"))
    }

    fn set_certificates(&self, message: &SetCertificates) -> Answer {
        match self.control.set_certificates(message) {
            Ok(()) => Answer::Done(Done {}),
            Err(error) => {
                let refusal = match error {
                    BadCertificates::Unusable(_) => Refusal::Invalid,
                    BadCertificates::Save(_) => Refusal::Disk,
                };
                refuse(refusal, with_causes(&error))
            }
        }
    }
}

fn refuse(refusal: Refusal, text: impl ToString) -> Answer {
    Answer::Refused(Refused { refusal, text: text.to_string() })
}

fn refused_table(error: &NotApplied) -> Answer {
    let refusal = match error {
        NotApplied::Stale { .. } => Refusal::Revision,
        NotApplied::Bad(_) => Refusal::Invalid,
        NotApplied::Save(_) => Refusal::Disk,
        NotApplied::Thread => Refusal::Other,
    };
    refuse(refusal, with_causes(error))
}

async fn write(
    mut answers: mpsc::UnboundedReceiver<(u64, Answer)>,
    mut news: mpsc::UnboundedReceiver<Answer>,
    mut writer: OwnedWriteHalf,
) -> io::Result<()> {
    let mut bytes = Vec::new();
    loop {
        // answers first: what is told after Watch comes after its Done
        let (request, answer) = tokio::select! {
            biased;
            Some(answer) = answers.recv() => answer,
            Some(answer) = news.recv() => (0, answer),
            else => return Ok(()),
        };
        bytes.clear();
        let put = answer.put_frame(request, &mut bytes);
        put.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        writer.write_all(&bytes).await?;
    }
}
