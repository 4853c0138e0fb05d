//! An app's keys.

use std::time::Duration;

use super::host_keys::{LOG_AGE, LOG_KEEP, LOG_SIZE};
use super::keys::{Default, Key, Kind, Owner, Refused};

pub(super) const fn key(path: &'static str, kind: Kind, default: Default, doc: &'static str) -> Key {
    Key { path, kind, default, doc, since: "0.1", owner: Owner::Anyone }
}

const fn host_only(path: &'static str, kind: Kind, default: Default, doc: &'static str) -> Key {
    Key { path, kind, default, doc, since: "0.1", owner: Owner::Host }
}

pub(super) const fn between(min_ms: u64, max_ms: u64) -> Kind {
    Kind::Duration { min: Duration::from_millis(min_ms), max: Duration::from_millis(max_ms) }
}

pub(super) const SECOND: u64 = 1000;
pub(super) const HOUR: u64 = 3600 * SECOND;
pub(super) const DAY: u64 = 24 * HOUR;

/// Keys of `[apps.NAME]`, of `apps/NAME.toml` and of a package's `bellrock.toml`.
pub(super) static APP_KEYS: &[Key] = &[
    key(
        "replicas",
        Kind::Integer { min: 1, max: 500 },
        Default::Is("3"),
        "Places, i.e. instances that serve at the same time.",
    ),
    key(
        "max",
        Kind::Integer { min: 1, max: 1000 },
        Default::Unset("2 × `replicas`", "6"),
        "Most places the app may ever have; ports are reserved for twice as many. Changing it moves the ports of slot b.",
    ),
    key(
        "port",
        Kind::Integer { min: 1, max: 65535 },
        Default::Is("4000"),
        "`PORT` of place 1 in slot a; `port` to `port` + 2 × `max` − 1 are reserved.",
    ),
    key(
        "ports",
        Kind::Ports,
        Default::Is("{}"),
        "More variables that hold a port, each with its value for place 1 in slot a; reserved like `port`.",
    ),
    key(
        "strategy",
        Kind::Choice { words: &["parallel", "rolling", "temporary_shutdown", "member"], refused: &[] },
        Default::Is(r#""parallel""#),
        "How a full deployment replaces the old instances: all new ones beside all old ones and one switch (where memory does not suffice, one place after another), one place after another, all stopped first, or (for apps that hold a cluster of data) one stopped, replaced and checked after another.",
    ),
    key(
        "member.check",
        Kind::PreCommand,
        Default::Unset("none; `strategy = \"member\"` needs one", r#""rpc Shop.Cluster.whole!()""#),
        "Asked of each new member, with its variables: status 0 says that the cluster is whole and the next place's turn has come. Written like one of `pre_commands`; it is run again until it says so, within `deploy_deadline`.",
    ),
    key(
        "member.within",
        between(100, HOUR),
        Default::Is(r#""30 s""#),
        "Time limit of one run of `member.check`.",
    ),
    key(
        "member.retry_period",
        between(100, HOUR),
        Default::Is(r#""5 s""#),
        "After a no, `member.check` is run again after this time.",
    ),
    key(
        "node_name",
        Kind::Choice { words: &["slot", "plain"], refused: &[] },
        Default::Is(r#""slot""#),
        "Erlang node names: `{app}-{place}` in slot a and `{app}-{place}b` in slot b, or always the plain one, which needs `strategy = \"temporary_shutdown\"` or `\"member\"`. Members are always in slot a.",
    ),
    key(
        "launch",
        Kind::Choice { words: &["direct", "script"], refused: &[] },
        Default::Unset("`direct` where the package's script is known, else `script`", r#""script""#),
        "By what an instance is started: by Bellrock with the arguments that the release's script would have used but a cookie, which no command line shows then, or by that script. Known are those that `mix release` (Elixir 1.9 to 1.20) and rebar3 (relx 4) write.",
    ),
    key(
        "distribution",
        Kind::Choice { words: &["off", "loopback", "tls"], refused: &[] },
        Default::Is(r#""loopback""#),
        "Who may reach an instance's node over Erlang distribution: nobody, as it has no name; the nodes of this host, as it listens on 127.0.0.1; or who has a certificate that this host's authority has signed (`bellrock tls init`), as it listens everywhere and speaks TLS alone, for which the package must hold `ssl`.",
    ),
    key(
        "mesh.connect",
        Kind::Bool,
        Default::Is("true"),
        "The nodes of the app's instances are connected with one another, and with those of all apps of its mesh, and stay so.",
    ),
    host_only(
        "mesh.name",
        Kind::MeshName,
        Default::Unset("the app has a cookie and a mesh of its own", r#""harbour""#),
        "The app shares a mesh with all apps of this host that name the same one. They share a cookie too: each of them may run anything in the others.",
    ),
    key(
        "proxy",
        Kind::Bool,
        Default::Is("true"),
        "The host's proxy leads HTTP requests to the app; `false` for an app that speaks something else, or that has another proxy in front.",
    ),
    key(
        "proxy_port",
        Kind::PortName,
        Default::Is(r#""PORT""#),
        "Port of the app that gets the proxy's requests.",
    ),
    key(
        "hosts",
        Kind::HostNames,
        Default::Unset("requests for all hosts", r#"["shop.example.com", "*.shop.example.com"]"#),
        "Host names whose requests the app gets; `*.` in front stands for any one label. The most specific name of all apps wins.",
    ),
    key(
        "paths",
        Kind::PathPrefixes,
        Default::Unset("requests for all paths", r#"["/shop"]"#),
        "Beginnings of paths, in whole segments, whose requests the app gets; the longest of all apps wins. The app sees the whole path.",
    ),
    key(
        "balance",
        Kind::Choice { words: &["least_connections", "round_robin"], refused: &[] },
        Default::Is(r#""least_connections""#),
        "Which ready instance gets a request: the one with the fewest in flight, or one after another.",
    ),
    key(
        "protocol",
        Kind::Choice { words: &["http1", "h2c"], refused: &[] },
        Default::Is(r#""http1""#),
        "What the instances speak with the proxy: HTTP/1.1, or HTTP/2 without TLS, as gRPC needs it (requests to switch protocols, such as WebSockets, go by HTTP/1.1 all the same).",
    ),
    key(
        "drain_timeout",
        between(0, HOUR),
        Default::Is(r#""30 s""#),
        "How long requests in flight may go on in an instance that is to be stopped; then they are cut, and counted.",
    ),
    key(
        "hold_timeout",
        between(0, HOUR),
        Default::Is(r#""30 s""#),
        "How long requests wait while no instance is ready; then they get 503.",
    ),
    key(
        "endless_types",
        Kind::MediaTypes,
        Default::Is(r#"["text/event-stream"]"#),
        "Media types of responses that never end by themselves: when their instance is to be stopped they are ended in order, after an event or a line.",
    ),
    key(
        "access_log",
        Kind::Choice { words: &["off", "common", "json"], refused: &[] },
        Default::Unset("as the host's `proxy.access_log`", r#""json""#),
        "How the proxy writes the app's requests down: not at all, in the Common Log Format, or as JSON.",
    ),
    host_only(
        "store",
        Kind::Path,
        Default::Unset("the host's `store`", r#""/tmp/shop""#),
        "Folder of this app's store.",
    ),
    host_only(
        "env",
        Kind::Word,
        Default::Unset("the host's `env`", r#""staging""#),
        "Environment of this app, `{env}` in the store's layout.",
    ),
    key(
        "runtime",
        Kind::Path,
        Default::Unset("the package's own", r#""/usr/lib/erlang""#),
        "Folder of the Erlang runtime, for a package that brings none.",
    ),
    host_only(
        "sys_config",
        Kind::Path,
        Default::Unset("the package's own", r#""/etc/shop/sys.config""#),
        "A file of this host that stands in the place of the package's `sys.config`, copied for each instance that is started; the package's may be a stand-in. rebar3's script puts the environment into it (`${NAME}`). A mix release runs `runtime.exs` and other config providers after it, as after its own.",
    ),
    host_only(
        "user",
        Kind::Word,
        Default::Unset("the host's `app_user`", r#""shop""#),
        "User that the app runs as, when the daemon runs as root.",
    ),
    host_only(
        "group",
        Kind::Word,
        Default::Unset("the host's `app_group`, else the user's own", r#""shop""#),
        "Group that the app runs as, when the daemon runs as root.",
    ),
    key("umask", Kind::Umask, Default::Is(r#""027""#), "File mode creation mask of the app."),
    host_only(
        "no_new_privs",
        Kind::Bool,
        Default::Is("true"),
        "The app can gain no rights by running set-user-id programs.",
    ),
    host_only(
        "rlimits.nofile",
        Kind::Limit { bytes: false },
        Default::Unset("the daemon's hard limit", "65536"),
        "Open files of each process.",
    ),
    host_only(
        "rlimits.nproc",
        Kind::Limit { bytes: false },
        Default::Unset("the daemon's", "4096"),
        "Processes and threads of the app's user.",
    ),
    host_only(
        "rlimits.core",
        Kind::Limit { bytes: true },
        Default::Unset("the daemon's", r#""0 B""#),
        "Size of a core file.",
    ),
    host_only(
        "rlimits.as",
        Kind::Limit { bytes: true },
        Default::Unset("the daemon's", r#""unlimited""#),
        "Address space of each process.",
    ),
    host_only(
        "rlimits.memlock",
        Kind::Limit { bytes: true },
        Default::Unset("the daemon's", r#""64 MiB""#),
        "Locked memory of each process.",
    ),
    key(
        "readiness.kind",
        Kind::Choice {
            words: &["http_get", "tcp", "exec", "node", "mfa", "runs_for"],
            refused: &[Refused {
                word: "http",
                why: "is not the name of a check",
                remedy: r#"use "http_get""#,
            }],
        },
        Default::Is(r#""tcp""#),
        "An instance may get traffic when: a GET answers 2xx, a connection is accepted, a command ends with status 0, its Erlang node is connected with Bellrock and has booted, a function in that node says so, or it has run for some time.",
    ),
    key("readiness.path", Kind::UrlPath, Default::Is(r#""/""#), "Path that `http_get` asks for."),
    key("readiness.port", Kind::PortName, Default::Is(r#""PORT""#), "Port that `http_get` and `tcp` ask."),
    key(
        "readiness.scheme",
        Kind::Choice { words: &["http", "https"], refused: &[] },
        Default::Is(r#""http""#),
        "Scheme of `http_get`; the certificate is not verified.",
    ),
    key(
        "readiness.command",
        Kind::Command,
        Default::Unset("none", r#""bin/ready --quiet""#),
        "Command of `exec`.",
    ),
    key(
        "readiness.mfa",
        Kind::Function,
        Default::Unset("none", r#""Elixir.Shop.Health:ready/0""#),
        "Function of `mfa`: `true`, `ok` and `{ok, _}` say yes, anything else no.",
    ),
    key("readiness.runs_for", between(100, HOUR), Default::Is(r#""10 s""#), "Time of `runs_for`."),
    key(
        "readiness.within",
        between(10, HOUR),
        Default::Is(r#""5 s""#),
        "One answer must come within this time.",
    ),
    key(
        "readiness.retry_period",
        between(10, HOUR),
        Default::Is(r#""5 s""#),
        "Once an instance answers but is not ready, it is asked again after this time.",
    ),
    key(
        "readiness.failure_timeout",
        between(100, DAY),
        Default::Is(r#""5 min""#),
        "An instance that is not ready after this time has failed.",
    ),
    key(
        "health.kind",
        Kind::Choice {
            words: &["http_get", "tcp", "exec", "node", "mfa", "off"],
            refused: &[
                Refused { word: "runs_for", why: "says nothing about health", remedy: r#"use "off""# },
                Refused { word: "http", why: "is not the name of a check", remedy: r#"use "http_get""# },
            ],
        },
        Default::Unset("as `readiness.kind`; `\"off\"` where that is `\"runs_for\"`", r#""http_get""#),
        "What says whether a serving instance may keep its traffic. `node` and `mfa` ask its Erlang node, and notice one that hangs.",
    ),
    key(
        "health.path",
        Kind::UrlPath,
        Default::Unset("as `readiness.path`", r#""/health""#),
        "Path that `http_get` asks for.",
    ),
    key(
        "health.port",
        Kind::PortName,
        Default::Unset("as `readiness.port`", r#""PORT""#),
        "Port that `http_get` and `tcp` ask.",
    ),
    key(
        "health.scheme",
        Kind::Choice { words: &["http", "https"], refused: &[] },
        Default::Unset("as `readiness.scheme`", r#""http""#),
        "Scheme of `http_get`.",
    ),
    key(
        "health.command",
        Kind::Command,
        Default::Unset("as `readiness.command`", r#""bin/healthy""#),
        "Command of `exec`.",
    ),
    key(
        "health.mfa",
        Kind::Function,
        Default::Unset("as `readiness.mfa`", r#""Elixir.Shop.Health:well/0""#),
        "Function of `mfa`.",
    ),
    key("health.interval", between(100, DAY), Default::Is(r#""5 s""#), "Time between two checks."),
    key(
        "health.within",
        between(10, HOUR),
        Default::Is(r#""5 s""#),
        "One answer must come within this time.",
    ),
    key(
        "health.failures",
        Kind::Integer { min: 1, max: 1000 },
        Default::Is("3"),
        "Bad answers in a row that make an instance unhealthy.",
    ),
    key(
        "health.successes",
        Kind::Integer { min: 1, max: 1000 },
        Default::Is("1"),
        "Good answers in a row that make it healthy again.",
    ),
    key(
        "health.action",
        Kind::Choice { words: &["restart", "tell"], refused: &[] },
        Default::Unset(
            "`restart` where the check asks the node (`node`, `mfa`), else `tell`",
            r#""restart""#,
        ),
        "An instance that stays unhealthy is replaced by a fresh one, as by `bellrock restart`, one of the app in `watchdog.restart_every`; or it is told.",
    ),
    key(
        "health.restart_after",
        between(SECOND, DAY),
        Default::Is(r#""60 s""#),
        "How long an instance may stay unhealthy before it is replaced.",
    ),
    key(
        "limits.body_size",
        Kind::Size { min: 0, max: 1_000_000_000_000_000 },
        Default::Is(r#""1 GB""#),
        "Longest body of a request; beyond it gets 413. `\"0 B\"`: no limit.",
    ),
    key(
        "limits.body_timeout",
        between(0, DAY),
        Default::Is(r#""30 s""#),
        "Longest time without a byte of a request's body; beyond it gets 408. `\"0 s\"`: no limit.",
    ),
    key(
        "limits.response_timeout",
        between(0, DAY),
        Default::Is(r#""1 min""#),
        "Longest time from the whole request to the head of its response; beyond it gets 504. `\"0 s\"`: no limit.",
    ),
    key(
        "limits.write_timeout",
        between(0, DAY),
        Default::Is(r#""1 min""#),
        "Longest time in which a client takes no byte of its response; then its connection is closed. `\"0 s\"`: no limit.",
    ),
    key(
        "limits.held",
        Kind::Integer { min: 0, max: 1_000_000 },
        Default::Is("1000"),
        "Most requests that wait while no instance is ready; beyond, they get 503 at once. 0: no limit.",
    ),
    key(
        "assets.prefixes",
        Kind::PathPrefixes,
        Default::Unset("none: every 404 of the app is passed on", r#"["/assets", "/images"]"#),
        "Beginnings of paths, in whole segments, below which the proxy answers GET and HEAD with a file of another version where the app says 404: pages of the version before still find their scripts after a switch. For files that anybody may have.",
    ),
    key(
        "assets.folder",
        Kind::FolderPattern,
        Default::Is(r#""lib/*/priv/static""#),
        "The package's folder whose files these are, standing for `/`; `*` stands for anything in a name.",
    ),
    key(
        "assets.keep",
        between(0, 30 * DAY),
        Default::Is(r#""1 h""#),
        "For how long after a version has served; its package may be removed meanwhile.",
    ),
    key(
        "canary.steps",
        Kind::Percents,
        Default::Unset("no canary: all requests are switched at once", "[1, 5, 25, 50]"),
        "Percent of the clients that get a new version first, step by step; it is compared with the old one meanwhile, and aborted where it does worse.",
    ),
    key(
        "canary.step_time",
        between(SECOND, 7 * DAY),
        Default::Is(r#""5 min""#),
        "How long a step lasts at least.",
    ),
    key(
        "canary.header",
        Kind::HeaderName,
        Default::Unset("none", r#""x-canary""#),
        "A request header that chooses the version: with `always` a request goes to the new one, with `never` to the old one.",
    ),
    key(
        "canary.minimum_requests",
        Kind::Integer { min: 1, max: 1_000_000_000 },
        Default::Is("100"),
        "Fewest requests of each version in a step; before that nothing is decided.",
    ),
    key(
        "canary.latency_margin",
        Kind::Integer { min: 0, max: 100_000 },
        Default::Is("50"),
        "Percent by which the new version's latency (p95) may be above the old one's.",
    ),
    key(
        "canary.hold_limit",
        between(0, 30 * DAY),
        Default::Is(r#""1 h""#),
        "How long a step is held that cannot be decided, beyond its `canary.step_time`.",
    ),
    key(
        "canary.when_unsure",
        Kind::Choice { words: &["promote", "abort", "hold"], refused: &[] },
        Default::Is(r#""promote""#),
        "What follows then: all requests go to the new version, it is rolled back, or it waits for a person. While both versions fail it is never promoted.",
    ),
    key(
        "deploy_deadline",
        between(SECOND, 7 * DAY),
        Default::Is(r#""10 min""#),
        "From the first start of a deployment until it serves; past it, it is rolled back and ghosted.",
    ),
    key(
        "watch_window",
        between(0, 7 * DAY),
        Default::Is(r#""2 min""#),
        "How long a deployment that serves is watched before it is committed.",
    ),
    key(
        "watch_exits",
        Kind::Integer { min: 1, max: 1000 },
        Default::Is("3"),
        "Exits of an instance inside the watch window that roll back all places.",
    ),
    key(
        "tries",
        Kind::Integer { min: 1, max: 100 },
        Default::Is("3"),
        "Instances that are made for one place before its deployment fails.",
    ),
    key(
        "stop_timeout",
        between(0, DAY),
        Default::Is(r#""30 s""#),
        "From SIGTERM, which a BEAM turns into an orderly stop, until SIGKILL of all its processes.",
    ),
    key(
        "stop_by",
        Kind::Choice { words: &["signal", "node"], refused: &[] },
        Default::Is(r#""signal""#),
        "How an instance is told to end: by SIGTERM, or by its Erlang node, which stops its applications in order and halts. That takes about a second less. SIGTERM follows where the node cannot be asked, and after half of `stop_timeout`.",
    ),
    key(
        "pre_commands",
        Kind::PreCommands,
        Default::Unset("none", r#"["eval Shop.Release.migrate()"]"#),
        "Run in this order before anything is started: `eval …`, `rpc …`, or an executable of the package. The rest is one argument.",
    ),
    key(
        "pre_command_scope",
        Kind::Choice { words: &["deployment", "place"], refused: &[] },
        Default::Is(r#""deployment""#),
        "Pre-commands run once per deployment, or once per place.",
    ),
    key(
        "init_commands",
        Kind::Commands,
        Default::Unset("none", r#"["bin/warm-cache --all"]"#),
        "Run for each created instance before its start.",
    ),
    host_only(
        "prepare_commands",
        Kind::Commands,
        Default::Unset("none", r#"[["apt-get", "install", "-y", "fonts-dejavu"]]"#),
        "Run once per host and content, with the daemon's rights, to install what the app needs.",
    ),
    key(
        "post_rollback",
        Kind::PreCommands,
        Default::Unset("none", r#"["eval Shop.Release.rolled_back()"]"#),
        "Run after a rollback, in the version that is back; written like `pre_commands`.",
    ),
    key(
        "command_timeout",
        between(100, 7 * DAY),
        Default::Is(r#""10 min""#),
        "Time limit of each command; then all its processes are killed.",
    ),
    key(
        "variables",
        Kind::Variables,
        Default::Is("{}"),
        "Environment variables that the app gets; `\"secret:PATH#KEY\"` is kept as a reference; a version with one is refused until a provider of secrets can be set up.",
    ),
    key(
        "keep_versions",
        Kind::Integer { min: 2, max: 1000 },
        Default::Is("10"),
        "Versions kept; the active one, the rollback target and pinned ones stay even when older.",
    ),
    key(
        "resources.memory",
        Kind::Size { min: 1_000_000, max: 1_000_000_000_000_000 },
        Default::Unset("no limit", r#""512 MB""#),
        "Most memory of an instance, over all its processes and their page cache; beyond it the kernel kills the instance. Needs cgroup v2 with its memory controller; `bellrock doctor` says whether this host has it.",
    ),
    key(
        "resources.cpu",
        Kind::Integer { min: 1, max: 100_000 },
        Default::Unset("no limit", "150"),
        "Most time on cores of an instance, in percent of one core; beyond it the instance waits. Needs cgroup v2 with its cpu controller.",
    ),
    key(
        "log.max_size",
        LOG_SIZE,
        Default::Is(r#""10 MB""#),
        "A log file that reaches this size is rotated; unsaid, the host's `log.max_size` holds.",
    ),
    key(
        "log.max_age",
        LOG_AGE,
        Default::Is(r#""7 days""#),
        "A log file that reaches this age is rotated; unsaid, the host's `log.max_age` holds.",
    ),
    key(
        "log.keep",
        LOG_KEEP,
        Default::Is("5"),
        "Rotated log files kept; unsaid, the host's `log.keep` holds.",
    ),
    key(
        "crash_dumps.keep",
        Kind::Integer { min: 0, max: 100 },
        Default::Is("2"),
        "Crash dumps kept for each place; 0 writes none.",
    ),
    key(
        "crash_dumps.max_seconds",
        between(SECOND, HOUR),
        Default::Is(r#""10 s""#),
        "Writing a crash dump is given up after this time.",
    ),
];
