//! Which instances are drained: every core serves by a table in which they get no requests, and nothing of them is in
//! flight.

use std::collections::HashMap;
use std::sync::Arc;

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
    told: bool,
}

impl Drains {
    /// All cores serve by a table in which these get no new requests. Those that the table does not name at all are kept
    /// until they are drained and that was told.
    ///
    /// Instances are told apart by their names: one that was in no table for a moment, as after a crash, comes back as
    /// another object.
    pub(crate) fn follow(&mut self, draining: Vec<Arc<Instance>>, active: impl Fn(&Instance) -> bool) {
        self.of.retain(|_, drain| !active(&drain.instance));
        for instance in draining {
            let key = (instance.app.clone(), instance.number);
            let known = self.of.get(&key).is_some_and(|drain| Arc::ptr_eq(&drain.instance, &instance));
            if !known {
                self.of.insert(key, Drain { instance, told: false });
            }
        }
    }

    /// Whether somebody is still to be told of.
    pub(crate) fn are_pending(&self) -> bool {
        self.of.values().any(|drain| !drain.told)
    }

    /// Those that are drained and were not told.
    pub(crate) fn news(&mut self) -> Vec<Drained> {
        let done = self.of.values_mut().filter(|drain| !drain.told && drain.instance.in_flight() == 0);
        done.map(|drain| {
            drain.told = true;
            drained(&drain.instance)
        })
        .collect()
    }

    /// How many endless answers and WebSockets of it were ended in order.
    pub(crate) fn ended(&self, drained: &Drained) -> u64 {
        let key = (drained.app.clone(), drained.instance);
        self.of.get(&key).map_or(0, |drain| drain.instance.ended())
    }

    /// All that are drained, for somebody who begins to watch.
    pub(crate) fn all(&self) -> Vec<Drained> {
        self.of.values().filter(|drain| drain.told).map(|drain| drained(&drain.instance)).collect()
    }
}

fn drained(instance: &Instance) -> Drained {
    Drained { app: instance.app.clone(), instance: instance.number, cut: instance.total().cut }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn told_once_when_nothing_is_in_flight() {
        let instance = Arc::new(Instance::new("beacon".into(), 7, 1));
        instance.begin();
        instance.counts(0).ended.add(2);
        let mut drains = Drains::default();
        drains.follow(vec![instance.clone()], |_| false);
        assert!(drains.news().is_empty() && drains.are_pending());
        instance.end();
        let told = Drained { app: "beacon".into(), instance: 7, cut: 0 };
        assert_eq!((drains.ended(&told), drains.news()), (2, vec![told]));
        assert!(drains.news().is_empty() && !drains.are_pending());
        drains.follow(vec![instance], |_| false);
        assert!(drains.news().is_empty(), "another table, the same drain");
        assert_eq!(drains.all().len(), 1, "who begins to watch is told again");
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
