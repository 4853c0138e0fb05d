//! A run: requests go out as the schedule says, on a thread of its own, until its time is over or it is stopped.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime;
use tokio::sync::{Mutex, Semaphore, mpsc};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::task::TaskTracker;

use super::client::Client;
use super::kind::Kind;
use super::plan::{Plan, PlanError};
use super::report::Report;
use super::schedule::{Schedule, Turn};
use super::{request, sockets, sse};

/// Messages that wait for a free WebSocket, at most: what is due beyond is not sent, and counted so.
const WAITING_MESSAGES: usize = 64;

/// After the last deadline of anything under way.
const GRACE: Duration = Duration::from_secs(10);

/// Why a load could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The plan cannot be carried out.
    #[error("the plan cannot be carried out")]
    Plan(#[from] PlanError),
    /// The host is no header's value.
    #[error("{host:?} cannot be a Host header")]
    Host {
        /// What was asked for.
        host: String,
        /// Why.
        #[source]
        source: hyper::header::InvalidHeaderValue,
    },
    /// The system gave no thread or no event queue.
    #[error("could not start the load's thread")]
    Thread(#[source] io::Error),
}

/// A running load. It is stopped when this is dropped; what is under way then ends first, within its deadlines.
#[derive(Debug)]
pub struct Load {
    client: Arc<Client>,
    thread: Option<JoinHandle<()>>,
}

impl Load {
    /// Starts to send. It needs no tokio runtime, and disturbs none.
    ///
    /// # Errors
    /// When the plan is refused or no thread can be had.
    pub fn start(plan: Plan) -> Result<Load, StartError> {
        plan.check()?;
        let host = plan.host();
        let client = Client::new(plan).map_err(|source| StartError::Host { host, source })?;
        let client = Arc::new(client);
        let runtime =
            runtime::Builder::new_current_thread().enable_all().build().map_err(StartError::Thread)?;
        let thread = thread::Builder::new()
            .name("load".to_owned())
            .spawn({
                let client = client.clone();
                move || runtime.block_on(run(client))
            })
            .map_err(StartError::Thread)?;
        Ok(Load { client, thread: Some(thread) })
    }

    /// What has been entered so far; requests under way are sent, and neither answered nor lost.
    #[must_use]
    pub fn report(&self) -> Report {
        Report::new(&self.client.plan, &self.client.tally)
    }

    /// Sends no more, waits for what is under way, and tells all. It blocks: in async code use [`Load::end`].
    #[must_use]
    pub fn stop(self) -> Report {
        self.client.stop.cancel();
        self.wait()
    }

    /// Waits until the plan has been carried out, and tells all. It blocks.
    #[must_use]
    pub fn wait(mut self) -> Report {
        self.join();
        self.report()
    }

    /// As [`Load::stop`], without blocking the caller's thread.
    ///
    /// # Panics
    /// When the runtime is shutting down.
    pub async fn end(self) -> Report {
        tokio::task::spawn_blocking(move || self.stop()).await.expect("the runtime lives")
    }

    /// As [`Load::wait`], without blocking the caller's thread.
    ///
    /// # Panics
    /// When the runtime is shutting down.
    pub async fn finish(self) -> Report {
        tokio::task::spawn_blocking(move || self.wait()).await.expect("the runtime lives")
    }

    fn join(&mut self) {
        if let Some(thread) = self.thread.take() {
            // a panic has been printed, and what it left open is unaccounted for in the report
            let _ = thread.join();
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.client.stop.cancel();
        self.join();
    }
}

async fn run(client: Arc<Client>) {
    let tasks = TaskTracker::new();
    let (messages, turns) = mpsc::channel(WAITING_MESSAGES);
    let turns = Arc::new(Mutex::new(turns));
    for _ in 0..client.plan.sse_clients {
        let client = client.clone();
        tasks.spawn(async move { sse::hold(&client).await });
    }
    for _ in 0..client.plan.web_sockets {
        let (client, turns) = (client.clone(), turns.clone());
        tasks.spawn(async move { sockets::hold(&client, &turns).await });
    }
    send(&client, &tasks, messages).await;
    client.stop.cancel();
    tasks.close();
    let longest = client.plan.connect_within + 2 * client.plan.answer_within + GRACE;
    // what is left then stays unaccounted for in the report, which says so
    let _ = timeout(longest, tasks.wait()).await;
    count_unsent(&client, &turns).await;
    client.tally.end();
}

/// Sends what is due until the plan is carried out or stopped.
async fn send(client: &Arc<Client>, tasks: &TaskTracker, messages: mpsc::Sender<Turn>) {
    let plan = &client.plan;
    let began = Instant::from_std(client.tally.began());
    let seats = Arc::new(Semaphore::new(plan.most_under_way.into()));
    for turn in Schedule::new(plan.rate, plan.lasts, &plan.weights) {
        tokio::select! {
            biased;
            () = client.stop.cancelled() => return,
            () = sleep_until(began + turn.due) => {}
        }
        client.tally.due();
        if turn.kind == Kind::WebSocket {
            if messages.try_send(turn).is_err() {
                client.tally.unsent();
            }
        } else if let Ok(seat) = seats.clone().try_acquire_owned() {
            let client = client.clone();
            tasks.spawn(async move {
                request::carry_out(&client, turn).await;
                drop(seat);
            });
        } else {
            client.tally.unsent();
        }
    }
    tokio::select! {
        () = client.stop.cancelled() => {}
        () = sleep_until(began + plan.lasts) => {}
    }
}

/// Messages that no socket took.
async fn count_unsent(client: &Client, turns: &Mutex<mpsc::Receiver<Turn>>) {
    let mut turns = turns.lock().await;
    while turns.try_recv().is_ok() {
        client.tally.unsent();
    }
}
