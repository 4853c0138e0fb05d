//! For whom what comes is: each call and each mailbox is a process of ours, with a pid of its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use beam::term::{Atom, Pid};
use tokio::sync::oneshot;

use crate::LinkEnd;
use crate::inbox::Inbox;
use crate::payload::Payload;

/// Who has a pid.
#[derive(Debug)]
pub(crate) enum Route {
    /// A call that waits for one message.
    Call(oneshot::Sender<Payload>),
    /// A request for a process, which has its own pid as its reference's number.
    Spawn(oneshot::Sender<Result<Pid, Atom>>),
    /// A mailbox.
    Mailbox(Arc<Inbox>),
}

/// Who waits for what on one connection. Their number is bounded by those who call.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    routes: HashMap<u64, Route>,
    ended: Option<Arc<LinkEnd>>,
}

impl Routes {
    fn with<T>(&self, change: impl FnOnce(&mut Table) -> T) -> T {
        // nothing that is done under it panics halfway
        change(&mut self.table.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Enters somebody under a number; not when the connection has ended, whose end is then told.
    pub(crate) fn enter(&self, number: u64, route: Route) -> Result<(), Arc<LinkEnd>> {
        self.with(|table| match &table.ended {
            Some(end) => Err(Arc::clone(end)),
            None => {
                table.routes.insert(number, route);
                Ok(())
            }
        })
    }

    /// Nobody waits there any more.
    pub(crate) fn leave(&self, number: u64) {
        self.with(|table| table.routes.remove(&number));
    }

    /// A message came for whom the number is.
    pub(crate) fn mailbox_or_answer(&self, number: u64, payload: Payload) -> Option<(Arc<Inbox>, Payload)> {
        self.with(|table| match table.routes.get(&number)? {
            Route::Mailbox(inbox) => Some((Arc::clone(inbox), payload)),
            Route::Spawn(_) => None,
            Route::Call(_) => {
                if let Some(Route::Call(caller)) = table.routes.remove(&number) {
                    // one that does not wait any more needs no answer
                    let _ = caller.send(payload);
                }
                None
            }
        })
    }

    /// The mailbox of this number.
    pub(crate) fn mailbox(&self, number: u64) -> Option<Arc<Inbox>> {
        self.with(|table| match table.routes.get(&number)? {
            Route::Mailbox(inbox) => Some(Arc::clone(inbox)),
            _ => None,
        })
    }

    /// Tells who asked for a process; whether somebody still waits for it.
    pub(crate) fn spawned(&self, number: u64, result: Result<Pid, Atom>) -> bool {
        let route = self.with(|table| match table.routes.get(&number)? {
            Route::Spawn(_) => table.routes.remove(&number),
            _ => None,
        });
        match route {
            Some(Route::Spawn(asker)) => asker.send(result).is_ok(),
            _ => false,
        }
    }

    /// Tells everybody that the connection has ended.
    pub(crate) fn end(&self, end: &Arc<LinkEnd>) {
        let routes = self.with(|table| {
            table.ended = Some(Arc::clone(end));
            std::mem::take(&mut table.routes)
        });
        for route in routes.into_values() {
            // calls and requests see that their sender is gone
            if let Route::Mailbox(inbox) = route {
                inbox.end(end);
            }
        }
    }
}
