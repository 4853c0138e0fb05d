//! The owner task of one app.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use model::EffectId;
use model::app::{App, Effect, Event, Level, NotTaken, Note, Stepped};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::effects::Order;
use crate::handle::{AppHandle, Letter, Unreached};
use crate::{Clock, Doer, Journal, Partners, Turn};

/// Facts wait here while a turn is being made durable; senders wait when it is full.
const INBOX: usize = 256;

/// Wait between attempts to journal a fact that must not be lost.
const JOURNAL_RETRY: Duration = Duration::from_secs(1);

/// The owner of one app's state.
pub struct AppEngine<J, D, C> {
    app: Arc<App>,
    partners: Arc<Partners<J, D, C>>,
    inbox: mpsc::Receiver<Letter>,
    to_self: mpsc::WeakSender<Letter>,
    snapshot: watch::Sender<Arc<App>>,
    order: Order,
}

impl<J: Journal, D: Doer, C: Clock> AppEngine<J, D, C> {
    /// An engine for an app as the journal has it, and its handle.
    pub fn new(app: App, partners: Arc<Partners<J, D, C>>) -> (Self, AppHandle) {
        let app = Arc::new(app);
        let (sender, inbox) = mpsc::channel(INBOX);
        let (snapshot, receiver) = watch::channel(app.clone());
        let to_self = sender.downgrade();
        let engine = AppEngine { app, partners, inbox, to_self, snapshot, order: Order::default() };
        (engine, AppHandle { inbox: sender, snapshot: receiver })
    }

    /// Takes events until it is told to stop: `first` before all others, then what the journal has unfinished is
    /// performed again.
    pub async fn run(mut self, first: Vec<Event>, stop: CancellationToken) {
        let unfinished = self.app.outbox.clone();
        for event in first {
            self.turn(Letter { event, reply: None }, &stop).await;
        }
        self.recover(unfinished);
        loop {
            let wake_at = self.app.wake_at().unwrap_or(Timestamp::MAX);
            let letter = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                letter = self.inbox.recv() => letter,
                () = self.partners.clock.sleep_until(wake_at) => Some(Letter { event: Event::Tick, reply: None }),
            };
            let Some(letter) = letter else { break };
            self.turn(letter, &stop).await;
        }
    }

    /// Performs what an earlier daemon journalled and that has no outcome yet.
    fn recover(&mut self, unfinished: BTreeMap<EffectId, Effect>) {
        for (id, effect) in unfinished {
            if !self.app.outbox.contains_key(&id) {
                continue;
            }
            info!(%id, ?effect, "performed again after a start");
            self.perform(id, effect);
        }
    }

    async fn turn(&mut self, letter: Letter, stop: &CancellationToken) {
        let at = self.partners.clock.now();
        let answer = match self.app.step(at, letter.event.clone()) {
            Ok(stepped) => self.commit(at, letter.event, stepped, stop).await,
            Err(not_taken) => {
                self.log_not_taken(&not_taken, &letter.event);
                Err(not_taken.into())
            }
        };
        if let Some(reply) = letter.reply {
            // Whoever asked may have gone away.
            let _ = reply.send(answer);
        }
    }

    fn log_not_taken(&self, not_taken: &NotTaken, event: &Event) {
        match not_taken {
            NotTaken::Refused(refused) => info!(%refused, "command refused"),
            NotTaken::Stale(why) => debug!(why, ?event, "event ignored"),
        }
    }

    async fn commit(
        &mut self,
        at: Timestamp,
        event: Event,
        stepped: Stepped,
        stop: &CancellationToken,
    ) -> Result<(), Unreached> {
        // A tick that changes nothing needs no durable trace.
        if event == Event::Tick && stepped.app == *self.app {
            warn!("a tick changed nothing");
            tokio::time::sleep(Duration::from_millis(100)).await;
            return Ok(());
        }
        let stepped = Arc::new(stepped);
        let turn = Turn { at, event, stepped: stepped.clone() };
        self.remember(turn, stop).await?;
        self.app = Arc::new(stepped.app.clone());
        self.snapshot.send_replace(self.app.clone());
        stepped.notes.iter().for_each(log);
        for (id, effect) in stepped.effects.iter().cloned() {
            self.perform(id, effect);
        }
        Ok(())
    }

    /// Commands fail when the journal does; a fact is tried until it is durable, because it will not be told again.
    async fn remember(&self, turn: Turn, stop: &CancellationToken) -> Result<(), Unreached> {
        loop {
            let Err(error) = self.partners.journal.commit(turn.clone()).await else { return Ok(()) };
            let error = chain(&error);
            error!(error, "could not journal a turn");
            if matches!(turn.event, Event::Command { .. }) || stop.is_cancelled() {
                return Err(Unreached::Journal(error));
            }
            tokio::time::sleep(JOURNAL_RETRY).await;
        }
    }

    fn perform(&mut self, id: EffectId, effect: Effect) {
        let Some(inbox) = self.to_self.upgrade() else { return };
        let (partners, app) = (self.partners.clone(), self.app.clone());
        debug!(%id, ?effect, "effect");
        let doing = {
            let effect = effect.clone();
            async move { partners.doer.perform(app, id, effect).await }
        };
        let in_order = self.order.after_earlier(&effect, doing);
        let span = tracing::Span::current();
        tokio::spawn(tracing::Instrument::instrument(
            async move {
                let outcome = in_order.await;
                // The engine is gone when the daemon stops; the effect is performed again then.
                let _ = inbox.send(Letter { event: Event::Done { effect: id, outcome }, reply: None }).await;
            },
            span,
        ));
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
