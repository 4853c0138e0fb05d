//! Requests through the host's proxy while versions, instances, the daemon and the proxy itself come and go.

mod https;
mod journey;
mod kinds;
mod matrix;
mod memory;
mod proxy;
mod server_errors;
mod updating;

use std::time::Duration;

use kinds::AppKind;
use testkit::load::{Load, Plan, Report};
use testkit::wait::LONG;
use testkit::{TempHost, wait_for};

/// Scheduled requests a second: enough to meet every moment of a change, and little enough for busy cores.
const PER_SECOND: u32 = 60;

/// Every kind of request that an app of that kind answers, steadily, to the host's proxy.
fn plan(host: &TempHost, kind: &AppKind) -> Plan {
    let plan = Plan::new(host.http(), PER_SECOND, Duration::from_secs(3600));
    // While requests are held each of them has a connection to itself.
    let plan = Plan { kept_connections: 1_000, app: Some(kind.app.to_owned()), ..plan };
    let plan = Plan { sse_clients: 2, web_sockets: 2, ..plan };
    if kind.knows_all_requests { plan } else { plan.pages_only() }
}

/// Waits until requests of every kind that an app of that kind answers have been answered since now.
async fn answered_anew(load: &Load, kind: &AppKind) {
    let before = load.report();
    let count = |report: &Report, kind| report.kinds.get(kind).map_or(0, |each| each.answered);
    wait_for("an answer of every kind", LONG, async || {
        let now = load.report();
        kind.requests().iter().all(|kind| count(&now, kind) > count(&before, kind)).then_some(())
    })
    .await;
}
