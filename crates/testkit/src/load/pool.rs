//! Connections that are kept and used again.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use tokio::sync::{Semaphore, SemaphorePermit};

use super::client::Client;
use super::fault::Fault;
use super::link::Link;

/// So many connections at most; who comes when all are in use waits.
#[derive(Debug)]
pub(super) struct Pool {
    seats: Semaphore,
    idle: Mutex<VecDeque<Link>>,
}

/// The right to use one connection at a time.
#[derive(Debug)]
pub(super) struct Seat<'a> {
    pool: &'a Pool,
    _permit: SemaphorePermit<'a>,
}

impl Pool {
    pub(super) fn new(seats: u16) -> Pool {
        Pool { seats: Semaphore::new(seats.into()), idle: Mutex::default() }
    }

    pub(super) async fn seat(&self) -> Seat<'_> {
        let permit = self.seats.acquire().await.expect("the semaphore is never closed");
        Seat { pool: self, _permit: permit }
    }
}

impl Seat<'_> {
    /// The connection that lay idle longest: so each is used in turn. A new one where all have been closed.
    pub(super) async fn link(&self, client: &Client) -> Result<Link, Fault> {
        match self.idle(client) {
            Some(link) => Ok(link),
            None => Link::open(client).await,
        }
    }

    /// Keeps a connection whose answer has been read to its end, unless the server closes it.
    pub(super) async fn keep(&self, mut link: Link) {
        if link.is_ready_again().await {
            self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner).push_back(link);
        }
    }

    fn idle(&self, client: &Client) -> Option<Link> {
        let mut idle = self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let mut closed = 0;
        let found = loop {
            match idle.pop_front() {
                Some(link) if link.is_closed() => closed += 1,
                other => break other,
            }
        };
        client.tally.idle_closes(closed);
        found
    }
}
