//! What the proxy counted over the last seconds: the difference of its newest two reports.

use std::time::Duration;

use api::routes::Traffic;
use host::proxy::ProxyFacts;
use wire::proxy::{BackendReport, Counts, Report, quantile_us};

/// Of the hundreds that statuses are counted by: 1xx, 2xx, 3xx, 4xx, 5xx.
const SERVER_ERRORS: usize = 4;

/// Two reports with the time between them.
pub(super) struct Interval<'a> {
    before: &'a Report,
    after: &'a Report,
    over: Duration,
}

impl<'a> Interval<'a> {
    /// `None` until there are two reports of the same process.
    pub(super) fn of(facts: &'a ProxyFacts) -> Option<Self> {
        let (before, after, over) = facts.interval()?;
        Some(Interval { before, after, over })
    }

    /// What was counted of an instance; `None` when the proxy does not know it.
    pub(super) fn instance(&self, app: &str, instance: u64) -> Option<Traffic> {
        self.sum(|it| it.app == app && it.instance == instance)
    }

    /// What was counted of an app, over all its instances; `None` when the proxy does not serve it.
    pub(super) fn app(&self, app: &str) -> Option<Traffic> {
        self.after.routes.iter().find(|route| route.app == app)?;
        Some(self.sum(|it| it.app == app).unwrap_or_else(|| self.traffic(&Counts::default(), 0)))
    }

    fn sum(&self, wanted: impl Fn(&BackendReport) -> bool) -> Option<Traffic> {
        let mut backends = self.after.backends.iter().filter(|it| wanted(it)).peekable();
        backends.peek()?;
        let (mut counts, mut in_flight) = (Counts::default(), 0);
        for after in backends {
            let before = self.before.backends.iter().find(|it| is_same(it, after)).map(|it| &it.counts);
            add_difference(&mut counts, &after.counts, before.unwrap_or(&Counts::default()));
            in_flight += after.in_flight;
        }
        Some(self.traffic(&counts, in_flight))
    }

    fn traffic(&self, counts: &Counts, in_flight: u64) -> Traffic {
        Traffic {
            over_ms: u64::try_from(self.over.as_millis()).unwrap_or(u64::MAX),
            requests_per_s: counts.requests as f64 / self.over.as_secs_f64().max(0.001),
            server_errors: counts.statuses.get(SERVER_ERRORS).copied().unwrap_or(0),
            p50_us: quantile_us(&counts.latency, 0.5),
            p99_us: quantile_us(&counts.latency, 0.99),
            in_flight,
        }
    }
}

fn is_same(one: &BackendReport, other: &BackendReport) -> bool {
    one.app == other.app && one.instance == other.instance
}

/// Adds what is shown here.
fn add_difference(sum: &mut Counts, after: &Counts, before: &Counts) {
    sum.requests += after.requests.saturating_sub(before.requests);
    add_each(&mut sum.statuses, &after.statuses, &before.statuses);
    add_each(&mut sum.latency, &after.latency, &before.latency);
}

fn add_each(sum: &mut Vec<u64>, after: &[u64], before: &[u64]) {
    if sum.len() < after.len() {
        sum.resize(after.len(), 0);
    }
    for (index, (sum, after)) in sum.iter_mut().zip(after).enumerate() {
        *sum += after.saturating_sub(before.get(index).copied().unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::proxy::RouteReport;

    fn backend(instance: u64, requests: u64, errors: u64, slow: u64) -> BackendReport {
        let mut latency = vec![0; 25];
        (latency[4], latency[9]) = (requests - slow, slow);
        let counts = Counts {
            requests,
            statuses: vec![0, requests - errors, 0, 0, errors],
            latency,
            ..Counts::default()
        };
        BackendReport { app: "beacon".into(), instance, in_flight: 2, counts, ..BackendReport::default() }
    }

    fn report(backends: Vec<BackendReport>) -> Report {
        let routes = ["beacon", "buoy"].map(|app| RouteReport { app: app.into(), ..RouteReport::default() });
        Report { routes: routes.into(), backends, ..Report::default() }
    }

    #[test]
    fn only_what_came_in_between_counts() {
        let (before, after) = (
            report(vec![backend(1, 100, 50, 0)]),
            report(vec![backend(1, 300, 51, 4), backend(2, 50, 1, 0)]),
        );
        let interval = Interval { before: &before, after: &after, over: Duration::from_secs(5) };
        let first = Traffic {
            over_ms: 5000,
            requests_per_s: 40.0,
            server_errors: 1,
            p50_us: Some(700),
            p99_us: Some(5_000),
            in_flight: 2,
        };
        assert_eq!(interval.instance("beacon", 1), Some(first));
        assert_eq!(interval.instance("beacon", 2).unwrap().requests_per_s, 10.0, "a new one began at zero");
        assert_eq!(interval.instance("beacon", 3), None);
        let all = interval.app("beacon").unwrap();
        assert_eq!((all.requests_per_s, all.server_errors, all.in_flight), (50.0, 2, 4));
        let none = Traffic { over_ms: 5000, ..Traffic::default() };
        assert_eq!(interval.app("buoy"), Some(none), "served, and nobody asks");
        assert_eq!(interval.app("echo"), None);
    }
}
