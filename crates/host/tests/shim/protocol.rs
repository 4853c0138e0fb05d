//! What a shim answers to daemons that are too new, too early, or not daemons at all.

use crate::support::{Host, Shim};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use wire::frame;
use wire::shim::{Answer, Command, Hello, QueryStatus, Refusal, State};

/// A connection without the driver's good manners.
struct Raw(UnixStream);

impl Raw {
    fn new(host: &Host) -> Self {
        let stream = UnixStream::connect(host.path("run/a/sock")).unwrap();
        stream.set_read_timeout(Some(crate::support::LONG)).unwrap();
        Self(stream)
    }

    fn say(&mut self, command: Command) -> &mut Self {
        let mut bytes = Vec::new();
        command.put_frame(5, &mut bytes).unwrap();
        self.0.write_all(&bytes).unwrap();
        self
    }

    fn hello(&mut self, min_version: u32, max_version: u32) -> &mut Self {
        self.say(Command::Hello(Hello { min_version, max_version, epoch: 1, after: 0 }))
    }

    fn answer(&mut self) -> (u64, Answer) {
        let mut bytes = Vec::new();
        let mut byte = [0];
        loop {
            self.0.read_exact(&mut byte).unwrap();
            bytes.push(byte[0]);
            if let Some((frame, _)) = frame::split(&bytes).unwrap() {
                return (frame.request, Answer::from_frame(&frame).unwrap().unwrap());
            }
        }
    }

    fn refusal(&mut self) -> Refusal {
        match self.answer() {
            (_, Answer::Refused(refused)) => refused.refusal,
            other => panic!("{other:?}"),
        }
    }

    fn is_closed(&mut self) -> bool {
        self.0.read(&mut [0; 64]).unwrap() == 0
    }
}

async fn unharmed(shim: &Shim) {
    assert_eq!(shim.state().await, State::Waiting);
}

#[tokio::test]
async fn versions_are_agreed_upon() {
    let host = Host::new();
    host.spawn("a").await;
    let mut newer = Raw::new(&host);
    assert_eq!(newer.hello(2, 9).refusal(), Refusal::Version);
    assert!(newer.is_closed());
    match Raw::new(&host).hello(1, 9).answer() {
        (5, Answer::Welcome(welcome)) => assert_eq!((welcome.version, welcome.id.as_str()), (1, "a")),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn hello_comes_first_and_unknown_messages_are_said_to_be() {
    let host = Host::new();
    host.spawn("a").await;
    let mut raw = Raw::new(&host);
    assert_eq!(raw.say(Command::Status(QueryStatus {})).refusal(), Refusal::NoHello);
    assert!(matches!(raw.hello(1, 1).answer(), (5, Answer::Welcome(_))));
    let mut bytes = Vec::new();
    frame::put(999, 6, |_| {}, &mut bytes).unwrap();
    raw.0.write_all(&bytes).unwrap();
    match raw.answer() {
        (6, Answer::Refused(refused)) => assert_eq!(refused.refusal, Refusal::UnknownMessage),
        other => panic!("{other:?}"),
    }
    assert!(
        matches!(raw.say(Command::Status(QueryStatus {})).answer(), (5, Answer::Status(_))),
        "it goes on"
    );
}

#[tokio::test]
async fn nonsense_ends_its_own_connection_only() {
    let host = Host::new();
    let shim = host.spawn("a").await;
    let mut huge = Raw::new(&host);
    huge.0.write_all(&[0xff; 64]).unwrap();
    assert_eq!(huge.refusal(), Refusal::Invalid);
    let mut cut = Raw::new(&host);
    cut.0.write_all(&[9, 0]).unwrap();
    drop(cut);
    unharmed(&shim).await;
}

#[tokio::test]
async fn a_daemon_that_never_reads_cannot_stall_it() {
    let host = Host::new();
    host.spawn("a").await;
    let mut raw = Raw::new(&host);
    raw.hello(1, 1).answer();
    let mut question = Vec::new();
    Command::Status(QueryStatus {}).put_frame(5, &mut question).unwrap();
    let questions = question.repeat(10_000);
    // Its answers (some 1 MB) are not read; past its limit the shim closes this connection.
    while raw.0.write_all(&questions).is_ok() {}
    unharmed(&host.spawn("a").await).await;
}
