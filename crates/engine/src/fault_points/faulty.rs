//! Partners of the engine that ask at each fault point what shall go wrong.

use std::future::Future;
use std::sync::Arc;

use model::EffectId;
use model::app::{App, Effect, Outcome};

use super::{EffectKind, EventKind, FaultPoint};
use crate::{Doer, Journal, Turn};

/// What goes wrong at a fault point. Whoever wants the daemon to die there has it die while it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// Before an effect: it fails, with nothing done, which only an effect that was not begun before may say
    /// ([`Outcome::Failed`]). Before a commit: it fails, with nothing durable. Elsewhere it means nothing.
    Fail,
    /// Before an effect: it is done, and nobody learns how it ended ([`Outcome::Unknown`]). Elsewhere it means nothing.
    Lose,
    /// Before an effect: it is done twice, and the second outcome is told. Elsewhere it means nothing.
    Repeat,
}

/// Says what goes wrong where.
pub trait Faults: Send + Sync + 'static {
    /// A fault point was reached; of an effect with its number.
    fn reached(&self, point: FaultPoint, effect: Option<EffectId>) -> impl Future<Output = Fault> + Send;
}

/// A partner with fault points on both sides of what it does.
pub struct Faulty<P, F> {
    partner: P,
    faults: Arc<F>,
}

impl<P, F> Faulty<P, F> {
    /// A partner with faults before and behind it.
    pub fn new(partner: P, faults: Arc<F>) -> Self {
        Faulty { partner, faults }
    }
}

/// Why a turn could not be remembered.
#[derive(Debug, thiserror::Error)]
pub enum CommitFault<E> {
    /// A test wanted it.
    #[error("a test has the journal fail")]
    Wanted,
    /// The journal itself failed.
    #[error(transparent)]
    Journal(E),
}

impl<J: Journal, F: Faults> Journal for Faulty<J, F> {
    type Error = CommitFault<J::Error>;

    async fn commit(&self, turn: Turn) -> Result<(), Self::Error> {
        let kind = EventKind::of(&turn);
        if self.faults.reached(FaultPoint::BeforeCommit(kind), None).await == Fault::Fail {
            return Err(CommitFault::Wanted);
        }
        self.partner.commit(turn).await.map_err(CommitFault::Journal)?;
        self.faults.reached(FaultPoint::AfterCommit(kind), None).await;
        Ok(())
    }
}

impl<D: Doer, F: Faults> Doer for Faulty<D, F> {
    async fn perform(&self, app: Arc<App>, id: EffectId, effect: Effect) -> Outcome {
        let kind = EffectKind::of(&effect);
        let outcome = match self.faults.reached(FaultPoint::BeforeEffect(kind), Some(id)).await {
            Fault::Fail => Outcome::Failed { reason: "a test has it fail".into(), tail: None },
            Fault::Lose => {
                self.under_way(&app, id, &effect).await;
                Outcome::Unknown { reason: "a test has its outcome lost".into() }
            }
            Fault::Repeat => {
                self.partner.perform(app.clone(), id, effect.clone()).await;
                self.under_way(&app, id, &effect).await
            }
            Fault::None => self.under_way(&app, id, &effect).await,
        };
        self.faults.reached(FaultPoint::AfterEffect(kind), Some(id)).await;
        outcome
    }

    async fn tidy_up(&self, app: Arc<App>) {
        self.partner.tidy_up(app).await;
    }

    #[cfg(feature = "mistakes")]
    fn mistake(&self) -> Option<crate::Mistake> {
        self.partner.mistake()
    }
}

impl<D: Doer, F: Faults> Faulty<D, F> {
    /// Does an effect. Unless it ends at once, the point in its middle is reached as soon as it waits for something.
    async fn under_way(&self, app: &Arc<App>, id: EffectId, effect: &Effect) -> Outcome {
        let middle = async {
            self.faults.reached(FaultPoint::DuringEffect(EffectKind::of(effect)), Some(id)).await;
            std::future::pending().await
        };
        tokio::select! {
            biased;
            outcome = self.partner.perform(app.clone(), id, effect.clone()) => outcome,
            () = middle => unreachable!("it is pending for ever"),
        }
    }
}
