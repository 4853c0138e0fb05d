//! When which request is due: fixed before the run, whatever the server does then (an open loop).

use std::time::Duration;

use super::kind::Kind;
use super::plan::Weights;

/// One request that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    /// Counted from 0 over all kinds.
    pub(super) number: u64,
    /// Since the beginning.
    pub(super) due: Duration,
    pub(super) kind: Kind,
}

/// Requests at equal distances; their kinds are spread evenly by weight (smooth weighted round robin).
#[derive(Debug, Clone)]
pub(super) struct Schedule {
    rate: u32,
    total: u64,
    next: u64,
    weights: Vec<(Kind, i64)>,
    credit: Vec<i64>,
}

impl Schedule {
    pub(super) fn new(rate: u32, lasts: Duration, weights: &Weights) -> Schedule {
        let weights: Vec<_> = Kind::SCHEDULED
            .into_iter()
            .map(|kind| (kind, i64::from(weights.of(kind))))
            .filter(|(_, weight)| *weight > 0)
            .collect();
        let total = if weights.is_empty() { 0 } else { total(rate, lasts) };
        Schedule { rate, total, next: 0, credit: vec![0; weights.len()], weights }
    }

    fn kind(&mut self) -> Option<Kind> {
        let sum: i64 = self.weights.iter().map(|(_, weight)| weight).sum();
        for (credit, (_, weight)) in self.credit.iter_mut().zip(&self.weights) {
            *credit += weight;
        }
        // the first of those with most credit
        let richest = (0..self.credit.len()).rev().max_by_key(|each| self.credit[*each])?;
        self.credit[richest] -= sum;
        Some(self.weights[richest].0)
    }
}

/// How many requests are due in a time.
pub(super) fn total(rate: u32, lasts: Duration) -> u64 {
    u64::try_from(lasts.as_nanos() * u128::from(rate) / 1_000_000_000).unwrap_or(u64::MAX)
}

impl Iterator for Schedule {
    type Item = Turn;

    fn next(&mut self) -> Option<Turn> {
        let number = self.next;
        if number >= self.total {
            return None;
        }
        self.next += 1;
        let rate = u64::from(self.rate);
        let due =
            Duration::from_secs(number / rate) + Duration::from_nanos((number % rate) * 1_000_000_000 / rate);
        Some(Turn { number, due, kind: self.kind()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(rate: u32, seconds: u64, weights: Weights) -> Vec<Turn> {
        Schedule::new(rate, Duration::from_secs(seconds), &weights).collect()
    }

    #[test]
    fn requests_are_due_at_equal_distances() {
        let turns = schedule(500, 3, Weights { keep_alive: 1, ..Weights::none() });
        assert_eq!(turns.len(), 1500);
        assert_eq!(turns[1].due, Duration::from_millis(2));
        assert_eq!(turns[1499].due, Duration::from_millis(2998));
        assert_eq!(turns[1499].number, 1499);
    }

    #[test]
    fn kinds_come_by_weight_and_evenly_spread() {
        let weights = Weights { keep_alive: 6, upload: 3, web_socket: 1, ..Weights::none() };
        let turns = schedule(10, 10, weights);
        for ten in turns.chunks(10) {
            let count = |kind| ten.iter().filter(|turn| turn.kind == kind).count();
            assert_eq!((count(Kind::KeepAlive), count(Kind::Upload), count(Kind::WebSocket)), (6, 3, 1));
        }
        let longest_run = turns.chunk_by(|a, b| a.kind == b.kind).map(<[Turn]>::len).max();
        assert!(longest_run <= Some(3), "{longest_run:?} of one kind in a row");
    }

    #[test]
    fn without_weights_nothing_is_due() {
        assert_eq!(schedule(500, 3, Weights::none()), []);
    }
}
