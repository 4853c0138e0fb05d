//! The owner task of one app.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use model::EffectId;
use model::app::{App, Effect, Event, Level, NotTaken, Note, Outcome, Stepped};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use tracing::{Instrument, debug, error, info, warn};

use crate::effects::Order;
use crate::handle::{AppHandle, Letter, Unreached};
use crate::mistakes::{Mistake, makes};
use crate::{Clock, Doer, Journal, Partners, Turn};

/// Facts wait here while a turn is being made durable; senders wait when it is full.
const INBOX: usize = 256;

/// Wait between attempts to journal a fact that must not be lost.
const JOURNAL_RETRY: Duration = Duration::from_secs(1);

/// Wait after a tick that changed nothing, which should not be: it keeps a mistake from taking a core.
const IDLE_TICK: Duration = Duration::from_millis(100);

/// The owner of one app's state.
pub(crate) struct AppEngine<J, D, C> {
    app: Arc<App>,
    partners: Arc<Partners<J, D, C>>,
    inbox: mpsc::Receiver<Letter>,
    /// Facts that arrived while a turn could not be journalled; at most as many as the inbox holds.
    backlog: VecDeque<Letter>,
    to_self: mpsc::WeakSender<Letter>,
    snapshot: watch::Sender<Arc<App>>,
    order: Order,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl<J: Journal, D: Doer, C: Clock> AppEngine<J, D, C> {
    /// An engine for an app as the journal has it, and its handle.
    pub(crate) fn new(
        app: App,
        partners: Arc<Partners<J, D, C>>,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> (Self, AppHandle) {
        let app = Arc::new(app);
        let (sender, inbox) = mpsc::channel(INBOX);
        let (snapshot, receiver) = watch::channel(app.clone());
        let engine = AppEngine {
            app,
            partners,
            inbox,
            backlog: VecDeque::new(),
            to_self: sender.downgrade(),
            snapshot,
            order: Order::default(),
            tasks,
            stop,
        };
        (engine, AppHandle { inbox: sender, snapshot: receiver })
    }

    /// Takes events until it is told to stop, or nobody is left who could tell it anything.
    pub(crate) async fn run(mut self, first: Vec<Event>) {
        self.recover(first).await;
        while let Some(letter) = self.next_letter().await {
            self.turn(letter).await;
        }
    }

    /// Takes what was found after a start of the daemon; then performs whatever has no outcome yet, in the order in
    /// which it was asked for.
    async fn recover(&mut self, first: Vec<Event>) {
        for event in first {
            let at = self.partners.clock.now();
            if let Err(unreached) = self.take(at, event).await {
                debug!(%unreached, "found after a start, and not taken");
            }
        }
        let mut unfinished = self.app.outbox.clone();
        if self.makes(Mistake::ForgetsTheOutbox) {
            unfinished.clear();
        }
        for (id, effect) in unfinished {
            info!(%id, ?effect, "performed after a start");
            self.perform(id, effect);
        }
        self.tidy_up();
    }

    async fn next_letter(&mut self) -> Option<Letter> {
        if self.stop.is_cancelled() {
            return None;
        }
        if let Some(letter) = self.backlog.pop_front() {
            return Some(letter);
        }
        let wake_at = self.app.wake_at().unwrap_or(Timestamp::MAX);
        tokio::select! {
            biased;
            () = self.stop.cancelled() => None,
            letter = self.inbox.recv() => letter,
            () = self.partners.clock.sleep_until(wake_at) => Some(Letter { event: Event::Tick, reply: None }),
        }
    }

    async fn turn(&mut self, letter: Letter) {
        let at = self.partners.clock.now();
        let ends_command = self.is_end_of_command(&letter.event);
        let answer = self.take(at, letter.event).await.map(|effects| {
            for (id, effect) in effects {
                self.perform(id, effect);
            }
            if ends_command {
                self.tidy_up();
            }
        });
        if let Some(reply) = letter.reply {
            // Whoever asked may have gone away.
            let _ = reply.send(answer);
        }
    }

    fn is_end_of_command(&self, event: &Event) -> bool {
        let Event::Done { effect, .. } = event else { return false };
        matches!(self.app.outbox.get(effect), Some(Effect::Run { .. }))
    }

    fn tidy_up(&self) {
        let (partners, app) = (self.partners.clone(), self.app.clone());
        self.tasks.spawn(async move { partners.doer.tidy_up(app).await }.in_current_span());
    }

    /// Lets the model decide and the journal remember; what is returned may be performed from then on.
    async fn take(&mut self, at: Timestamp, event: Event) -> Result<Vec<(EffectId, Effect)>, Unreached> {
        let stepped = match self.app.step(at, event.clone()) {
            Ok(stepped) => stepped,
            Err(not_taken) => {
                log_not_taken(&not_taken, &event);
                return Err(not_taken.into());
            }
        };
        // A tick that changes nothing needs no durable trace.
        if event == Event::Tick && stepped.app == *self.app {
            warn!("a tick changed nothing");
            tokio::time::sleep(IDLE_TICK).await;
            return Ok(Vec::new());
        }
        let turn = Turn { at, before: self.app.clone(), event, stepped: Arc::new(stepped) };
        let stepped = turn.stepped.clone();
        if self.makes(Mistake::ActsBeforeItRemembers) {
            self.publish(&stepped);
            stepped.effects.iter().cloned().for_each(|(id, effect)| self.perform(id, effect));
            self.remember(turn).await?;
            return Ok(Vec::new());
        }
        self.remember(turn).await?;
        self.publish(&stepped);
        Ok(stepped.effects.clone())
    }

    /// Whether it shall make a mistake: never in a program.
    fn makes(&self, mistake: Mistake) -> bool {
        makes(&self.partners.doer, mistake)
    }

    fn publish(&mut self, stepped: &Stepped) {
        self.app = Arc::new(stepped.app.clone());
        self.snapshot.send_replace(self.app.clone());
        stepped.notes.iter().for_each(log);
    }

    /// Commands fail when the journal does; a fact is tried until it is durable, because it will not be told again.
    async fn remember(&mut self, turn: Turn) -> Result<(), Unreached> {
        loop {
            let Err(error) = self.partners.journal.commit(turn.clone()).await else { return Ok(()) };
            let error = chain(&error);
            error!(error, "could not journal a turn");
            if matches!(turn.event, Event::Command { .. }) || self.makes(Mistake::DropsFacts) {
                return Err(Unreached::Journal(error));
            }
            self.wait_for_the_journal(&error).await?;
        }
    }

    /// Meanwhile commands are refused rather than kept waiting; facts queue up.
    async fn wait_for_the_journal(&mut self, error: &str) -> Result<(), Unreached> {
        let retry = tokio::time::sleep(JOURNAL_RETRY);
        tokio::pin!(retry);
        loop {
            let letter = tokio::select! {
                biased;
                () = self.stop.cancelled() => return Err(Unreached::ShuttingDown),
                () = &mut retry => return Ok(()),
                Some(letter) = self.inbox.recv(), if self.backlog.len() < INBOX => letter,
            };
            match (&letter.event, letter.reply) {
                (Event::Command { .. }, Some(reply)) => {
                    // Whoever asked may have gone away.
                    let _ = reply.send(Err(Unreached::Journal(error.to_owned())));
                }
                (_, reply) => self.backlog.push_back(Letter { event: letter.event, reply }),
            }
        }
    }

    /// Has an effect done; its end comes back as an event. When the daemon stops first, it is performed again after
    /// the next start.
    fn perform(&mut self, id: EffectId, effect: Effect) {
        let Some(inbox) = self.to_self.upgrade() else { return };
        debug!(%id, ?effect, "effect");
        if self.makes(Mistake::KeepsNoOrder) {
            self.order = Order::default();
        }
        let (partners, app, stop) = (self.partners.clone(), self.app.clone(), self.stop.clone());
        let of_effect = effect.clone();
        let doing = async move { partners.doer.perform(app, id, of_effect).await };
        let doing = self.order.after_earlier(&effect, doing).in_current_span();
        let telling = async move {
            tokio::select! {
                () = stop.cancelled() => {}
                outcome = outcome_of(doing) => {
                    // When the engine is gone, so is the daemon.
                    let _ = inbox.send(Letter { event: Event::Done { effect: id, outcome }, reply: None }).await;
                }
            }
        };
        self.tasks.spawn(telling.in_current_span());
    }
}

/// How an effect ended. A panic is a fault of ours, and the state must not wait for ever because of it.
async fn outcome_of(doing: impl Future<Output = Outcome> + Send + 'static) -> Outcome {
    match AbortOnDropHandle::new(tokio::spawn(doing)).await {
        Ok(outcome) => outcome,
        Err(fault) => {
            error!(%fault, "an effect failed by a fault of Bellrock");
            Outcome::Unknown { reason: format!("a fault of Bellrock itself: {fault}") }
        }
    }
}

fn log_not_taken(not_taken: &NotTaken, event: &Event) {
    match not_taken {
        NotTaken::Refused(refused) => info!(%refused, "command refused"),
        NotTaken::Stale(why) => debug!(why, ?event, "event ignored"),
    }
}

/// An error with its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

/// One line per note, as loud as it matters.
fn log(note: &Note) {
    let (deployment, place) = (note.deployment.map(|id| id.0), note.place.map(|place| place.0));
    match note.level {
        Level::Info => info!(deployment, place, "{}", note.text),
        Level::Warning => warn!(deployment, place, "{}", note.text),
        Level::Alarm => error!(deployment, place, "{}", note.text),
    }
}
