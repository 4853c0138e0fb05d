//! Whether an app shall have more places or fewer: a decision over a window of figures.
//!
//! Owned by the daemon's autoscaler of one app, which hands in figures at each collection and rests it while a
//! deployment is under way. It lives in memory alone: a daemon that starts begins with an empty window, and an empty
//! window decides nothing.
//!
//! Figures are sums over all ready instances, so that one that is just being restarted does not look like load. Up: a
//! percentile of the last `up_after` needs more places than there are. Down, one place at a time: the percentile of
//! the last `down_after` would leave one place fewer at most [`SPARE_PERCENT`] of its target, by every figure that has
//! one. The gap between the two keeps it from going to and fro.

use std::collections::VecDeque;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::human;
use crate::settings::Autoscale;

/// How full places may be after one was taken away, in percent of the target.
pub const SPARE_PERCENT: u64 = 80;

/// Most samples of a window; settings that would need more are refused (`autoscale.collect`).
pub const MOST_SAMPLES: usize = 1000;

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Time on cores.
    Cpu,
    /// Resident memory of all processes.
    Memory,
    /// Requests from the proxy.
    Requests,
    /// Processes that wait for a scheduler, for each scheduler.
    RunQueue,
    /// Memory as nodes count it.
    NodeMemory,
}

impl Metric {
    /// All of them, in the order in which they are told.
    pub const ALL: [Metric; 5] =
        [Metric::Cpu, Metric::Memory, Metric::Requests, Metric::RunQueue, Metric::NodeMemory];

    /// What one instance shall have at most, in the units of [`Figures`]; `None`: it does not count.
    pub fn target(self, settings: &Autoscale) -> Option<u64> {
        match self {
            Metric::Cpu => settings.cpu.map(|percent| u64::from(percent) * 10),
            Metric::Memory => settings.memory.map(|size| size.bytes()),
            Metric::Requests => settings.requests.map(|a_second| u64::from(a_second) * 1000),
            Metric::RunQueue => settings.run_queue.map(|waiting| u64::from(waiting) * 1000),
            Metric::NodeMemory => settings.node_memory.map(|size| size.bytes()),
        }
    }

    /// A figure in words: `87 %`, `310 MB`, `12.5 requests/s`, `1.5 per scheduler`.
    pub fn words(self, figure: u64) -> String {
        match self {
            Metric::Cpu => format!("{} %", figure.saturating_add(5) / 10),
            Metric::Memory | Metric::NodeMemory => human::bytes(figure),
            Metric::Requests => format!("{}.{} requests/s", figure / 1000, figure % 1000 / 100),
            Metric::RunQueue => format!("{}.{} per scheduler", figure / 1000, figure % 1000 / 100),
        }
    }

    fn of(self, figures: &Figures) -> Option<u64> {
        match self {
            Metric::Cpu => figures.cpu,
            Metric::Memory => figures.memory,
            Metric::Requests => figures.requests,
            Metric::RunQueue => figures.run_queue,
            Metric::NodeMemory => figures.node_memory,
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Metric::Cpu => "CPU",
            Metric::Memory => "memory",
            Metric::Requests => "requests",
            Metric::RunQueue => "run queue",
            Metric::NodeMemory => "node memory",
        })
    }
}

/// What all ready instances of an app use together; `None`: not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Thousandths of a core.
    pub cpu: Option<u64>,
    /// Resident bytes.
    pub memory: Option<u64>,
    /// Thousandths of a request per second.
    pub requests: Option<u64>,
    /// Thousandths of a process that waits for each scheduler online of its node.
    pub run_queue: Option<u64>,
    /// Bytes that nodes have taken.
    pub node_memory: Option<u64>,
}

/// Another number of places, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// How many there shall be.
    pub places: u16,
    /// The figures: `3 → 4: CPU p50 of 20 s 87 % > 70 %`.
    pub reason: String,
}

/// The newest figures of one instance on average, as an operator is shown them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// What was looked at.
    pub metric: Metric,
    /// The figure; `None`: not known.
    pub now: Option<u64>,
    /// What it shall be at most.
    pub target: u64,
}

/// The figures since the last deployment, as far back as anybody asks.
#[derive(Debug, Clone, Default)]
pub struct Window {
    samples: VecDeque<(Duration, Figures)>,
    /// When it was last told that something else is under way.
    rested_at: Duration,
}

impl Window {
    /// A window that knows nothing yet; times are counted from any moment, and never go back.
    pub fn new(at: Duration) -> Self {
        Window { samples: VecDeque::new(), rested_at: at }
    }

    /// Something else decides now: what was seen before says nothing about what comes after it.
    pub fn rest(&mut self, at: Duration) {
        self.samples.clear();
        self.rested_at = at;
    }

    /// Takes figures in.
    pub fn collect(&mut self, at: Duration, figures: Figures, settings: &Autoscale) {
        let longest = settings.up_after.max(settings.down_after) + settings.collect;
        let oldest = at.saturating_sub(longest);
        while self.samples.front().is_some_and(|(then, _)| *then < oldest)
            || self.samples.len() >= MOST_SAMPLES
        {
            self.samples.pop_front();
        }
        self.samples.push_back((at, figures));
    }

    /// What shall change, if anything; `places` is how many there are, and `range` how many there may be.
    pub fn decide(
        &self,
        at: Duration,
        places: u16,
        range: &RangeInclusive<u16>,
        settings: &Autoscale,
    ) -> Option<Advice> {
        if at.saturating_sub(self.rested_at) < settings.cool_down || places == 0 {
            return None;
        }
        self.up(places, range, settings).or_else(|| self.down(places, range, settings))
    }

    /// The newest figures of what has a target; `places` is how many share them.
    pub fn looks(&self, places: u16, settings: &Autoscale) -> Vec<Look> {
        let newest = self.samples.back().map(|(_, figures)| figures);
        let share = |sum: u64| sum / u64::from(places.max(1));
        let look = |metric: Metric| {
            let now = newest.and_then(|figures| metric.of(figures)).map(share);
            Some(Look { metric, now, target: metric.target(settings)? })
        };
        Metric::ALL.into_iter().filter_map(look).collect()
    }

    /// As many places as the fullest figure needs, but at most twice as many as there are.
    fn up(&self, places: u16, range: &RangeInclusive<u16>, settings: &Autoscale) -> Option<Advice> {
        let most = places.saturating_mul(2).min(*range.end());
        let needs = |metric: Metric| {
            let target = metric.target(settings)?;
            let figure = self.figure(metric, settings.up_after, settings.up_percentile, settings)?;
            let needed = u16::try_from(figure.div_ceil(target)).unwrap_or(u16::MAX);
            Some((needed, metric, figure, target))
        };
        let (needed, metric, figure, target) =
            Metric::ALL.into_iter().filter_map(needs).max_by_key(|(needed, ..)| *needed)?;
        let to = needed.min(most);
        (to > places).then(|| Advice {
            places: to,
            reason: format!(
                "{places} → {to}: {} > {}",
                said(metric, settings.up_percentile, settings.up_after, figure / u64::from(places)),
                metric.words(target)
            ),
        })
    }

    /// One place fewer, where every figure allows it.
    fn down(&self, places: u16, range: &RangeInclusive<u16>, settings: &Autoscale) -> Option<Advice> {
        let to = places - 1;
        if to < *range.start() {
            return None;
        }
        let mut reasons = Vec::new();
        for metric in Metric::ALL {
            let Some(target) = metric.target(settings) else { continue };
            let figure = self.figure(metric, settings.down_after, settings.down_percentile, settings)?;
            let most = (u128::from(target) * u128::from(to) * u128::from(SPARE_PERCENT) / 100)
                .try_into()
                .unwrap_or(u64::MAX);
            if figure > most {
                return None;
            }
            let now = figure / u64::from(places);
            let said = said(metric, settings.down_percentile, settings.down_after, now);
            reasons.push(format!("{said} ≤ {}", metric.words(most / u64::from(places))));
        }
        (!reasons.is_empty())
            .then(|| Advice { places: to, reason: format!("{places} → {to}: {}", reasons.join(", ")) })
    }

    /// A percentile (nearest rank) of the last `window`; `None` unless it is known all along.
    fn figure(&self, metric: Metric, window: Duration, percentile: u8, settings: &Autoscale) -> Option<u64> {
        // Collections come a little early or late.
        let slack = settings.collect / 2;
        let newest = self.samples.back()?.0;
        let from = newest.saturating_sub(window + slack);
        let within: Vec<&(Duration, Figures)> = self.samples.iter().filter(|(at, _)| *at >= from).collect();
        if newest - within.first()?.0 + slack < window {
            return None;
        }
        let mut figures: Vec<u64> =
            within.into_iter().map(|(_, figures)| metric.of(figures)).collect::<Option<_>>()?;
        figures.sort_unstable();
        let rank = (figures.len() * usize::from(percentile)).div_ceil(100).max(1);
        figures.get(rank - 1).copied()
    }
}

/// `CPU p50 of 20 s 87 %`
fn said(metric: Metric, percentile: u8, window: Duration, figure: u64) -> String {
    format!("{metric} p{percentile} of {} {}", human::duration(window), metric.words(figure))
}

#[cfg(test)]
mod tests;
