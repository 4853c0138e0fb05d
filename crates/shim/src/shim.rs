//! The main thread: polls everything, never waits for anything else.

use crate::clock;
use crate::connection::{Connection, Request};
use crate::folders::Folders;
use crate::lend;
use crate::output::{Drained, Output};
use crate::renewal;
use crate::supervisor::{Refuse, Supervisor};
use crate::sys;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{self, SocketFlags};
use std::os::fd::OwnedFd;
use wire::field::Blob;
use wire::shim::renewal::{FORMAT, Renewal};
use wire::shim::saved::Saved;
use wire::shim::{
    self, Answer, Command, Done, Event, Hello, PROTOCOL_VERSION, Refusal, Renew, Stream, Welcome,
};

/// Connections at a time: one active daemon, its successor, and somebody who looks.
const MOST_CONNECTIONS: usize = 8;
/// After a failed accept (no descriptors left) the next attempt waits this long, in ms.
const ACCEPT_AGAIN_MS: u64 = 200;
/// Before it exits, the shim gives the writer this long, in ms.
const FLUSH_MS: u64 = 5_000;

/// The whole shim.
pub(crate) struct Shim {
    folders: Folders,
    signals: OwnedFd,
    listener: OwnedFd,
    accept_after: u64,
    connections: Vec<Connection>,
    supervisor: Supervisor,
    /// Highest epoch that spoke.
    epoch: u64,
    /// Pipes that have ended; asked no more, or poll would report them for ever.
    ended_pipes: Vec<(u64, Stream)>,
    released: bool,
    terminated: bool,
}

/// See [`Shim::parts`].
pub(crate) struct Parts {
    signals: OwnedFd,
    output: Output,
}

impl Parts {
    /// The shim as the program before has handed it over; daemons connect again.
    pub(crate) fn go_on(self, renewal: Renewal) -> Shim {
        let (epoch, listener) = (renewal.epoch, sys::own(renewal.listener));
        let folders = Folders::handed(renewal.folders.clone());
        let mut supervisor = Supervisor::handed(renewal, &folders, self.output);
        // Its end may have been told while nobody listened.
        supervisor.reap();
        Shim {
            signals: self.signals,
            listener,
            accept_after: 0,
            connections: Vec::new(),
            ended_pipes: Vec::new(),
            released: false,
            terminated: false,
            supervisor,
            epoch,
            folders,
        }
    }
}

/// What a polled descriptor is.
#[derive(Clone, Copy)]
enum Source {
    Signals,
    Listener,
    Pipe(Stream),
    Connection(usize),
}

impl Shim {
    /// Takes over signals, starts the writer, listens.
    pub(crate) fn new(folders: Folders) -> Result<Self, String> {
        let signals = sys::signal_descriptor().map_err(|error| format!("could not take signals: {error}"))?;
        let supervisor = Supervisor::new(folders.id.clone())?;
        let listener = folders.listen()?;
        Ok(Self {
            folders,
            signals,
            listener,
            accept_after: 0,
            connections: Vec::new(),
            supervisor,
            epoch: 0,
            ended_pipes: Vec::new(),
            released: false,
            terminated: false,
        })
    }

    /// What a shim needs anew in every program, and what can fail of going on.
    pub(crate) fn parts() -> Result<Parts, String> {
        let signals = sys::signal_descriptor().map_err(|error| format!("could not take signals: {error}"))?;
        Ok(Parts { signals, output: Output::new()? })
    }

    /// Until released or terminated, and the child is gone.
    pub(crate) fn run(mut self) {
        while !self.is_over() {
            for source in self.wait() {
                self.attend(source);
            }
            self.supervisor.tick();
            self.serve_connections();
        }
        self.supervisor.output.flush(FLUSH_MS);
        if self.released {
            self.folders.remove_run_folder();
        }
    }

    fn is_over(&self) -> bool {
        let unsaid = self.released && self.connections.iter().any(Connection::wants_to_write);
        (self.released || self.terminated) && self.supervisor.is_idle() && !unsaid
    }

    /// Waits until something is ready or due; returns what is ready.
    fn wait(&self) -> Vec<Source> {
        let now = clock::since_boot_ms();
        let (sources, mut polled) = self.sources(now);
        let timeout = self.deadline(now).map(|due| due.saturating_sub(now));
        let timeout = timeout.map(|ms| Timespec {
            tv_sec: i64::try_from(ms / 1000).unwrap_or(i64::MAX),
            tv_nsec: (ms % 1000) as i64 * 1_000_000,
        });
        match poll(&mut polled, timeout.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => return Vec::new(),
            // Out of kernel memory: nothing is known to be ready, so try all; each is non-blocking.
            Err(_) => return sources,
        }
        let ready = sources.iter().zip(&polled).filter(|(_, polled)| !polled.revents().is_empty());
        ready.map(|(source, _)| *source).collect()
    }

    fn sources(&self, now: u64) -> (Vec<Source>, Vec<PollFd<'_>>) {
        let mut all = vec![(Source::Signals, PollFd::new(&self.signals, PollFlags::IN))];
        if self.accept_after <= now {
            all.push((Source::Listener, PollFd::new(&self.listener, PollFlags::IN)));
        }
        let run = self.supervisor.run();
        for (stream, pipe) in self.supervisor.pipes().into_iter().flatten() {
            if !self.ended_pipes.contains(&(run, stream)) {
                all.push((Source::Pipe(stream), PollFd::from_borrowed_fd(pipe, PollFlags::IN)));
            }
        }
        for (index, connection) in self.connections.iter().enumerate() {
            let mut flags = if connection.closing { PollFlags::empty() } else { PollFlags::IN };
            flags.set(PollFlags::OUT, connection.wants_to_write());
            all.push((Source::Connection(index), PollFd::new(&connection.socket, flags)));
        }
        all.into_iter().unzip()
    }

    fn deadline(&self, now: u64) -> Option<u64> {
        let accept = (self.accept_after > now).then_some(self.accept_after);
        accept.into_iter().chain(self.supervisor.deadline()).min()
    }

    fn attend(&mut self, source: Source) {
        match source {
            Source::Signals => self.take_signals(),
            Source::Listener => self.accept(),
            Source::Pipe(stream) => self.drain(stream),
            Source::Connection(index) => self.hear(index),
        }
    }

    fn take_signals(&mut self) {
        let mut report = [0; sys::SIGNAL_REPORT];
        while let Ok(length) = rustix::io::read(&self.signals, &mut report) {
            if sys::asks_to_end(&report[..length]) && !self.terminated {
                self.terminated = true;
                self.supervisor.terminate();
            }
        }
        self.supervisor.reap();
    }

    fn drain(&mut self, stream: Stream) {
        if self.supervisor.drain(stream) == Drained::Ended {
            let run = self.supervisor.run();
            self.ended_pipes.retain(|(ended, _)| *ended == run);
            self.ended_pipes.push((run, stream));
        }
    }

    /// Only ourselves and root may speak: whoever does may run code as the app's user.
    fn accept(&mut self) {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        match net::accept_with(&self.listener, flags) {
            Ok(socket) => {
                let own = rustix::process::getuid();
                let allowed = net::sockopt::socket_peercred(&socket)
                    .is_ok_and(|peer| peer.uid == own || peer.uid.is_root());
                if allowed && self.connections.len() < MOST_CONNECTIONS {
                    self.connections.push(Connection::new(socket));
                }
            }
            Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => {}
            Err(_) => self.accept_after = clock::since_boot_ms() + ACCEPT_AGAIN_MS,
        }
    }

    fn hear(&mut self, index: usize) {
        let connection = &mut self.connections[index];
        let alive = connection.receive();
        loop {
            match self.connections[index].next_request() {
                Ok(Some(request)) => self.obey(index, request),
                Ok(None) => break,
                Err(error) => {
                    let connection = &mut self.connections[index];
                    connection.refuse(0, Refusal::Invalid, error.to_string());
                    connection.closing = true;
                }
            }
        }
        self.connections[index].closing |= !alive;
    }

    fn obey(&mut self, index: usize, request: Request) {
        let number = request.number;
        let answer = match request.command {
            Some(Command::Hello(hello)) => return self.greet(index, number, &hello),
            // Whoever may connect may also be us: no daemon's connection is taken over for it.
            Some(Command::Lend(_)) => return self.lend(index, number),
            _ if !self.connections[index].welcomed => Err((Refusal::NoHello, "say Hello first".to_owned())),
            Some(Command::Renew(renew)) => Err(self.renew(&renew)),
            Some(command) => self.execute(command),
            None => Err((Refusal::UnknownMessage, "this shim does not know that message".to_owned())),
        };
        let connection = &mut self.connections[index];
        match answer {
            Ok(answer) => connection.answer(number, &answer),
            Err((refusal, text)) => connection.refuse(number, refusal, text),
        }
    }

    fn greet(&mut self, index: usize, number: u64, hello: &Hello) {
        let refused = if !(hello.min_version..=hello.max_version).contains(&PROTOCOL_VERSION) {
            Some((Refusal::Version, format!("this shim speaks version {PROTOCOL_VERSION}")))
        } else if hello.epoch < self.epoch {
            Some((Refusal::Epoch, format!("a daemon of epoch {} has spoken before", self.epoch)))
        } else {
            None
        };
        if let Some((refusal, text)) = refused {
            let connection = &mut self.connections[index];
            connection.refuse(number, refusal, text);
            connection.closing = true;
            return;
        }
        self.epoch = hello.epoch;
        for (other, connection) in self.connections.iter_mut().enumerate() {
            if other != index && connection.welcomed {
                connection.refuse(0, Refusal::TakenOver, "another connection took over");
                connection.closing = true;
            }
        }
        let welcome = self.welcome();
        let connection = &mut self.connections[index];
        connection.welcomed = true;
        connection.cursor.offset = 0;
        connection.cursor.after = hello.after;
        connection.answer(number, &Answer::Welcome(welcome));
    }

    fn welcome(&self) -> Welcome {
        Welcome {
            version: PROTOCOL_VERSION,
            id: self.folders.id.clone(),
            boot_id: self.supervisor.boot_id.clone(),
            pid: std::process::id(),
            mark: self.supervisor.mark.clone(),
            status: self.supervisor.status(),
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// The only answer on its connection.
    fn lend(&mut self, index: usize, number: u64) {
        let connection = &mut self.connections[index];
        connection.closing = true;
        let (listen, sockets) = self.supervisor.listening();
        // It sees the end of the connection if this does not go.
        let _ = lend::lend(&connection.socket, number, listen, sockets);
    }

    /// Goes on as another program; returns why it does not.
    fn renew(&mut self, renew: &Renew) -> Refuse {
        if !renew.formats.contains(&FORMAT) {
            return (Refusal::Version, format!("that program does not read what this one writes: {FORMAT}"));
        }
        if self.released || self.terminated {
            return (Refusal::State, "this shim is ending".to_owned());
        }
        match self.supervisor.renewal(&self.folders) {
            Ok(renewal) => {
                let (epoch, listener) = (self.epoch, renewal::number(&self.listener));
                let renewal = Renewal { format: FORMAT, epoch, listener, ..renewal };
                (Refusal::Other, renewal::execute(&renewal, &renew.program))
            }
            Err(refuse) => refuse,
        }
    }

    fn execute(&mut self, command: Command) -> Result<Answer, Refuse> {
        let supervisor = &mut self.supervisor;
        match command {
            Command::Start(_) if self.released || self.terminated => {
                return Err((Refusal::State, "this shim is ending".to_owned()));
            }
            Command::Start(start) => supervisor.start(start, &self.folders)?,
            Command::Stop(stop) => {
                if stop.let_go {
                    supervisor.let_go();
                }
                supervisor.stop(stop.timeout_ms, stop.asked_ms);
            }
            Command::Restart(restart) => supervisor.restart(restart.timeout_ms)?,
            Command::SetPolicy(set) => supervisor.set_policy(set.restart)?,
            Command::SetRun(run) => supervisor.set_run(run)?,
            Command::Status(_) => return Ok(Answer::Status(supervisor.status())),
            Command::Tail(tail) => {
                let bytes = Blob(supervisor.output.tail(tail.max_bytes));
                return Ok(Answer::Output(shim::Output { bytes }));
            }
            Command::Rotate(_) => supervisor.output.rotate(),
            Command::Ack(ack) => {
                if let Some(log) = &mut supervisor.log {
                    log.acknowledge(ack.seq);
                }
            }
            Command::Release(_) => self.released = true,
            Command::End(_) => {
                self.terminated = true;
                supervisor.terminate();
            }
            Command::Hello(_) | Command::Lend(_) | Command::Renew(_) => {}
        }
        Ok(Answer::Done(Done {}))
    }

    /// Sends events and answers; forgets connections that are over.
    fn serve_connections(&mut self) {
        let log = self.supervisor.log.as_ref();
        self.connections.retain_mut(|connection| {
            while connection.takes_events()
                && let Some(event) = log.and_then(|log| next_event(connection, log))
            {
                connection.answer(0, &Answer::Event(event));
            }
            connection.send()
        });
    }
}

/// The next event that the connection has not seen.
fn next_event(connection: &mut Connection, log: &crate::event_log::EventLog) -> Option<Event> {
    let cursor = &mut connection.cursor;
    if cursor.generation != log.generation {
        (cursor.generation, cursor.offset) = (log.generation, 0);
    }
    while let Some((saved, next)) = log.read_at(cursor.offset) {
        cursor.offset = next;
        if let Saved::Event(event) = saved
            && event.seq > cursor.after
        {
            cursor.after = event.seq;
            return Some(event);
        }
    }
    None
}
