//! Recordings of every message as version 1 wrote it. They are never changed: each later version reads them.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)] // tests may read files

mod recording;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use wire::field::Blob;
use wire::frame;
use wire::record::Records;
use wire::shim::saved::{self, Header, Saved};
use wire::shim::*;

use recording::check;

fn check_command(name: &str, command: Command) {
    let mut bytes = Vec::new();
    command.put_frame(7, &mut bytes).unwrap();
    check(&format!("command-{name}"), &command, &bytes, |bytes| {
        let (frame, used) = frame::split(bytes).unwrap().unwrap();
        assert_eq!((frame.request, used), (7, bytes.len()));
        Command::from_frame(&frame).unwrap().unwrap()
    });
}

fn check_answer(name: &str, answer: Answer) {
    let mut bytes = Vec::new();
    answer.put_frame(7, &mut bytes).unwrap();
    check(&format!("answer-{name}"), &answer, &bytes, |bytes| {
        let (frame, used) = frame::split(bytes).unwrap().unwrap();
        assert_eq!((frame.request, used), (7, bytes.len()));
        Answer::from_frame(&frame).unwrap().unwrap()
    });
}

fn start() -> Start {
    Start {
        id: "beacon-1-i42".into(),
        kind: Kind::Task,
        argv: ["/srv/beacon/bin/beacon", "eval", "M.migrate(\"ä b\")"].map(OsString::from).to_vec(),
        cwd: "/srv/beacon".into(),
        env: vec![
            Variable { name: "PORT".into(), value: "4000".into() },
            Variable { name: "EMPTY".into(), value: "".into() },
            Variable { name: "BYTES".into(), value: OsString::from_vec(vec![0xff, b'\n', 1]) },
        ],
        owner: Some(Owner { uid: 1000, gid: 1001, groups: vec![0, 27] }),
        umask: Some(0o027),
        limits: vec![
            Limit { resource: ResourceLimit::Nofile, soft: Some(65_536), hard: None },
            Limit { resource: ResourceLimit::Data, soft: Some(0), hard: Some(u64::MAX) },
        ],
        no_new_privs: true,
        stdout: LogFile {
            path: "/var/log/o.log".into(),
            max_bytes: 10 << 20,
            max_age_ms: 86_400_000,
            keep: 5,
        },
        stderr: LogFile { path: "/var/log/e.log".into(), ..LogFile::default() },
        restart: RestartPolicy { mode: RestartMode::Never, ..RestartPolicy::standard() },
        stop_timeout_ms: 30_000,
        time_limit_ms: Some(600_000),
        cgroup_parent: Some("/sys/fs/cgroup/bellrock".into()),
        crash_dump: Some(CrashDump { folder: "/var/crash".into(), keep: 3, max_bytes: 1 << 30, seconds: 30 }),
        listen: vec![],
        cgroup_files: vec![],
        listen_from: None,
    }
}

fn status() -> Status {
    Status {
        state: State::BackingOff,
        kind: Kind::Service,
        run: 3,
        pid: Some(4711),
        uptime_ms: Some(0),
        crashes: 2,
        consecutive: 2,
        forced_restarts: 1,
        cgroup: Some("/sys/fs/cgroup/bellrock/beacon-1-i42".into()),
        dropped_bytes: 99,
        restarts_in_ms: Some(4_000),
        last_seq: 12,
    }
}

#[test]
fn commands() {
    check_command("hello", Command::Hello(Hello { min_version: 1, max_version: 3, epoch: 9, after: 12 }));
    check_command("start", Command::Start(start()));
    let file = |name: &str, value: &str| CgroupFile { name: name.into(), value: value.into() };
    let cgroup_files = vec![file("memory.max", "512000000"), file("cpu.max", "150000 100000")];
    check_command("start-limited", Command::Start(Start { cgroup_files, ..start() }));
    let listen = vec![Listen { address: "[::]:443".into(), backlog: 9 }];
    let listen_from = Some("/run/bellrock/shims/proxy".into());
    let listening = Start { id: "proxy.2".into(), listen, listen_from, ..Start::default() };
    check_command("start-listening", Command::Start(listening));
    check_command("start-empty", Command::Start(Start::default()));
    check_command("stop", Command::Stop(Stop { timeout_ms: 30_000, ..Stop::default() }));
    check_command("restart", Command::Restart(Restart { timeout_ms: 30_000 }));
    check_command("set-policy", Command::SetPolicy(SetPolicy { restart: RestartPolicy::standard() }));
    let Start { argv, cwd, env, limits, stop_timeout_ms, .. } = start();
    check_command("set-run", Command::SetRun(SetRun { argv, cwd, env, limits, stop_timeout_ms }));
    check_command("status", Command::Status(QueryStatus {}));
    check_command("rotate", Command::Rotate(Rotate {}));
    check_command("tail", Command::Tail(Tail { max_bytes: 16_384 }));
    check_command("ack", Command::Ack(Ack { seq: 12 }));
    check_command("release", Command::Release(Release {}));
    let program = "/usr/lib/bellrock/bellrock-shim".into();
    check_command("renew", Command::Renew(Renew { program, formats: vec![1, 2] }));
    check_command("end", Command::End(End {}));
    check_command("lend", Command::Lend(Lend {}));
    check_command("stop-let-go", Command::Stop(Stop { timeout_ms: 35_000, let_go: true, ..Stop::default() }));
    let asked = Stop { timeout_ms: 30_000, asked_ms: 15_000, ..Stop::default() };
    check_command("stop-asked", Command::Stop(asked));
}

#[test]
fn answers() {
    check_answer(
        "welcome",
        Answer::Welcome(Welcome {
            version: 1,
            id: "beacon-1-i42".into(),
            boot_id: "5c0c2c3e-7d0a-4d8e-9d9e-0d2f0a6d8b11".into(),
            pid: 4710,
            mark: "00112233445566778899aabbccddeeff".into(),
            status: status(),
            program_version: "0.1.0".into(),
        }),
    );
    check_answer("done", Answer::Done(Done {}));
    for refusal in Refusal::ALL {
        let refused = Refused { refusal: *refusal, text: "why".into() };
        check_answer(&format!("refused-{}", *refusal as u64), Answer::Refused(refused));
    }
    check_answer("status", Answer::Status(status()));
    for state in State::ALL {
        let status = Status { state: *state, ..Status::default() };
        check_answer(&format!("status-{}", *state as u64), Answer::Status(status));
    }
    let listen = vec![Listen { address: "127.0.0.1:80".into(), backlog: 0 }, Listen::default()];
    check_answer("lent", Answer::Lent(Lent { listen }));
    check_answer("output", Answer::Output(Output { bytes: Blob(vec![0, 255, b'\n']) }));
}

fn happenings() -> Vec<(&'static str, Happening)> {
    let exited = Exited {
        run: 3,
        status: Some(0),
        signal: None,
        core: false,
        oom: false,
        uptime_ms: 123,
        how: How::StoppedOrderly,
        crash_dump: None,
        swept: 2,
        survivors: 0,
        reason: None,
        memory_limit: None,
    };
    let killed = Exited {
        status: None,
        signal: Some(9),
        core: true,
        oom: true,
        how: How::ByItself,
        crash_dump: Some("/var/crash/beacon-1-i42-3.dump".into()),
        survivors: 1,
        reason: Some("could not execute its program: No such file or directory".into()),
        ..exited.clone()
    };
    let cgroup = Some("/sys/fs/cgroup/bellrock/beacon-1-i42".into());
    vec![
        ("began", Happening::Began(Began { run: 1 })),
        ("started", Happening::Started(Started { run: 3, pid: 4711, cgroup })),
        ("exited", Happening::Exited(exited)),
        ("exited-killed", Happening::Exited(killed)),
        ("restarting", Happening::Restarting(Restarting { in_ms: 4_000, consecutive: 2 })),
        ("restart-forced", Happening::RestartForced(RestartForced {})),
        ("stopped", Happening::Stopped(Stopped {})),
        ("log-dropped", Happening::LogDropped(LogDropped { stream: Stream::Stderr, bytes: 5 })),
        ("heart-noticed", Happening::HeartNoticed(HeartNoticed { run: 3 })),
        ("events-lost", Happening::EventsLost(EventsLost { count: 8 })),
    ]
}

#[test]
fn events() {
    for (name, what) in happenings() {
        let event = Event { seq: 12, time_ms: 1_700_000_000_000, since_boot_ms: 5_000, what: Some(what) };
        check_answer(&format!("event-{name}"), Answer::Event(event));
    }
    let at_its_limit = Exited { oom: true, memory_limit: Some(512_000_000), ..Exited::default() };
    let event = Event { what: Some(Happening::Exited(at_its_limit)), ..Event::default() };
    check_answer("event-exited-at-its-limit", Answer::Event(event));
    for how in How::ALL {
        let what = Some(Happening::Exited(Exited { how: *how, ..Exited::default() }));
        check_answer(
            &format!("event-how-{}", *how as u64),
            Answer::Event(Event { what, ..Event::default() }),
        );
    }
}

#[test]
fn renewal() {
    let cgroup = Some(renewal::Cgroup { path: "/sys/fs/cgroup/bellrock/beacon-1-i42".into(), members: 12 });
    let child = renewal::Child {
        pid: 4711,
        pidfd: 9,
        stdout: 10,
        stderr: 11,
        cgroup,
        started: 5_000,
        oom_kills: 1,
        heart_looked_for: true,
    };
    let header = Header { format: saved::FORMAT, id: "beacon-1-i42".into(), ..Header::default() };
    let whole = renewal::Renewal {
        format: renewal::FORMAT,
        epoch: 9,
        mark: "00112233445566778899aabbccddeeff".into(),
        start: Start { id: "beacon-1-i42".into(), kind: Kind::Service, ..Start::default() },
        child: Some(child),
        starts_at: Some(0),
        run: 3,
        crashes: 2,
        consecutive: 1,
        forced_restarts: 4,
        dropped_bytes: 99,
        tail: Blob(b"the end\n".to_vec()),
        log: renewal::Log { file: 7, length: 1_234, header, last_seq: 12, acknowledged: 11 },
        folders: renewal::Folders { path: "/run/b".into(), run: 4, state: 3, locks: vec![5, 6] },
        listener: 8,
        sockets: vec![20, 21],
    };
    assert_eq!(whole.descriptors(), [8, 7, 4, 3, 5, 6, 20, 21, 9, 10, 11, 12]);
    for (name, renewal) in [("renewal", whole), ("renewal-empty", renewal::Renewal::default())] {
        let renewal = renewal::Renewal { format: renewal::FORMAT, ..renewal };
        check(name, &renewal, &renewal.to_record(), |bytes| renewal::Renewal::from_record(bytes).unwrap());
    }
}

#[test]
fn event_log() {
    let header = Header {
        format: saved::FORMAT,
        id: "beacon-1-i42".into(),
        kind: Kind::Task,
        boot_id: "5c0c2c3e-7d0a-4d8e-9d9e-0d2f0a6d8b11".into(),
        mark: "00112233445566778899aabbccddeeff".into(),
        taken: 4,
        crashes: 2,
        forced_restarts: 1,
        before: 5,
    };
    let mut bytes = Vec::new();
    Saved::Header(header.clone()).put_record(&mut bytes);
    let mut events = Vec::new();
    for ((_, what), seq) in happenings().into_iter().zip(6..) {
        let event = Event { seq, time_ms: 1_700_000_000_000 + seq, since_boot_ms: seq, what: Some(what) };
        Saved::Event(event.clone()).put_record(&mut bytes);
        events.push(event);
    }
    let contents = saved::Contents { header: Some(header), events, good_length: bytes.len() };
    check("event-log", &contents, &bytes, |bytes| saved::read(bytes).unwrap());

    for cut in 0..=bytes.len() {
        let part = saved::read(&bytes[..cut]).unwrap();
        assert!(part.good_length <= cut);
        assert_eq!(part.events, contents.events[..part.events.len()], "cut at {cut}");
        let records = Records::new(&bytes[..part.good_length]).count();
        assert_eq!(records, part.events.len() + usize::from(part.header.is_some()), "cut at {cut}");
    }
}
