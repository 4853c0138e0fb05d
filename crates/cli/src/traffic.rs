//! What the proxy counted, in a few words.

use api::human;
use api::routes::Traffic;
use std::time::Duration;

use crate::table::Cell;

/// Cells of one line: `12.4 req/s`, `0 5xx`, `p50 1.5 ms`, `p99 20 ms`; empty ones where nothing is counted.
pub(crate) fn cells(traffic: Option<&Traffic>) -> [Cell; 4] {
    let Some(traffic) = traffic else { return Default::default() };
    [
        Cell::figure(rate(traffic)),
        Cell::figure(errors(traffic)),
        Cell::figure(latency("p50", traffic.p50_us)),
        Cell::figure(latency("p99", traffic.p99_us)),
    ]
}

/// `12.4 req/s, 3 5xx, p99 20 ms`
pub(crate) fn words(traffic: &Traffic) -> String {
    let parts = [rate(traffic), errors(traffic), latency("p99", traffic.p99_us)];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

fn rate(traffic: &Traffic) -> String {
    match traffic.requests_per_s {
        0.0 => "0 req/s".to_owned(),
        few if few < 100.0 => format!("{few:.1} req/s"),
        many => format!("{many:.0} req/s"),
    }
}

fn errors(traffic: &Traffic) -> String {
    format!("{} 5xx", traffic.server_errors)
}

fn latency(name: &str, us: Option<u64>) -> String {
    let Some(us) = us else { return String::new() };
    let text = match us {
        ..1_000 => format!("{us} µs"),
        1_000..10_000 if us % 1_000 != 0 => format!("{}.{} ms", us / 1_000, us % 1_000 / 100),
        _ => human::duration(Duration::from_micros(us)),
    };
    format!("{name} {text}")
}
