//! One connection to the proxy: it gets certificates and tables as they change, and tells what it sees.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tracing::{debug, error, info, warn};
use wire::proxy::{Certificate, Refusal, Table};

use super::certificates::{self, Held};
use super::control::{Control, ControlError, News};
use super::plan::ProxyPlan;
use super::proxy_handle::Proxy;
use crate::paths::Paths;

/// Between two reports that nobody waits for.
const REPORT: Duration = Duration::from_secs(5);
/// Between two reports while somebody looks closely, and between two attempts to have a refused table served.
const REPORT_CLOSELY: Duration = Duration::from_secs(1);
/// Between two looks at the certificates' files.
const CERTIFICATES: Duration = Duration::from_secs(10);

/// One connection to the proxy.
pub(super) struct Conversation<'a> {
    pub(super) proxy: &'a Proxy,
    pub(super) plan: &'a ProxyPlan,
    pub(super) paths: &'a Paths,
    pub(super) control: Control,
}

impl Conversation<'_> {
    /// Until it breaks.
    pub(super) async fn run(mut self) -> ControlError {
        match self.converse().await {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }

    async fn converse(&mut self) -> Result<Infallible, ControlError> {
        let mut changes = self.proxy.changes();
        let mut watchers = self.proxy.watchers();
        let mut look = certificates::look(&self.plan.certificates);
        self.send_certificates().await?;
        // First what is wanted, for the news are about what is served.
        changes.mark_unchanged();
        self.send_table().await?;
        self.control.watch().await?;
        self.take_report().await?;
        let mut certificates = interval(CERTIFICATES);
        let mut reports = every(*watchers.borrow_and_update());
        loop {
            tokio::select! {
                changed = changes.changed() => match changed {
                    Ok(()) => self.send_table().await?,
                    Err(_) => std::future::pending().await,
                },
                news = self.control.news() => self.take_news(news?),
                _ = reports.tick() => {
                    self.take_report().await?;
                    if self.is_behind() {
                        self.send_table().await?;
                    }
                }
                Ok(()) = watchers.changed() => reports = every(*watchers.borrow_and_update()),
                _ = certificates.tick() => {
                    let now = certificates::look(&self.plan.certificates);
                    if now != look {
                        info!("certificates have changed");
                        look = now;
                        self.send_certificates().await?;
                    }
                }
            }
        }
    }

    fn is_behind(&self) -> bool {
        let applied = self.proxy.facts().borrow().applied;
        self.proxy.table().is_some_and(|table| table.revision > applied)
    }

    /// A table that is refused does not end the conversation: the proxy goes on by the one it has.
    async fn send_table(&mut self) -> Result<(), ControlError> {
        let Some(table) = self.proxy.table() else { return Ok(()) };
        match self.control.set_table(table.clone()).await {
            Ok(()) => {
                info!(revision = table.revision, routes = table.routes.len(), "proxy serves by new routes");
                self.proxy.note(|facts| facts.take_applied(&table));
                Ok(())
            }
            Err(error) if is_verdict(&error) => {
                self.tell_refusal(&table, &error);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn tell_refusal(&self, table: &Table, error: &ControlError) {
        let why = crate::chain(error);
        let refused = Some((table.revision, why.clone()));
        self.proxy.note(|facts| {
            if facts.refused != refused {
                error!(revision = table.revision, "{why}");
            }
            facts.refused = refused;
        });
    }

    async fn send_certificates(&mut self) -> Result<(), ControlError> {
        if self.plan.https.is_empty() {
            return Ok(());
        }
        let files = &self.plan.certificates;
        let held = Held::saved(&self.paths.proxy_state(), files.len());
        let mut new = Vec::with_capacity(files.len());
        for (index, read) in certificates::read(files).into_iter().enumerate() {
            if let Err(error) = &read {
                let then = if held.has(index) { "keep the one they had" } else { "have none of their own" };
                error!("{}; its sites {then}", crate::chain(error));
            }
            new.push(read.ok());
        }
        let all = held.with(&new);
        if all.all().is_empty() || self.offer(&all).await?.is_none() {
            return Ok(());
        }
        self.offer_each(held, &new).await
    }

    /// One of them is unusable: each by itself, so that it does not take the others away.
    async fn offer_each(&mut self, mut held: Held, new: &[Option<Certificate>]) -> Result<(), ControlError> {
        for (index, (new, files)) in new.iter().zip(&self.plan.certificates).enumerate() {
            let Some(new) = new else { continue };
            let with = held.with_one(index, new);
            match self.offer(&with).await? {
                None => held = with,
                Some(why) => {
                    let then =
                        if held.has(index) { "keep the one they had" } else { "have none of their own" };
                    error!(chain = %files.chain.display(), key = %files.key.display(), "{why}; its sites {then}");
                }
            }
        }
        Ok(())
    }

    /// Why the proxy does not take them, if it does not.
    async fn offer(&mut self, certificates: &Held) -> Result<Option<String>, ControlError> {
        match self.control.set_certificates(certificates.all()).await {
            Ok(()) => Ok(None),
            Err(error) if is_verdict(&error) => Ok(Some(crate::chain(&error))),
            Err(error) => Err(error),
        }
    }

    async fn take_report(&mut self) -> Result<(), ControlError> {
        let report = self.control.report().await?;
        self.proxy.note(|facts| facts.take_report(report));
        Ok(())
    }

    fn take_news(&self, news: News) {
        match news {
            News::Drained(drained) => {
                debug!(app = drained.app, instance = drained.instance, cut = drained.cut, "drained");
                self.proxy.note(|facts| facts.take_drained(drained));
            }
            News::Health(health) => {
                let (app, instance) = (&health.app, health.instance);
                if health.up {
                    info!(app, instance, "the proxy finds it well: it gets traffic");
                } else {
                    warn!(
                        app,
                        instance,
                        reason = health.reason,
                        "the proxy finds it down: it gets no traffic"
                    );
                }
                self.proxy.note(|facts| facts.take_health(health));
            }
        }
    }
}

/// The proxy understood, and said no.
pub(super) fn is_verdict(error: &ControlError) -> bool {
    match error {
        ControlError::Refused { refusal, .. } => {
            matches!(refusal, Refusal::Disk | Refusal::Invalid | Refusal::Revision | Refusal::Other)
        }
        ControlError::TooLong { .. } => true,
        _ => false,
    }
}

fn every(watchers: usize) -> tokio::time::Interval {
    let mut interval = interval(if watchers > 0 { REPORT_CLOSELY } else { REPORT });
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval.reset();
    interval
}
