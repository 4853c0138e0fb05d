//! Recordings of every message between daemon and proxy as version 1 wrote it, and of the files that the proxy saves.
//! They are never changed: each later version reads them.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)] // tests may read files

mod recording;

use recording::check;
use wire::field::Message;
use wire::proxy::*;
use wire::record::{self, Records};
use wire::{frame, proxy};

fn check_command(name: &str, command: Command) {
    let mut bytes = Vec::new();
    command.put_frame(7, &mut bytes).unwrap();
    check(&format!("proxy-command-{name}"), &command, &bytes, |bytes| {
        let (frame, used) = frame::split(bytes).unwrap().unwrap();
        assert_eq!((frame.request, used), (7, bytes.len()));
        Command::from_frame(&frame).unwrap().unwrap()
    });
}

fn check_answer(name: &str, answer: Answer) {
    let mut bytes = Vec::new();
    answer.put_frame(7, &mut bytes).unwrap();
    check(&format!("proxy-answer-{name}"), &answer, &bytes, |bytes| {
        let (frame, used) = frame::split(bytes).unwrap().unwrap();
        assert_eq!((frame.request, used), (7, bytes.len()));
        Answer::from_frame(&frame).unwrap().unwrap()
    });
}

fn table() -> Table {
    let backend = Backend {
        instance: 42,
        place: 1,
        version: "1.4.2+env3".into(),
        address: "127.0.0.1:4000".into(),
        mode: BackendMode::Active,
        run: 3,
        health_port: Some(0),
        canary: false,
    };
    let draining =
        Backend { instance: 41, mode: BackendMode::Draining, health_port: None, ..backend.clone() };
    Table {
        revision: (7 << 32) | 42,
        epoch: 7,
        front: Front {
            max_header_bytes: 65_536,
            header_timeout_ms: 30_000,
            idle_timeout_ms: 75_000,
            max_connections: 20_000,
            trusted_proxies: vec!["10.0.0.0/8".into(), "fd00::/8".into()],
            ..Front::default()
        },
        routes: vec![
            Route {
                app: "beacon".into(),
                hosts: vec!["beacon.example.com".into(), "*.example.com".into()],
                paths: vec!["/".into(), "/api".into()],
                balance: Balance::RoundRobin,
                limits: Limits {
                    max_body_bytes: 1 << 30,
                    body_timeout_ms: 30_000,
                    response_timeout_ms: 60_000,
                    write_timeout_ms: 30_001,
                    max_held: 1000,
                },
                health: Some(HealthCheck {
                    path: "/health".into(),
                    interval_ms: 5_000,
                    timeout_ms: 5_001,
                    failures: 3,
                    successes: 2,
                }),
                hold_ms: 30_000,
                paused: true,
                drain_ms: 30_002,
                endless_types: vec!["text/event-stream".into(), "video/*".into()],
                backends: vec![draining, backend],
                ..Route::default()
            },
            Route::default(),
        ],
    }
}

/// A table with what came after version 1's first.
fn table_with_canary() -> Table {
    let mut table = table();
    table.routes[0].canary = Some(Canary { share: 2_500, header: "x-canary".into() });
    table.routes[0].backends[1].canary = true;
    table
}

fn certificates() -> SetCertificates {
    let certificate = Certificate { chain_pem: "chain\n".into(), key_pem: "key\n".into() };
    SetCertificates { certificates: vec![certificate, Certificate::default()] }
}

/// What a table says of the edge to the network since 0.1's second half.
fn edge() -> Table {
    let access_log = AccessLog {
        path: "/var/log/bellrock/bellrock-proxy.access/access.log".into(),
        format: LogFormat::Json,
        max_bytes: 10_000_000,
        max_age_ms: 604_800_000,
        keep: 5,
    };
    let front =
        Front { proxy_protocol: vec!["10.0.0.0/8".into()], http1_only: true, access_log, ..Front::default() };
    let route = Route {
        app: "beacon".into(),
        protocol: Protocol::H2c,
        access_log: LogFormat::Common,
        ..Route::default()
    };
    Table { revision: 1, front, routes: vec![route], ..Table::default() }
}

/// A table whose app has files of earlier versions.
fn table_with_assets() -> Table {
    let folder = |name: &str, until_ms| AssetFolder {
        path: format!("/var/lib/bellrock/assets/beacon/{name}"),
        until_ms,
    };
    let assets = Assets {
        prefixes: vec!["/assets".into(), "/images".into()],
        folders: vec![folder("9c56cc51b374c3ba", 0), folder("77af778b51abd4a3", 1_795_284_000_123)],
    };
    let mut table = table();
    table.routes[0].assets = Some(assets);
    table.routes[1].assets = Some(Assets::default());
    table
}

#[test]
fn commands() {
    check_command("hello", Command::Hello(Hello { min_version: 1, max_version: 3, epoch: 9 }));
    check_command("set-table", Command::SetTable(SetTable { table: table() }));
    check_command("set-table-canary", Command::SetTable(SetTable { table: table_with_canary() }));
    check_command("set-table-assets", Command::SetTable(SetTable { table: table_with_assets() }));
    check_command("set-table-edge", Command::SetTable(SetTable { table: edge() }));
    check_command("set-table-empty", Command::SetTable(SetTable::default()));
    check_command("set-certificates", Command::SetCertificates(certificates()));
    check_command("watch", Command::Watch(Watch {}));
    check_command("query-report", Command::QueryReport(QueryReport {}));
}

#[test]
fn answers() {
    check_answer(
        "welcome",
        Answer::Welcome(Welcome {
            version: 1,
            revision: 42,
            pid: 4711,
            program_version: "0.1.0".into(),
            incarnation: u64::MAX,
        }),
    );
    check_answer("done", Answer::Done(Done {}));
    for refusal in Refusal::ALL {
        let refused = Refused { refusal: *refusal, text: "why".into() };
        check_answer(&format!("refused-{}", *refusal as u64), Answer::Refused(refused));
    }
    check_answer("applied", Answer::Applied(Applied { revision: 42 }));
    let drained = Drained { app: "beacon".into(), instance: 41, cut: 2, ..Drained::default() };
    check_answer("drained", Answer::Drained(drained.clone()));
    let figures = Drained { websockets_closed: 40, streams_ended: 3, took_ms: 15_200, ..drained };
    check_answer("drained-figures", Answer::Drained(figures));
    let health =
        |up, reason: &str| proxy::Health { app: "beacon".into(), instance: 42, up, reason: reason.into() };
    check_answer("health-down", Answer::Health(health(false, "it answered its check with 500")));
    check_answer("health-up", Answer::Health(health(true, "")));
    check_answer("report-empty", Answer::Report(Report::default()));
    check_answer("report", Answer::Report(report()));
}

fn report() -> Report {
    let backend = |state| BackendReport {
        app: "beacon".into(),
        instance: 42,
        place: 1,
        version: "1.4.2".into(),
        address: "127.0.0.1:4000".into(),
        state,
        reason: "why".into(),
        in_flight: 3,
        upgraded: 1,
        counts: Counts {
            requests: 1,
            statuses: vec![0, 2, 0, 4, 5],
            failed: 3,
            retried: 4,
            broken: 5,
            cut: 6,
            bytes_in: 7,
            bytes_out: 8,
            latency: (0..=BOUNDS_US.len() as u64).collect(),
            ..Counts::default()
        },
    };
    Report {
        revision: 42,
        incarnation: 77,
        uptime_ms: 1_234,
        listeners: vec![ListenerReport { address: "[::]:443".into(), tls: true }],
        connections: Connections { open: 1, accepted: 2, unrouted: 3 },
        routes: vec![RouteReport {
            app: "beacon".into(),
            held: 1,
            held_total: 2,
            held_in_vain: 3,
            panic: true,
            own_errors: 4,
            ..RouteReport::default()
        }],
        backends: BackendState::ALL.iter().copied().map(backend).collect(),
    }
}

/// A file as the proxy saves it: one record of the message's fields.
fn check_file<M: Message + std::fmt::Debug + PartialEq>(name: &str, message: &M) {
    let (mut payload, mut bytes) = (Vec::new(), Vec::new());
    message.encode(&mut payload);
    record::put(&payload, &mut bytes);
    check(&format!("proxy-file-{name}"), message, &bytes, |bytes| {
        M::decode(Records::new(bytes).next().unwrap()).unwrap()
    });
}

#[test]
fn files() {
    check_file(TABLE_FILE, &table());
    check_file(CERTIFICATES_FILE, &certificates());
}
