//! An app's route in the proxy's words.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use jiff::Timestamp;
use model::app::{self as app, App};
use model::settings::{AccessLog, Balance, Protocol, RequestLimits};
use wire::proxy as wire;

use super::book::Page;
use crate::assets;
use crate::clock;
use crate::paths::Paths;

/// What the proxy shall serve for an app, as the journal has it. After a reboot none of its instances runs: requests
/// wait until the app says which are ready.
pub fn page(paths: &Paths, app: &App, rebooted: bool) -> Page {
    let mut route = app.routing.wanted.as_ref().map(|it| route(paths, app, it));
    if let (true, Some(route)) = (rebooted, &mut route) {
        route.backends.clear();
    }
    Page { app: app.name.clone(), effect: app.routing.effect, route }
}

/// A route of an app in the proxy's words.
pub(crate) fn route(paths: &Paths, app: &App, route: &app::Route) -> wire::Route {
    wire::Route {
        app: app.name.to_string(),
        hosts: route.hosts.clone(),
        paths: route.paths.clone(),
        balance: match route.balance {
            Balance::LeastConnections => wire::Balance::LeastConnections,
            Balance::RoundRobin => wire::Balance::RoundRobin,
        },
        protocol: match route.protocol {
            Protocol::Http1 => wire::Protocol::Http1,
            Protocol::H2c => wire::Protocol::H2c,
        },
        limits: limits(&route.limits),
        health: route.health.as_ref().map(health),
        hold_ms: ms(route.hold),
        paused: route.paused_until.is_some(),
        paused_until_ms: route.paused_until.map_or(0, ms_since_1970),
        maintenance: route.maintenance.map(|_| maintenance(app)),
        drain_ms: ms(route.drain),
        endless_types: route.endless_types.clone(),
        access_log: route.access_log.map_or(wire::LogFormat::AsFront, log_format),
        backends: route.backends.iter().map(backend).collect(),
        canary: route.canary.as_ref().map(canary),
        assets: route.assets.as_ref().map(|it| assets(paths, app, it)),
    }
}

fn assets(paths: &Paths, app: &App, route: &app::AssetsRoute) -> wire::Assets {
    let folder = |of: &app::AssetsOf| wire::AssetFolder {
        path: assets::folder(paths, &app.name, route, of).to_string_lossy().into_owned(),
        until_ms: of.until.map_or(0, ms_since_1970),
    };
    wire::Assets { prefixes: route.prefixes.clone(), folders: route.versions.iter().map(folder).collect() }
}

fn canary(canary: &app::CanaryRoute) -> wire::Canary {
    wire::Canary { share: u32::from(canary.percent) * 100, header: canary.header.clone().unwrap_or_default() }
}

/// How requests are written down, in the proxy's words.
pub(super) fn log_format(log: AccessLog) -> wire::LogFormat {
    match log {
        AccessLog::Off => wire::LogFormat::Off,
        AccessLog::Common => wire::LogFormat::Common,
        AccessLog::Json => wire::LogFormat::Json,
    }
}

/// What clients are told to wait before they look again, in s.
const RETRY_AFTER_S: u32 = 60;

fn maintenance(app: &App) -> wire::Maintenance {
    let page = app.maintenance.as_ref().and_then(|it| it.page.clone());
    wire::Maintenance { page: page.unwrap_or_default(), retry_after_s: RETRY_AFTER_S }
}

/// By the wall's clock, which the proxy looks at, as it shows the time now; deadlines are reckoned by another one. Never 0,
/// which would be a pause without an end.
fn ms_since_1970(time: Timestamp) -> u64 {
    let on_the_wall = clock::on_the_wall(time);
    u64::try_from(on_the_wall.as_millisecond()).unwrap_or_default().max(1)
}

fn limits(limits: &RequestLimits) -> wire::Limits {
    wire::Limits {
        max_body_bytes: limits.body_size.bytes(),
        body_timeout_ms: ms(limits.body_timeout),
        response_timeout_ms: ms(limits.response_timeout),
        write_timeout_ms: ms(limits.write_timeout),
        max_held: limits.held.into(),
    }
}

fn health(check: &app::ProxyCheck) -> wire::HealthCheck {
    wire::HealthCheck {
        path: check.path.clone(),
        interval_ms: ms(check.interval),
        timeout_ms: ms(check.within),
        failures: check.failures,
        successes: check.successes,
    }
}

fn backend(backend: &app::Backend) -> wire::Backend {
    wire::Backend {
        instance: backend.instance.0,
        place: backend.place.0.into(),
        version: backend.version.clone(),
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, backend.port)).to_string(),
        mode: match backend.mode {
            app::BackendMode::Active => wire::BackendMode::Active,
            app::BackendMode::Draining => wire::BackendMode::Draining,
        },
        run: backend.run,
        health_port: backend.health_port,
        canary: backend.canary,
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
