//! The host's keys.

use std::time::Duration;

use super::keys::{Default, Key, Kind, Owner};

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
const GB: u64 = 1_000_000_000;

pub(super) const LOG_SIZE: Kind = Kind::Size { min: 10_000, max: 100 * GB };
pub(super) const LOG_AGE: Kind =
    Kind::Duration { min: Duration::from_secs(60), max: Duration::from_secs(3650 * DAY) };
pub(super) const LOG_KEEP: Kind = Kind::Integer { min: 0, max: 1000 };

const fn key(path: &'static str, kind: Kind, default: Default, doc: &'static str) -> Key {
    Key { path, kind, default, doc, since: "0.1", owner: Owner::Host }
}

/// Keys at the top of `config.toml`.
pub(super) static HOST_KEYS: &[Key] = &[
    key(
        "env",
        Kind::Word,
        Default::Is(r#""production""#),
        "Environment of this host, `{env}` in the store's layout.",
    ),
    key(
        "store",
        Kind::Path,
        Default::Unset("`{root}/var/lib/bellrock/store`", r#""/srv/bellrock/store""#),
        "Folder of the store.",
    ),
    key(
        "poll_interval",
        Kind::Duration { min: Duration::from_millis(100), max: Duration::from_secs(DAY) },
        Default::Is(r#""5 s""#),
        "Time between two looks at an app's `current.json` in the store.",
    ),
    key(
        "app_user",
        Kind::Word,
        Default::Unset(
            "apps that name no user are refused when the daemon runs as root",
            r#""bellrock-app""#,
        ),
        "User of apps that name none, when the daemon runs as root.",
    ),
    key(
        "app_group",
        Kind::Word,
        Default::Unset("the user's own", r#""bellrock-app""#),
        "Group of apps that name none.",
    ),
    key(
        "node_host",
        Kind::Word,
        Default::Unset("the host's name", r#""app1.example.com""#),
        "Host part of the instances' Erlang node names.",
    ),
    key(
        "deployments_at_once",
        Kind::Integer { min: 1, max: 1024 },
        Default::Unset("one per core", "2"),
        "Instances that start at the same time after a reboot.",
    ),
    key(
        "api_group",
        Kind::Word,
        Default::Unset("the daemon's own", r#""bellrock""#),
        "Group whose members may use the API socket. They can run code as any app's user.",
    ),
    key(
        "log.max_size",
        LOG_SIZE,
        Default::Is(r#""10 MB""#),
        "A log file that reaches this size is rotated; for apps that say nothing else.",
    ),
    key(
        "log.max_age",
        LOG_AGE,
        Default::Is(r#""7 days""#),
        "A log file that reaches this age is rotated; for apps that say nothing else.",
    ),
    key("log.keep", LOG_KEEP, Default::Is("5"), "Rotated log files kept; for apps that say nothing else."),
    key(
        "min_free_disk",
        Kind::Size { min: 0, max: 1_000_000 * GB },
        Default::Is(r#""500 MB""#),
        "No deployment begins unless this stays free on the disk beside what it will take: three times the package where it is unpacked, and 1 MB for each instance.",
    ),
    key(
        "proxy.http",
        Kind::Addresses,
        Default::Is(r#"["127.0.0.1:8080"]"#),
        "Where the proxy speaks HTTP; without any, here and in `proxy.https`, there is no proxy.",
    ),
    key(
        "proxy.https",
        Kind::Addresses,
        Default::Unset("nowhere", r#"["0.0.0.0:443", "[::]:443"]"#),
        "Where the proxy speaks HTTPS; needs `proxy.certificates`.",
    ),
    key(
        "proxy.certificates",
        Kind::Certificates,
        Default::Unset(
            "none",
            r#"[{ chain = "/etc/bellrock/tls/shop.pem", key = "/etc/bellrock/tls/shop.key" }]"#,
        ),
        "Certificates for HTTPS, chain and key in PEM files, which are read again when they change; the first one is for clients that name no known host.",
    ),
    key(
        "proxy.trusted",
        Kind::Networks,
        Default::Unset("nobody's are", r#"["10.0.0.0/8"]"#),
        "Peers whose `X-Forwarded-*` and `X-Request-Id` are believed, such as a load balancer in front.",
    ),
    key(
        "proxy.proxy_protocol",
        Kind::Networks,
        Default::Unset("nobody's do", r#"["10.0.0.0/8"]"#),
        "Peers whose connections begin with a PROXY header (version 1 or 2), such as a balancer that passes on TCP: it says who the client is. Of them a connection without one is closed.",
    ),
    key(
        "proxy.max_connections",
        Kind::Integer { min: 10, max: 1_000_000 },
        Default::Is("20000"),
        "Most client connections at a time, and never more than two thirds of the files that the proxy may open; beyond, idle ones are closed first, then new ones wait.",
    ),
    key(
        "proxy.header_size",
        Kind::Size { min: 1_000, max: 10_000_000 },
        Default::Is(r#""64 KiB""#),
        "Most bytes of a request's line and headers together; beyond it gets 431.",
    ),
    key(
        "proxy.header_timeout",
        Kind::Duration { min: Duration::from_millis(100), max: Duration::from_secs(HOUR) },
        Default::Is(r#""10 s""#),
        "From a request's first byte to the end of its headers; beyond it gets 408.",
    ),
    key(
        "proxy.idle_timeout",
        Kind::Duration { min: Duration::from_millis(100), max: Duration::from_secs(DAY) },
        Default::Is(r#""1 min""#),
        "How long a client's connection may be idle between two requests.",
    ),
    key(
        "proxy.http2",
        Kind::Bool,
        Default::Is("true"),
        "Whether clients may speak HTTP/2: agreed on within TLS, or begun at once by those that know.",
    ),
    key(
        "proxy.access_log",
        Kind::Choice { words: &["off", "common", "json"], refused: &[] },
        Default::Is(r#""off""#),
        "How the proxy writes requests down, for apps that say nothing else: not at all, in the Common Log Format, or as JSON; rotated as `log` says.",
    ),
    key(
        "proxy.user",
        Kind::Word,
        Default::Unset("the daemon's own", r#""bellrock-proxy""#),
        "User that the proxy runs as, when the daemon runs as root.",
    ),
    key(
        "export.nginx.file",
        Kind::Path,
        Default::Unset("nginx is told nothing", r#""/etc/nginx/conf.d/bellrock.conf""#),
        "File that tells nginx which instances are ready, written anew at each change.",
    ),
    key(
        "export.nginx.reload",
        Kind::Command,
        Default::Unset("none: the file alone changes", r#"["nginx", "-s", "reload"]"#),
        "Run whenever that file has changed; what waits for the change goes on when this has ended with 0.",
    ),
    key(
        "export.haproxy.file",
        Kind::Path,
        Default::Unset("HAProxy is told nothing", r#""/etc/haproxy/bellrock.cfg""#),
        "File that tells HAProxy which instances are ready, written anew at each change.",
    ),
    key(
        "export.haproxy.reload",
        Kind::Command,
        Default::Unset("none: the file alone changes", r#"["systemctl", "reload", "haproxy"]"#),
        "Run whenever that file has changed; what waits for the change goes on when this has ended with 0.",
    ),
    key(
        "export.caddy.file",
        Kind::Path,
        Default::Unset("Caddy is told nothing", r#""/etc/caddy/bellrock.caddy""#),
        "File that tells Caddy which instances are ready, written anew at each change.",
    ),
    key(
        "export.caddy.reload",
        Kind::Command,
        Default::Unset(
            "none: the file alone changes",
            r#"["caddy", "reload", "--config", "/etc/caddy/Caddyfile"]"#,
        ),
        "Run whenever that file has changed; what waits for the change goes on when this has ended with 0.",
    ),
    key(
        "export.timeout",
        Kind::Duration { min: Duration::from_millis(100), max: Duration::from_secs(HOUR) },
        Default::Is(r#""10 s""#),
        "Time that such a reload may take; then it is killed, and tried again.",
    ),
    key(
        "export.drain",
        Kind::Duration { min: Duration::ZERO, max: Duration::from_secs(DAY) },
        Default::Is(r#""5 s""#),
        "How long an instance goes on after such a reload took it out: what was sent to it before may end.",
    ),
];
