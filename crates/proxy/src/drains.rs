//! Which instances are drained: every core serves by a table in which they get no requests, and nothing of them is in
//! flight.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use wire::proxy::Drained;

use crate::instance::Instance;

/// Instances that get no new requests, until they are no longer named.
#[derive(Debug, Default)]
pub(crate) struct Drains {
    of: HashMap<(String, u64), Drain>,
}

#[derive(Debug)]
struct Drain {
    instance: Arc<Instance>,
    since: Instant,
    /// What was told, once it was.
    told: Option<Drained>,
}

impl Drains {
    /// All cores serve by a table in which these get no new requests. Those that the table does not name at all are kept
    /// until they are drained and that was told.
    ///
    /// Instances are told apart by their names: one that was in no table for a moment, as after a crash, comes back as
    /// another object.
    pub(crate) fn follow(&mut self, draining: Vec<Arc<Instance>>, active: impl Fn(&Instance) -> bool) {
        self.of.retain(|_, drain| {
            let goes_on = !active(&drain.instance);
            if !goes_on {
                drain.instance.settle();
            }
            goes_on
        });
        for instance in draining {
            let key = (instance.app.clone(), instance.number);
            let known = self.of.get(&key).is_some_and(|drain| Arc::ptr_eq(&drain.instance, &instance));
            if !known {
                self.of.insert(key, Drain { instance, since: Instant::now(), told: None });
            }
        }
    }

    /// Whether somebody is still to be told of.
    pub(crate) fn are_pending(&self) -> bool {
        self.of.values().any(|drain| drain.told.is_none())
    }

    /// Those that are drained and were not told.
    pub(crate) fn news(&mut self) -> Vec<Drained> {
        let done = self.of.values_mut().filter(|it| it.told.is_none() && it.instance.in_flight() == 0);
        done.map(|drain| drain.told.insert(drained(&drain.instance, drain.since)).clone()).collect()
    }

    /// All that are drained, for somebody who begins to watch.
    pub(crate) fn all(&self) -> Vec<Drained> {
        self.of.values().filter_map(|drain| drain.told.clone()).collect()
    }
}

fn drained(instance: &Instance, since: Instant) -> Drained {
    let ended = instance.ended_in_this_drain();
    instance.settle();
    Drained {
        app: instance.app.clone(),
        instance: instance.number,
        cut: ended.cut,
        websockets_closed: ended.websockets,
        streams_ended: ended.streams,
        // at least 1: 0 stands for a proxy that does not say
        took_ms: u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX).max(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn told_once_when_nothing_is_in_flight() {
        let instance = Arc::new(Instance::new("beacon".into(), 7, 1));
        instance.begin();
        let mut drains = Drains::default();
        drains.follow(vec![instance.clone()], |_| false);
        assert!(drains.news().is_empty() && drains.are_pending());
        instance.end();
        let news = drains.news();
        assert_eq!(news.len(), 1);
        assert!(drains.news().is_empty() && !drains.are_pending());
        drains.follow(vec![instance], |_| false);
        assert!(drains.news().is_empty(), "another table, the same drain");
        assert_eq!(drains.all(), news, "who begins to watch is told again");
    }

    #[test]
    fn the_figures_are_those_of_one_drain() {
        let instance = Arc::new(Instance::new("beacon".into(), 7, 2));
        let mut drains = Drains::default();
        let mut drain = |websockets, streams, cut| {
            drains.follow(vec![instance.clone()], |_| false);
            instance.counts(0).websockets_closed.add(websockets);
            instance.counts(1).streams_ended.add(streams);
            instance.counts(1).cut.add(cut);
            let told = drains.news().remove(0);
            drains.follow(vec![], |_| true);
            assert!(told.took_ms > 0);
            (told.websockets_closed, told.streams_ended, told.cut)
        };
        assert_eq!(drain(3, 2, 1), (3, 2, 1));
        assert_eq!(drain(1, 0, 4), (1, 0, 4), "what was before is not counted again");
        drains.follow(vec![instance.clone()], |_| false);
        instance.counts(0).cut.add(9);
        drains.follow(vec![], |_| true);
        drains.follow(vec![instance], |_| false);
        assert_eq!(drains.news()[0].cut, 0, "nor what a drain ended that was called off");
    }

    #[test]
    fn one_that_gets_requests_again_drains_anew_later() {
        let instance = Arc::new(Instance::new("beacon".into(), 7, 1));
        let mut drains = Drains::default();
        drains.follow(vec![instance.clone()], |_| false);
        assert_eq!(drains.news().len(), 1);
        drains.follow(vec![], |_| true);
        assert!(drains.all().is_empty());
        drains.follow(vec![instance], |_| false);
        assert_eq!(drains.news().len(), 1);
    }

    #[test]
    fn one_that_came_back_from_a_crash_drains_anew_later() {
        let instance = || Arc::new(Instance::new("beacon".into(), 7, 1));
        let mut drains = Drains::default();
        drains.follow(vec![instance()], |_| false);
        assert_eq!(drains.news().len(), 1, "its crash took it from the table");
        drains.follow(vec![instance()], |_| false);
        assert_eq!(drains.news().len(), 1, "what drains now is not what was told before");
    }
}
