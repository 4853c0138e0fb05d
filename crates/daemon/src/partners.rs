//! The engine's partners on a real host.

use std::sync::Arc;
use std::time::Duration;

use engine::{Partners, Turn};
use host::Tell;
use host::doer::HostDoer;
use host::journal::{Journal, JournalError};
use jiff::Timestamp;
use model::EffectId;
use model::app::{App, Effect, Outcome};

use crate::control::Control;

/// The engine's partners on this host.
#[cfg(not(debug_assertions))]
pub type HostPartners = Partners<Remembers, Does<Control>, SteadyClock>;

/// The engine's partners on this host; a test may want faults of them.
#[cfg(debug_assertions)]
pub type HostPartners = Partners<Faulty<Remembers>, Faulty<Does<Control>>, SteadyClock>;

#[cfg(debug_assertions)]
type Faulty<P> = engine::fault_points::Faulty<P, crate::wanted_fault::WantedFault>;

/// Puts the engine's partners together.
#[cfg(not(debug_assertions))]
pub fn partners(journal: Journal, doer: HostDoer<Control>) -> HostPartners {
    Partners { journal: Remembers(journal), doer: Does(doer), clock: SteadyClock }
}

/// Puts the engine's partners together, with faults before and behind them.
#[cfg(debug_assertions)]
pub fn partners(journal: Journal, doer: HostDoer<Control>) -> HostPartners {
    let faults = Arc::new(crate::wanted_fault::WantedFault::of_environment());
    Partners {
        journal: Faulty::new(Remembers(journal), faults.clone()),
        doer: Faulty::new(Does(doer), faults),
        clock: SteadyClock,
    }
}

/// The journal, as the engine sees it.
pub struct Remembers(pub Journal);

impl engine::Journal for Remembers {
    type Error = JournalError;

    async fn commit(&self, turn: Turn) -> Result<(), JournalError> {
        self.0.commit(turn.at, &turn.event, &turn.stepped).await
    }
}

/// The host, as the engine sees it.
pub struct Does<T>(pub HostDoer<T>);

impl<T: Tell> engine::Doer for Does<T> {
    async fn perform(&self, app: Arc<App>, id: EffectId, effect: Effect) -> Outcome {
        self.0.perform(&app, id, effect).await
    }

    async fn tidy_up(&self, app: Arc<App>) {
        self.0.tidy_up(&app).await;
    }
}

/// [`host::clock`], as the engine sees it: no change of the wall's clock moves a deadline.
pub struct SteadyClock;

impl engine::Clock for SteadyClock {
    fn now(&self) -> Timestamp {
        host::clock::now()
    }

    async fn sleep_until(&self, time: Timestamp) {
        /// Long enough that nobody waits for it, short enough for every timer.
        const LONGEST: Duration = Duration::from_secs(24 * 3600);
        let wait = Duration::try_from(time.duration_since(self.now())).unwrap_or_default();
        tokio::time::sleep(wait.min(LONGEST)).await;
    }
}
