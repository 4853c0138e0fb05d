//! bellrock-proxy with one app of one instance, its health checks and limits switched on.

use std::net::SocketAddr;

use anyhow::Result;
use fs_err as fs;
use wire::field::Message;
use wire::proxy::{Backend, HealthCheck, Limits, Route, TABLE_FILE, Table};
use wire::record;

use super::Site;
use crate::child::Program;

pub(super) fn start(site: &Site<'_>, address: SocketAddr) -> Result<Program> {
    let folder = site.folder.join("bellrock");
    let [run, state] = ["run", "state"].map(|name| folder.join(name));
    fs::create_dir_all(&run)?;
    fs::create_dir_all(&state)?;
    let mut payload = Vec::new();
    table(site.upstream).encode(&mut payload);
    let mut saved = Vec::new();
    record::put(&payload, &mut saved);
    fs::write(state.join(TABLE_FILE), saved)?;
    let [run, state] = [run, state].map(|path| path.display().to_string());
    let address_text = address.to_string();
    Program::start(site.proxy, &["--run", &run, "--state", &state, "--http", &address_text], address)
}

fn table(upstream: SocketAddr) -> Table {
    let health =
        HealthCheck { path: "/".to_owned(), interval_ms: 1000, timeout_ms: 5000, failures: 3, successes: 2 };
    let limits = Limits {
        max_body_bytes: 1 << 30,
        body_timeout_ms: 60_000,
        response_timeout_ms: 60_000,
        write_timeout_ms: 60_000,
        max_held: 1000,
    };
    let backend = Backend {
        instance: 1,
        place: 1,
        version: "1.0.0".to_owned(),
        address: upstream.to_string(),
        run: 1,
        ..Backend::default()
    };
    let route = Route {
        app: "bench".to_owned(),
        limits,
        health: Some(health),
        hold_ms: 30_000,
        drain_ms: 30_000,
        endless_types: vec!["text/event-stream".to_owned()],
        backends: vec![backend],
        ..Route::default()
    };
    Table { revision: 1, epoch: 1, routes: vec![route], ..Table::default() }
}
