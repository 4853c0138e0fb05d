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
        "No deployment begins when less than this is free on the disk.",
    ),
];
