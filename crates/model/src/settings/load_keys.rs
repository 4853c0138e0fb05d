//! What is done about the load of instances: the keys of `autoscale` and `watchdog`.

use super::app_keys::{DAY, HOUR, SECOND, between, key};
use super::keys::{Default, Key, Kind};

pub(super) static LOAD_KEYS: &[Key] = &[
    key(
        "autoscale.cpu",
        Kind::Integer { min: 1, max: 10_000 },
        Default::Unset("CPU does not count", "70"),
        "Places follow the load: what an instance shall use at most, in percent of one core, over all its processes.",
    ),
    key(
        "autoscale.memory",
        Kind::Size { min: 1_000_000, max: 1_000_000_000_000_000 },
        Default::Unset("memory does not count", r#""500 MB""#),
        "The same by resident memory.",
    ),
    key(
        "autoscale.requests",
        Kind::Integer { min: 1, max: 1_000_000 },
        Default::Unset("requests do not count", "50"),
        "The same by requests a second from the host's proxy.",
    ),
    key(
        "autoscale.run_queue",
        Kind::Integer { min: 1, max: 10_000 },
        Default::Unset("the run queue does not count", "2"),
        "The same by processes of a node that wait for a scheduler, for each scheduler online. Needs a connection to the node.",
    ),
    key(
        "autoscale.node_memory",
        Kind::Size { min: 1_000_000, max: 1_000_000_000_000_000 },
        Default::Unset("a node's own memory does not count", r#""400 MB""#),
        "The same by what a node has taken, as it counts it (`erlang:memory(total)`). Needs a connection to the node.",
    ),
    key(
        "autoscale.min",
        Kind::Integer { min: 1, max: 500 },
        Default::Unset("`replicas`", "2"),
        "Fewest places while places follow the load; a first deployment starts so many.",
    ),
    key(
        "autoscale.max",
        Kind::Integer { min: 1, max: 1000 },
        Default::Unset("`max`", "6"),
        "Most places while places follow the load.",
    ),
    key(
        "autoscale.collect",
        between(100, HOUR),
        Default::Is(r#""10 s""#),
        "Figures are looked at this often.",
    ),
    key(
        "autoscale.up_after",
        between(100, HOUR),
        Default::Is(r#""20 s""#),
        "The window whose figures add places: as many as are needed, at most twice as many as there are.",
    ),
    key(
        "autoscale.down_after",
        between(100, DAY),
        Default::Is(r#""60 s""#),
        "The window whose figures take one place away: when the others would stay below 80 % of every target.",
    ),
    key(
        "autoscale.up_percentile",
        Kind::Integer { min: 1, max: 100 },
        Default::Is("50"),
        "Percentile of the samples of `up_after` that counts.",
    ),
    key(
        "autoscale.down_percentile",
        Kind::Integer { min: 1, max: 100 },
        Default::Is("90"),
        "Percentile of the samples of `down_after` that counts.",
    ),
    key(
        "autoscale.cool_down",
        between(0, DAY),
        Default::Is(r#""30 s""#),
        "No change before this time after any deployment has ended.",
    ),
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
