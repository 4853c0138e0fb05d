//! A proxy that was replaced, until it has gone: it accepts nothing more, and what is still in flight in it follows the
//! tables as before, so that an instance that drains is drained in both.

use std::collections::BTreeMap;
use std::convert::Infallible;

use futures_util::future::{Either, select};
use std::pin::pin;
use tokio::time::sleep;
use tracing::{debug, info, warn};

use super::control::{Control, ControlError, News};
use super::conversation::is_verdict;
use super::keeper::{Keeper, Waits};
use super::number::Number;
use super::process::{self, One};

impl Keeper {
    /// Returns when it has gone. What it has drained is known before anybody can rely on its being told.
    pub(super) async fn see_off(&self, one: One) {
        let number = one.number;
        self.proxy.note(|facts| drop(facts.leaving.insert(number, BTreeMap::new())));
        let retired = pin!(process::retire(&self.shims, &self.paths, one));
        let guided = pin!(self.guide(number));
        let gone = match select(retired, guided).await {
            Either::Left((gone, _)) => gone,
            Either::Right((never, _)) => match never {},
        };
        match gone {
            Ok(()) => info!("the proxy that was replaced has ended"),
            // Its shim is found again when the connection to the other one is made anew, at the latest by the next daemon.
            Err(error) => warn!("the proxy that was replaced: {}", crate::chain(&error)),
        }
        self.proxy.note(|facts| drop(facts.leaving.remove(&number)));
    }

    async fn guide(&self, number: Number) -> Infallible {
        let mut wait = Waits::new();
        loop {
            let Err(error) = self.talk_to_leaving(number).await;
            debug!(error = crate::chain(&error), "the proxy that was replaced cannot be asked");
            sleep(wait.next()).await;
        }
    }

    async fn talk_to_leaving(&self, number: Number) -> Result<Infallible, ControlError> {
        let folder = number.run_folder(&self.paths);
        let (mut control, _) = Control::connect(&folder, self.shims.epoch).await?;
        let mut changes = self.proxy.changes();
        changes.mark_unchanged();
        self.send_to_leaving(&mut control).await?;
        control.watch().await?;
        loop {
            tokio::select! {
                changed = changes.changed() => match changed {
                    Ok(()) => self.send_to_leaving(&mut control).await?,
                    Err(_) => std::future::pending().await,
                },
                news = control.news() => if let News::Drained(drained) = news? {
                    self.proxy.note(|facts| facts.take_drained_of(number, drained));
                },
            }
        }
    }

    /// One that refuses a table goes on by the one it has: its successor says what is wrong with it.
    async fn send_to_leaving(&self, control: &mut Control) -> Result<(), ControlError> {
        let Some(table) = self.proxy.table() else { return Ok(()) };
        match control.set_table(table).await {
            Err(error) if !is_verdict(&error) => Err(error),
            _ => Ok(()),
        }
    }
}
