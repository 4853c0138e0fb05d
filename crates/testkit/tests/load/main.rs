//! A load generator that cannot see a loss is worthless: small servers misbehave in every way, and each must be seen.

#![allow(clippy::unwrap_used, reason = "clippy knows tests by their attribute, not their helpers")]

mod accounts;
mod http;
mod server;
mod sse;
mod web_socket;

use std::time::Duration;

use server::Server;
use testkit::load::{Kind, Load, Plan, Report, Weights};

/// What a page answers.
const FRONT: &str = r#"{"app":"beacon","version":"1.0.0","place":"1","pid":42}"#;

/// Twenty requests of one kind, over one connection where it is kept; nothing that lives long. None is late: how
/// quick this machine is proves nothing here.
fn plan(server: &Server, kind: Kind) -> Plan {
    let mut weights = Weights::none();
    match kind {
        Kind::KeepAlive => weights.keep_alive = 1,
        Kind::NewConnection => weights.new_connection = 1,
        Kind::Upload => weights.upload = 1,
        Kind::Stream => weights.stream = 1,
        Kind::WebSocket => weights.web_socket = 1,
        Kind::Socket | Kind::Sse => {}
    }
    let plan = Plan::new(server.address, 100, Duration::from_millis(200));
    let web_sockets = u16::from(matches!(kind, Kind::WebSocket | Kind::Socket));
    Plan {
        weights,
        web_sockets,
        sse_clients: u16::from(kind == Kind::Sse),
        kept_connections: 1,
        late_after: Duration::from_secs(600),
        ..plan
    }
}

async fn run(plan: Plan) -> Report {
    Load::start(plan).unwrap().finish().await
}

/// Every request has come to an end, and so many of each sort of fault are among them.
#[track_caller]
fn assert_lost(report: &Report, lost: u64, word: &str) {
    assert_eq!(report.under_way(), 0, "{report}");
    assert_eq!(report.lost, lost, "{report}");
    assert_eq!(report.losses.len() as u64, lost, "{report}");
    assert_eq!(report.faults.get(word).copied().unwrap_or_default(), lost, "{report}");
}
