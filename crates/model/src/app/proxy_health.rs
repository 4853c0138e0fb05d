//! Taking what the proxy finds of instances that it offers requests: whether they get any.

use super::instance::Status;
use super::note::{Level, Step};
use super::turn::Turn;
use super::{App, NotTaken};
use crate::names::InstanceId;

/// More changes than these since the last telling are worth a word of their own: one failure and one recovery are
/// nothing but that.
const FEW_CHANGES: u32 = 2;

impl App {
    /// Whether the proxy, as far as it was told, sends none of the instances that it is to offer requests any.
    fn is_all_down(&self) -> bool {
        let offered = |id| self.routing.applied.as_ref().is_some_and(|route| route.offers(id));
        let mut offered = self.instances.values().filter(|it| offered(it.id)).peekable();
        offered.peek().is_some() && offered.all(|it| it.down.is_some())
    }
}

impl Turn {
    /// The proxy gives an instance no requests, or gives it some again. Whether it is healthy is for the daemon's own
    /// checks to say; this is told so that an operator knows where the requests go.
    pub(super) fn take_proxy_health(
        &mut self,
        id: InstanceId,
        run: u32,
        down: Option<String>,
        changes: u32,
    ) -> Result<(), NotTaken> {
        let is_asked = |status: &Status| matches!(status, Status::Ready | Status::Unhealthy { .. });
        let it = self.app.instances.get_mut(&id).filter(|it| it.run == run && is_asked(&it.status));
        let stale = || NotTaken::Stale(format!("run {run} of instance {id} is offered no requests"));
        let it = it.ok_or_else(stale)?;
        if it.down.is_some() == down.is_some() && changes <= FEW_CHANGES {
            return Err(NotTaken::Stale(format!("instance {id} is known to be so")));
        }
        let (place, is_down) = (it.place, down.is_some());
        let mut text = match &down {
            Some(reason) => format!("instance {place} gets no requests: {reason}"),
            None => format!("instance {place} gets requests again"),
        };
        it.down = down;
        if changes > FEW_CHANGES {
            text += &format!("; this has changed {changes} times since it was told last");
        }
        let is_all_down = self.app.is_all_down();
        if is_all_down {
            text += "; as no instance is well, all at which somebody listens get requests nevertheless";
        }
        self.note_of(id, Step::Health, text).level = match (is_down, is_all_down) {
            (_, true) => Level::Alarm,
            (true, false) => Level::Warning,
            (false, false) => Level::Info,
        };
        Ok(())
    }
}
