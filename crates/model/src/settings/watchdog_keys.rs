//! The keys of `watchdog`.

use super::app_keys::{DAY, HOUR, SECOND, between, key};
use super::keys::{Default, Key, Kind};

pub(super) static WATCHDOG_KEYS: &[Key] = &[
    key(
        "watchdog.action",
        Kind::Choice { words: &["restart", "tell", "off"], refused: &[] },
        Default::Is(r#""restart""#),
        "What is done when the node of an instance has `watchdog.act` percent of what it may have of something: it is replaced as by `bellrock restart`, one at a time and only while all other instances are ready; or it is told; or nobody looks. Needs a connection to the node.",
    ),
    key(
        "watchdog.warn",
        Kind::Integer { min: 1, max: 100 },
        Default::Is("75"),
        "Percent of a limit from which a node is told.",
    ),
    key(
        "watchdog.act",
        Kind::Integer { min: 1, max: 100 },
        Default::Is("90"),
        "Percent of a limit, in two looks in a row, from which something is done. Atoms, processes and ports have the node's own limits.",
    ),
    key("watchdog.every", between(SECOND, HOUR), Default::Is(r#""10 s""#), "Nodes are looked at this often."),
    key(
        "watchdog.restart_every",
        between(SECOND, DAY),
        Default::Is(r#""10 min""#),
        "A watchdog restarts one instance of the app in this time; the others are told.",
    ),
    key(
        "watchdog.memory",
        Kind::Size { min: 1_000_000, max: 1_000_000_000_000_000 },
        Default::Unset("`resources.memory`, or no limit", r#""500 MB""#),
        "Limit of an instance's resident memory, over all its processes.",
    ),
    key(
        "watchdog.ets_tables",
        Kind::Integer { min: 1, max: 100_000_000 },
        Default::Unset("the node's own limit, which is nominal: it is told and nothing else is done", "5000"),
        "Limit of a node's ETS tables.",
    ),
    key(
        "watchdog.run_queue",
        Kind::Integer { min: 1, max: 100_000_000 },
        Default::Unset("no limit", "1000"),
        "Limit of the processes of a node that wait for a scheduler.",
    ),
    key(
        "watchdog.mailbox",
        Kind::Integer { min: 1, max: 1_000_000_000 },
        Default::Unset("no limit", "100_000"),
        "Limit of the messages in the longest mailbox of a node.",
    ),
];
