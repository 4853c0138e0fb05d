//! What is known of the proxy: one snapshot that whoever waits or shows reads.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;
use wire::proxy::{BackendMode, Drained, Health, Report, Table};

use super::number::Number;

/// How many drained instances of an app are remembered: many times what can drain at once, by app. Instances are numbered
/// upwards, so those forgotten are long stopped.
const REMEMBERED: usize = 64;

/// An instance by its app's name and its number.
pub(super) type Key = (String, u64);

/// Everything that is known of the proxy now.
#[derive(Debug, Clone, Default)]
pub struct ProxyFacts {
    /// Its process.
    pub process: Process,
    /// Why it cannot be asked, while it cannot.
    pub unreached: Option<String>,
    /// Revision that all its cores serve by; 0: none of ours yet.
    pub applied: u64,
    /// The revision that it last refused, and why.
    pub refused: Option<(u64, String)>,
    /// Instances of which nothing is left in flight.
    pub drained: BTreeMap<(String, u64), Drained>,
    /// Instances that get no traffic because checks or requests fail.
    pub down: BTreeMap<(String, u64), Health>,
    /// Why the proxy that serves is not the one that is planned: it could not take over.
    pub outdated: Option<String>,
    /// Proxies that were replaced and finish what is in flight in them, each with the instances of which nothing is left.
    pub(crate) leaving: BTreeMap<Number, BTreeMap<Key, Drained>>,
    /// The newest report.
    pub report: Option<Sample>,
    /// The one before, of the same process.
    pub report_before: Option<Sample>,
}

/// What the proxy's process does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Process {
    /// This host has none: no address is set.
    Off,
    /// It is looked for, or being started.
    #[default]
    Starting,
    /// It runs.
    Running {
        /// Its process id, for people to read.
        pid: u32,
    },
    /// It ended, or could not be started; it is tried again.
    Failing {
        /// Why.
        why: String,
    },
}

/// A report with the time it came.
#[derive(Debug, Clone)]
pub struct Sample {
    /// When.
    pub at: Instant,
    /// What the proxy said.
    pub report: Report,
}

impl ProxyFacts {
    /// The proxy serves by a table: what was told as drained of an instance that is active in it is no longer true.
    pub(crate) fn take_applied(&mut self, table: &Table) {
        self.applied = table.revision;
        self.refused = None;
        for route in &table.routes {
            for backend in route.backends.iter().filter(|it| it.mode == BackendMode::Active) {
                let key = (route.app.clone(), backend.instance);
                self.drained.remove(&key);
                self.leaving.values_mut().for_each(|told| drop(told.remove(&key)));
            }
        }
        let known = |key: &Key| {
            table.routes.iter().any(|it| it.app == key.0 && it.backends.iter().any(|it| it.instance == key.1))
        };
        self.down.retain(|key, _| known(key));
    }

    /// Whether nothing of an instance is in flight in any proxy, and what its drain came to in all of them.
    pub(crate) fn is_drained(&self, key: &Key) -> Option<Drained> {
        let mut drained = self.drained.get(key)?.clone();
        for told in self.leaving.values() {
            let one = told.get(key)?;
            drained.cut += one.cut;
            drained.websockets_closed += one.websockets_closed;
            drained.streams_ended += one.streams_ended;
            drained.took_ms = drained.took_ms.max(one.took_ms);
        }
        Some(drained)
    }

    /// Nothing of an instance is left in flight in the proxy that serves.
    pub(crate) fn take_drained(&mut self, drained: Drained) {
        remember(&mut self.drained, drained);
    }

    /// Nothing of an instance is left in flight in a proxy that leaves.
    pub(crate) fn take_drained_of(&mut self, leaving: Number, drained: Drained) {
        remember(self.leaving.entry(leaving).or_default(), drained);
    }

    pub(crate) fn take_health(&mut self, health: Health) {
        let key = (health.app.clone(), health.instance);
        if health.up {
            self.down.remove(&key);
        } else {
            self.down.insert(key, health);
        }
    }

    pub(crate) fn take_report(&mut self, report: Report) {
        let same_process = self.report.as_ref().is_some_and(|it| it.report.incarnation == report.incarnation);
        self.report_before = self.report.take().filter(|_| same_process);
        self.report = Some(Sample { at: Instant::now(), report });
    }

    /// The newest two reports with the time between them.
    pub fn interval(&self) -> Option<(&Report, &Report, Duration)> {
        let (before, after) = (self.report_before.as_ref()?, self.report.as_ref()?);
        Some((&before.report, &after.report, after.at.duration_since(before.at)))
    }
}

fn remember(told: &mut BTreeMap<Key, Drained>, drained: Drained) {
    let app = drained.app.clone();
    told.insert((app.clone(), drained.instance), drained);
    let of_app = || told.range((app.clone(), 0)..=(app.clone(), u64::MAX));
    let oldest = of_app().next().map(|(key, _)| key.clone());
    if of_app().count() > REMEMBERED {
        oldest.and_then(|key| told.remove(&key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drained_is_what_is_drained_in_every_proxy() {
        let key = || ("beacon".to_owned(), 1);
        let drained = |cut| Drained { app: "beacon".into(), instance: 1, cut, ..Drained::default() };
        let mut facts = ProxyFacts::default();
        let first = Number::FIRST;
        facts.leaving.insert(first, BTreeMap::new());
        facts.drained.insert(key(), drained(1));
        assert_eq!(facts.is_drained(&key()), None, "requests may be in flight in the one that leaves");
        facts.leaving.get_mut(&first).unwrap().insert(key(), drained(2));
        assert_eq!(facts.is_drained(&key()), Some(drained(3)));
        facts.leaving.insert(first.next(), BTreeMap::new());
        assert_eq!(facts.is_drained(&key()), None);
        facts.leaving.clear();
        assert_eq!(facts.is_drained(&key()), Some(drained(1)), "what has gone holds nothing");
    }

    #[test]
    fn a_year_of_deployments_is_not_remembered() {
        let mut facts = ProxyFacts::default();
        let drained = |app: &str, instance| Drained { app: app.into(), instance, ..Drained::default() };
        facts.take_drained(drained("buoy", 1));
        for instance in 1..=1000 {
            facts.take_drained(drained("beacon", instance));
            facts.take_drained_of(Number::FIRST, drained("beacon", instance));
        }
        for told in [&facts.drained, &facts.leaving[&Number::FIRST]] {
            let of_beacon: Vec<u64> = told.keys().filter(|key| key.0 == "beacon").map(|key| key.1).collect();
            assert_eq!(of_beacon, (937..=1000).collect::<Vec<_>>());
        }
        assert!(facts.drained.contains_key(&("buoy".to_owned(), 1)));
    }
}
