//! Keys of one app that do not fit together.

use super::app::{AppSettings, NodeName, Strategy};
use super::checks::{CheckKind, HealthKind, PortName};
use super::merge::Stack;
use super::ports::reservations;
use super::problem::Problem;
use crate::units::format_duration;

mod autoscale;

type Check = fn(&AppSettings, &Stack<'_>) -> Vec<Problem>;

/// Keys that say which requests an app gets.
pub(super) const ROUTE_KEYS: &[&str] = &["proxy", "hosts", "paths"];

/// Keys that say an app's ports.
pub(super) const PORT_KEYS: &[&str] = &["replicas", "max", "autoscale.max", "port", "ports"];

/// Each check with the keys that it judges by: where one of them could not be read, it says nothing, so that one
/// mistake is told once.
const CHECKS: [(&[&str], Check); 16] = [
    (&["replicas", "max"], places),
    (PORT_KEYS, ports),
    (&["node_name", "strategy"], node_names),
    (&["readiness.kind"], readiness_keys),
    (&["readiness.kind", "health.kind"], health_keys),
    (&["readiness.kind", "readiness.command", "health.kind", "health.command"], commands),
    (&["readiness.kind", "readiness.mfa", "health.kind", "health.mfa"], functions),
    (&["readiness.port", "health.port", "proxy_port", "ports"], named_ports),
    (&["proxy"], without_proxy),
    (&["canary.steps", "canary.header", "strategy", "proxy"], super::canary::conflicts),
    (
        &[
            "strategy",
            "member.check",
            "autoscale.cpu",
            "autoscale.memory",
            "autoscale.requests",
            "autoscale.run_queue",
            "autoscale.node_memory",
        ],
        super::member::conflicts,
    ),
    (
        &[
            "readiness.kind",
            "readiness.runs_for",
            "readiness.within",
            "readiness.failure_timeout",
            "deploy_deadline",
        ],
        times,
    ),
    (&["ports", "variables"], variables),
    (
        &[
            "distribution",
            "pre_commands",
            "post_rollback",
            "member.check",
            "readiness.kind",
            "health.kind",
            "stop_by",
            "autoscale.run_queue",
            "autoscale.node_memory",
        ],
        super::node::conflicts,
    ),
    (&["replicas", "max", "autoscale.min", "autoscale.max"], autoscale::places),
    (&["proxy", "autoscale"], autoscale::idle),
];

/// All conflicts inside one app's merged settings.
pub(super) fn find(app: &AppSettings, stack: &Stack<'_>) -> Vec<Problem> {
    CHECKS
        .iter()
        .filter(|(keys, _)| !keys.iter().any(|key| stack.is_faulty(key)))
        .flat_map(|(_, check)| check(app, stack))
        .collect()
}

fn places(app: &AppSettings, stack: &Stack<'_>) -> Vec<Problem> {
    let Some(max) = app.max.filter(|max| *max < app.replicas) else {
        return Vec::new();
    };
    let key = if stack.height("max") >= stack.height("replicas") { "max" } else { "replicas" };
    let message = match key {
        "max" => format!("{max} is less than `replicas`, which is {}", app.replicas),
        _ => format!("{} is more than `max`, which is {max}", app.replicas),
    };
    let remedy = match key {
        "max" => format!("choose {} or more", app.replicas),
        _ => format!("choose {max} or less, or raise `max`"),
    };
    vec![stack.locate(key).problem(message, remedy)]
}

fn ports(app: &AppSettings, stack: &Stack<'_>) -> Vec<Problem> {
    let beyond = reservations(app).into_iter().filter(|reservation| !reservation.range().exists());
    beyond
        .map(|reservation| {
            let range = reservation.range();
            let highest = 65536 - (range.last - range.first + 1);
            let message = format!("{range} goes beyond 65535 (2 × `max` ports are reserved)");
            stack.locate(&port_key(&reservation.name)).problem(message, format!("choose {highest} or lower"))
        })
        .collect()
}

/// The key that sets a port's base.
pub(super) fn port_key(name: &PortName) -> String {
    match name {
        PortName::Port => "port".to_owned(),
        PortName::Extra(name) => format!("ports.{name}"),
    }
}

fn node_names(app: &AppSettings, stack: &Stack<'_>) -> Vec<Problem> {
    let strategy = match app.strategy {
        Strategy::Parallel => "parallel",
        Strategy::Rolling => "rolling",
        Strategy::TemporaryShutdown | Strategy::Member => return Vec::new(),
    };
    if app.node_name != NodeName::Plain {
        return Vec::new();
    }
    let message =
        format!("\"plain\" gives old and new the same name, and `strategy` \"{strategy}\" runs both at once");
    vec![
        stack
            .locate("node_name")
            .problem(message, "say strategy = \"temporary_shutdown\", or node_name = \"slot\""),
    ]
}

/// Keys of a check, with the kinds for which they mean something.
const CHECK_KEYS: [(&str, &[CheckKind]); 6] = [
    ("path", &[CheckKind::HttpGet]),
    ("scheme", &[CheckKind::HttpGet]),
    ("port", &[CheckKind::HttpGet, CheckKind::Tcp]),
    ("command", &[CheckKind::Exec]),
    ("mfa", &[CheckKind::Mfa]),
    ("runs_for", &[CheckKind::RunsFor]),
];

fn kind_word(kind: CheckKind) -> &'static str {
    match kind {
        CheckKind::HttpGet => "http_get",
        CheckKind::Tcp => "tcp",
        CheckKind::Exec => "exec",
        CheckKind::RunsFor => "runs_for",
        CheckKind::Node => "node",
        CheckKind::Mfa => "mfa",
    }
}

/// A key that the kind ignores was said, and not in a layer below the one that chose the kind.
fn idle_keys(stack: &Stack<'_>, section: &str, kind: Option<CheckKind>, kind_height: usize) -> Vec<Problem> {
    CHECK_KEYS
        .iter()
        .filter(|(_, kinds)| kind.is_none_or(|kind| !kinds.contains(&kind)))
        .map(|(name, kinds)| (format!("{section}.{name}"), kinds))
        .filter(|(key, _)| stack.says(key) && stack.height(key) >= kind_height)
        .map(|(key, kinds)| {
            let wanted =
                kinds.iter().map(|kind| format!("\"{}\"", kind_word(*kind))).collect::<Vec<_>>().join(" or ");
            let message =
                format!("means nothing while {section}.kind is \"{}\"", kind.map_or("off", kind_word));
            stack.locate(&key).problem(message, format!("say {section}.kind = {wanted}, or remove it"))
        })
        .collect()
}

fn readiness_keys(app: &AppSettings, stack: &Stack<'_>) -> Vec<Problem> {
    idle_keys(stack, "readiness", Some(app.readiness.kind), stack.height("readiness.kind"))
}

fn health_keys(app: &AppSettings, stack: &Stack<'_>) -> Vec<Problem> {
    let says = if app.health.kind.is_some() { "health.kind" } else { "readiness.kind" };
    idle_keys(stack, "health", health_kind(app), stack.height(says))
}

/// The kind of the health check; `None` = off.
fn health_kind(app: &AppSettings) -> Option<CheckKind> {
    app.health.kind.map_or(Some(app.readiness.kind), HealthKind::check_kind)
}

/// Whether the key means nothing beside others, such as the kind of its check, so that no file may say it.
pub(super) fn is_idle(app: &AppSettings, path: &str) -> bool {
    if autoscale::is_idle(app, path) || super::member::is_idle(app, path) {
        return true;
    }
    let kind = match path.split_once('.') {
        Some(("readiness", _)) => Some(app.readiness.kind),
        Some(("health", _)) => health_kind(app),
        _ => return false,
    };
    let name = path.rsplit('.').next().unwrap_or(path);
    CHECK_KEYS.iter().any(|(key, kinds)| *key == name && kind.is_none_or(|kind| !kinds.contains(&kind)))
}

fn commands(app: &AppSettings, stack: &Stack<'_>) -> Vec<Problem> {
    let readiness = app.readiness.kind == CheckKind::Exec && app.readiness.command.is_none();
    let own = app.health.command.as_ref().or(app.readiness.command.as_ref());
    let health = app.health.kind == Some(HealthKind::Exec) && own.is_none();
    missing(stack, readiness, health, "exec", "command", "\"bin/ready\" with your command")
}

fn functions(app: &AppSettings, stack: &Stack<'_>) -> Vec<Problem> {
    let readiness = app.readiness.kind == CheckKind::Mfa && app.readiness.mfa.is_none();
    let own = app.health.mfa.as_ref().or(app.readiness.mfa.as_ref());
    let health = app.health.kind == Some(HealthKind::Mfa) && own.is_none();
    missing(stack, readiness, health, "mfa", "mfa", "\"Elixir.Shop.Health:ready/0\" with your function")
}

/// A kind of check without what it asks.
fn missing(
    stack: &Stack<'_>,
    readiness: bool,
    health: bool,
    kind: &str,
    key: &str,
    example: &str,
) -> Vec<Problem> {
    [("readiness", readiness), ("health", health)]
        .into_iter()
        .filter(|(_, missing)| *missing)
        .map(|(section, _)| {
            let message = format!("\"{kind}\" needs {section}.{key}");
            let remedy = format!("say {section}.{key} = {example}");
            stack.locate(&format!("{section}.kind")).problem(message, remedy)
        })
        .collect()
}

fn named_ports(app: &AppSettings, stack: &Stack<'_>) -> Vec<Problem> {
    let named = [
        ("readiness.port", Some(&app.readiness.port)),
        ("health.port", app.health.port.as_ref()),
        ("proxy_port", Some(&app.proxy_port)),
    ];
    named
        .into_iter()
        .filter_map(|(key, port)| match port? {
            PortName::Extra(name) if !app.ports.contains_key(name) => {
                let remedy = format!("say \"PORT\", or add {name} to `ports`");
                Some(stack.locate(key).problem(format!("\"{name}\" is none of the app's `ports`"), remedy))
            }
            _ => None,
        })
        .collect()
}

/// Keys that only the proxy follows.
const PROXY_KEYS: [&str; 17] = [
    "proxy_port",
    "hosts",
    "paths",
    "balance",
    "protocol",
    "drain_timeout",
    "hold_timeout",
    "endless_types",
    "access_log",
    "limits.body_size",
    "limits.body_timeout",
    "limits.response_timeout",
    "limits.write_timeout",
    "limits.held",
    "assets.prefixes",
    "assets.folder",
    "assets.keep",
];

/// A key of the proxy was said, and not in a layer below the one that said that the app does without.
fn without_proxy(app: &AppSettings, stack: &Stack<'_>) -> Vec<Problem> {
    PROXY_KEYS
        .iter()
        .filter(|key| !app.proxy && stack.says(key) && stack.height(key) >= stack.height("proxy"))
        .map(|key| {
            stack
                .locate(key)
                .problem("means nothing while `proxy` is false", "say proxy = true, or remove it")
        })
        .collect()
}

/// An instance that cannot be ready before its time is up.
fn times(app: &AppSettings, stack: &Stack<'_>) -> Vec<Problem> {
    let readiness = &app.readiness;
    let (key, time) = match readiness.kind {
        CheckKind::RunsFor => ("readiness.runs_for", readiness.runs_for),
        _ => ("readiness.within", readiness.within),
    };
    let limits =
        [("readiness.failure_timeout", readiness.failure_timeout), ("deploy_deadline", app.deploy_deadline)];
    let Some((limit_key, limit)) =
        limits.into_iter().filter(|(_, limit)| time >= *limit).min_by_key(|(_, limit)| *limit)
    else {
        return Vec::new();
    };
    let at = if stack.height(key) >= stack.height(limit_key) { key } else { limit_key };
    let (time, limit) = (format_duration(time), format_duration(limit));
    let message = format!("`{key}` is {time}, and `{limit_key}` ends the waiting after {limit}");
    vec![stack.locate(at).problem(message, format!("shorten `{key}`, or lengthen `{limit_key}`"))]
}

fn variables(app: &AppSettings, stack: &Stack<'_>) -> Vec<Problem> {
    app.variables
        .keys()
        .filter(|name| app.ports.contains_key(*name))
        .map(|name| {
            let message = "is a key of `ports` too, which gives each instance its own value";
            stack.locate(&format!("variables.{name}")).problem(message, "remove one of them")
        })
        .collect()
}
