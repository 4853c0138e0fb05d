//! The acceptor: one thread takes the connections of all listening sockets and hands each to the core with the fewest.
//! (With SO_REUSEPORT the kernel would spread them badly, and lose those queued at a socket that is closed.)

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::SocketFlags;
use tokio::sync::mpsc;

use crate::core::{Accepted, Message, OpenConnection, Shared};
use crate::log;

/// A listening socket.
#[derive(Debug)]
pub struct Listener {
    /// The socket.
    pub socket: TcpListener,
    /// Whether TLS is spoken there.
    pub tls: bool,
}

/// Hands out connections.
#[derive(Debug)]
pub(crate) struct Acceptor {
    shared: Arc<Shared>,
    cores: Vec<mpsc::UnboundedSender<Message>>,
    listeners: Vec<Listener>,
    /// The last attempt failed, and that was told.
    failing: bool,
}

/// How soon accepting is tried again when there are too many connections or too few descriptors.
const AGAIN_AFTER: Duration = Duration::from_millis(10);
/// Idle connections that are closed at once when there are too many.
const CLOSE_AT_ONCE: usize = 16;

impl Acceptor {
    pub(crate) fn new(
        shared: Arc<Shared>,
        cores: Vec<mpsc::UnboundedSender<Message>>,
        listeners: Vec<Listener>,
    ) -> io::Result<Self> {
        for listener in &listeners {
            listener.socket.set_nonblocking(true)?;
        }
        Ok(Self { shared, cores, listeners, failing: false })
    }

    /// Accepts until the other end of `stop` is closed.
    pub(crate) fn run(mut self, stop: &OwnedFd) {
        loop {
            match self.wait(stop) {
                Ok(ready) if ready.stop => return,
                Ok(ready) => ready.listeners.into_iter().for_each(|index| self.accept(index)),
                Err(error) => self.fail(error),
            }
        }
    }

    fn wait(&self, stop: &OwnedFd) -> io::Result<Ready> {
        let sockets = self.listeners.iter().map(|listener| PollFd::new(&listener.socket, PollFlags::IN));
        let mut polled: Vec<PollFd<'_>> =
            [PollFd::new(stop, PollFlags::IN)].into_iter().chain(sockets).collect();
        rustix::io::retry_on_intr(|| poll(&mut polled, None))?;
        let mut ready = polled.iter().map(|polled| !polled.revents().is_empty());
        let stop = ready.next().unwrap_or(true);
        let listeners = ready.enumerate().filter(|(_, ready)| *ready).map(|(index, _)| index).collect();
        Ok(Ready { stop, listeners })
    }

    /// One connection of a socket that is ready, so that no socket keeps others waiting.
    fn accept(&mut self, index: usize) {
        self.wait_for_room();
        let listener = &self.listeners[index];
        match accept(&listener.socket) {
            Ok((stream, peer)) => {
                self.hand_out(stream, peer, listener.tls);
                self.failing = false;
            }
            // the client has gone while it waited
            Err(error)
                if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::WouldBlock) => {}
            Err(error) => self.fail(error),
        }
    }

    fn fail(&mut self, error: io::Error) {
        if !std::mem::replace(&mut self.failing, true) {
            log::line(format_args!("error: could not accept a connection: {error}"));
        }
        sleep(AGAIN_AFTER);
    }

    /// While there are too many connections, idle ones are closed, and new ones wait in the kernel's queue.
    fn wait_for_room(&self) {
        while self.shared.open() >= self.shared.max_connections.load(Ordering::Relaxed)
            && !self.shared.stopping.load(Ordering::Relaxed)
        {
            for core in &self.cores {
                // a core that has ended has no connections
                let _ = core.send(Message::CloseIdle(CLOSE_AT_ONCE));
            }
            sleep(AGAIN_AFTER);
        }
    }

    fn hand_out(&self, stream: TcpStream, peer: IpAddr, tls: bool) {
        self.shared.accepted.fetch_add(1, Ordering::Relaxed);
        let core = self.shared.least_loaded();
        let open = OpenConnection::new(&self.shared, core);
        // as above: it is then closed by being dropped
        let _ = self.cores[core].send(Message::Accepted(Accepted { stream, peer, tls, open }));
    }
}

struct Ready {
    stop: bool,
    listeners: Vec<usize>,
}

fn accept(listener: &TcpListener) -> io::Result<(TcpStream, IpAddr)> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let (socket, peer) = rustix::net::acceptfrom_with(listener, flags)?;
    let peer = peer.and_then(|peer| SocketAddr::try_from(peer).ok());
    let peer = peer.ok_or(io::ErrorKind::ConnectionAborted)?;
    Ok((socket.into(), peer.ip()))
}
