//! One living shim's news, brought to the engine.

use std::sync::Arc;
use std::time::Duration;

use model::app::{Event, ShimFact};
use tokio::sync::watch;
use tracing::{debug, info, warn};
use wire::shim::{Exited, Happening};

use super::{Instances, Living, Which, facts};
use crate::shim::{Connected, Events, Gone, Handle, ShimEvent};
use crate::tell::{Tell, Untold};

/// How long a shim whose connection was lost may take to answer again.
const RECONNECT: Duration = Duration::from_secs(10);

struct Pump<T> {
    instances: Arc<Instances<T>>,
    which: Which,
    handle: Handle,
    events: Events,
    ended: watch::Sender<Option<Exited>>,
    /// The last event that is durable.
    taken: u64,
}

impl<T: Tell> Instances<T> {
    /// Starts to follow a shim.
    pub(super) fn follow(self: &Arc<Self>, which: Which, connected: Connected, taken: u64) -> Handle {
        let Connected { handle, events, .. } = connected;
        let (ended, watched) = watch::channel(None);
        let living = Living { handle: handle.clone(), ended: watched };
        self.living.lock().expect("nobody panics while holding it").insert(which.shim_id(), living);
        let pump = Pump { instances: self.clone(), which, handle: handle.clone(), events, ended, taken };
        tokio::spawn(pump.run());
        handle
    }
}

impl<T: Tell> Pump<T> {
    async fn run(mut self) {
        let id = self.which.shim_id();
        while let Some(event) = self.events.next().await {
            match event {
                ShimEvent::Happened(event) => {
                    if let Err(Untold::GoingDown) = self.tell(&event).await {
                        return;
                    }
                    self.taken = event.seq;
                    if let Err(error) = self.handle.ack(event.seq).await {
                        debug!(shim = %id, %error, "could not acknowledge");
                    }
                    self.note_end(event.what);
                }
                ShimEvent::Gone(Gone::TakenOver) => {
                    return warn!(shim = %id, "another daemon has taken over the shim");
                }
                ShimEvent::Gone(Gone::Died) => return self.died().await,
                ShimEvent::Gone(Gone::Lost) => return self.connect_again().await,
            }
        }
    }

    /// The connection is lost and the shim may live: as long as its lock is held it is asked again.
    async fn connect_again(self) {
        let id = self.which.shim_id();
        loop {
            match self.instances.shims.connect(&id, self.taken, RECONNECT).await {
                Ok(connected) => {
                    info!(shim = %id, "connected again");
                    let instances = self.instances.clone();
                    instances.follow(self.which, connected, self.taken);
                    return;
                }
                Err(_) if matches!(self.instances.shims.is_alive(&id), Ok(false)) => {
                    return self.died().await;
                }
                Err(error) => {
                    warn!(shim = %id, error = crate::chain(&error), "it lives and does not answer; asked again");
                    tokio::time::sleep(RECONNECT).await;
                }
            }
        }
    }

    fn note_end(&self, what: Option<Happening>) {
        match what {
            Some(Happening::Exited(exited)) if !exited.is_crash() => {
                self.ended.send_replace(Some(exited));
            }
            // A stop that finds nothing running has no exit before it.
            Some(Happening::Stopped(_)) => {
                self.ended.send_if_modified(|ended| {
                    let fresh = ended.is_none();
                    ended.get_or_insert_default();
                    fresh
                });
            }
            _ => {}
        }
    }

    async fn tell(&self, event: &wire::shim::Event) -> Result<(), Untold> {
        let Which { app, place, instance } = &self.which;
        let (stdout, stderr) = self.instances.site.paths.instance_logs(app, *place, *instance);
        let Some(fact) = facts::of(event, || crate::log_tail::of_instance(&stdout, &stderr)) else {
            return Ok(());
        };
        let told =
            self.instances.tell.tell(app, Event::Shim { instance: *instance, seq: event.seq, fact }).await;
        if let Err(Untold::NotTaken(why)) = &told {
            debug!(shim = %self.which.shim_id(), why, "event not taken");
        }
        told
    }

    /// The shim is dead: what it saved and nobody took is told, then its end.
    async fn died(self) {
        let id = self.which.shim_id();
        if !self.instances.forget_living(&id) {
            return;
        }
        if let Ok(dead) = self.instances.shims.read_dead(&id) {
            for event in dead.events_after(self.taken) {
                if let Err(Untold::GoingDown) = self.tell(event).await {
                    return;
                }
                self.note_end(event.what.clone());
            }
        }
        let Which { app, instance, .. } = &self.which;
        let gone = Event::Shim { instance: *instance, seq: 0, fact: ShimFact::Gone };
        if let Err(error) = self.instances.tell.tell(app, gone).await {
            debug!(shim = %id, %error, "end of the shim not taken");
        }
    }
}
