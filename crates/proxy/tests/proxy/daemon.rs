//! The daemon's side of the control socket.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use wire::frame;
use wire::proxy::*;

use crate::rig::DEADLINE;

pub(crate) struct Daemon {
    stream: UnixStream,
    buffer: Vec<u8>,
    last: u64,
    /// What came unasked and was not looked at.
    news: VecDeque<Answer>,
    pub(crate) welcome: Welcome,
}

impl Daemon {
    /// Connects and says Hello.
    pub(crate) fn connect(run: &Path, epoch: u64) -> Self {
        let mut daemon = Self::connect_silently(run);
        let hello = Hello { min_version: 1, max_version: 1, epoch };
        match daemon.ask(Command::Hello(hello)) {
            Answer::Welcome(welcome) => daemon.welcome = welcome,
            other => panic!("{other:?}"),
        }
        daemon
    }

    pub(crate) fn connect_silently(run: &Path) -> Self {
        let stream = UnixStream::connect(run.join(SOCKET_FILE)).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let welcome = Welcome::default();
        Self { stream, buffer: Vec::new(), last: 0, news: VecDeque::new(), welcome }
    }

    /// Asks, and returns the answer to it.
    pub(crate) fn ask(&mut self, command: Command) -> Answer {
        self.last += 1;
        let mut bytes = Vec::new();
        command.put_frame(self.last, &mut bytes).unwrap();
        self.stream.write_all(&bytes).unwrap();
        loop {
            match self.read() {
                (0, news) => self.news.push_back(news),
                (request, answer) => {
                    assert_eq!(request, self.last);
                    return answer;
                }
            }
        }
    }

    pub(crate) fn send_raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The next frame, with its request's number.
    pub(crate) fn read(&mut self) -> (u64, Answer) {
        loop {
            if let Some((frame, used)) = frame::split(&self.buffer).unwrap() {
                let answer = Answer::from_frame(&frame).unwrap().unwrap();
                let request = frame.request;
                self.buffer.drain(..used);
                return (request, answer);
            }
            assert!(self.read_more() > 0, "the proxy has closed the connection");
        }
    }

    /// Bytes that came; 0: it was closed.
    pub(crate) fn read_more(&mut self) -> usize {
        let mut bytes = [0; 4096];
        let read = self.stream.read(&mut bytes).unwrap();
        self.buffer.extend_from_slice(&bytes[..read]);
        read
    }

    /// What came unasked next.
    pub(crate) fn news(&mut self) -> Answer {
        if let Some(news) = self.news.pop_front() {
            return news;
        }
        match self.read() {
            (0, news) => news,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn set_table(&mut self, table: &Table) -> Result<u64, Refused> {
        match self.ask(Command::SetTable(SetTable { table: table.clone() })) {
            Answer::Applied(applied) => Ok(applied.revision),
            Answer::Refused(refused) => Err(refused),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn watch(&mut self) {
        assert_eq!(self.ask(Command::Watch(Watch {})), Answer::Done(Done {}));
    }

    pub(crate) fn report(&mut self) -> Report {
        match self.ask(Command::QueryReport(QueryReport {})) {
            Answer::Report(report) => report,
            other => panic!("{other:?}"),
        }
    }
}
