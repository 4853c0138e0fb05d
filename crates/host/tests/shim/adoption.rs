//! The daemon's side goes and comes back: nothing is lost, nothing twice, nothing mistaken.

use crate::support::{Host, LONG, Shim, for_until, is_alive, nobody, until};
use host::shim::{Dead, Found, Gone, ShimError, ShimEvent, ShimHost, ShimId, TaskOutcome};
use std::os::unix::net::UnixListener;
use std::time::Duration;
use wire::shim::{Happening, How, Kind, LOCK_FILE, Refusal, RestartMode, RestartPolicy, State};

fn successor(host: &Host) -> ShimHost {
    ShimHost { epoch: host.shims.epoch + 1, ..host.shims.clone() }
}

fn quickly() -> RestartPolicy {
    RestartPolicy { mode: RestartMode::Always, step_ms: 20, cap_ms: 40, reset_after_ms: 60_000 }
}

#[tokio::test]
async fn no_event_is_lost_or_told_twice_while_the_daemon_comes_and_goes() {
    let host = Host::new();
    let id = ShimId::new("a").unwrap();
    let mut start = host.script("a", "sleep 0.01");
    start.restart = quickly();
    drop(host.start(start).await);
    let mut taken = Vec::new();
    for epoch in 2..12 {
        let daemon = ShimHost { epoch, ..host.shims.clone() };
        let after = taken.last().copied().unwrap_or(0);
        let mut shim = Shim::from(daemon.connect(&id, after, LONG).await.unwrap());
        for _ in 0..9 {
            shim.next().await;
        }
        taken.extend(shim.seen.iter().map(|event| event.seq));
        if epoch % 2 == 0 {
            shim.handle.ack(*taken.last().unwrap()).await.unwrap();
        }
    }
    assert_eq!(taken, (1..=90).collect::<Vec<u64>>());
}

#[tokio::test]
async fn it_restarts_its_child_while_there_is_no_daemon_and_tells_later() {
    let host = Host::new();
    let mut start = host.script("a", "echo run >> runs; sleep 0.05");
    start.restart = quickly();
    drop(host.start(start).await);
    until("five runs", || host.read("runs").lines().count() >= 5).await;
    let found = successor(&host).adopt_all(LONG, |_| true, |_| 0).await.unwrap();
    let [Found::Alive(connected)] = <[Found; 1]>::try_from(found).unwrap() else { panic!("it lives") };
    let mut shim = Shim::from(*connected);
    assert!(shim.welcome.status.crashes >= 4);
    for run in 1..=4 {
        assert_eq!(shim.exited().await.run, run);
    }
}

#[tokio::test]
async fn the_newest_daemon_wins_and_an_older_one_is_refused() {
    let host = Host::new();
    let mut old = host.start(host.script("a", "sleep 1000")).await;
    let new = successor(&host).connect(old.handle.id(), 0, LONG).await.unwrap();
    while old.next().await != ShimEvent::Gone(Gone::TakenOver) {}
    match host.shims.connect(old.handle.id(), 0, LONG).await {
        Err(ShimError::Refused { refusal: Refusal::Epoch, .. }) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(new.handle.status().await.unwrap().state, State::Running, "the refused one changed nothing");
    assert!(matches!(old.handle.status().await, Err(ShimError::Closed { .. })));
}

#[tokio::test]
async fn spawning_again_finds_the_same_shim() {
    let host = Host::new();
    let first = host.spawn("a").await;
    let second = host.spawn("a").await;
    assert_eq!(first.welcome.pid, second.welcome.pid);
}

#[tokio::test]
async fn a_shim_that_does_not_answer_is_unknown_and_never_gone() {
    let host = Host::new();
    let id = ShimId::new("mute").unwrap();
    let run = host.shims.run_root.join("mute");
    fs_err::create_dir_all(&run).unwrap();
    let _listens_but_never_answers = UnixListener::bind(run.join("sock")).unwrap();
    let mut holder = hold_lock(&run.join(LOCK_FILE));
    until("the lock", || host.shims.is_alive(&id).unwrap()).await;
    let found = host.shims.adopt_all(Duration::from_millis(200), |_| true, |_| 0).await.unwrap();
    assert!(
        matches!(found.as_slice(), [Found::Unknown { why: ShimError::TimedOut { .. }, .. }]),
        "{found:?}"
    );
    assert!(matches!(host.shims.forget(&id), Err(ShimError::Alive { .. })));
    holder.kill().unwrap();
    holder.wait().unwrap();
    let found = host.shims.adopt_all(LONG, |_| true, |_| 0).await.unwrap();
    assert!(matches!(found.as_slice(), [Found::Dead(_)]), "{found:?}");
}

#[tokio::test]
async fn a_shim_whose_run_folder_was_swept_away_is_not_taken_for_dead() {
    let host = Host::new();
    let mut shim = host.start(host.script("a", "sleep 1000")).await;
    let pid = shim.started().await;
    fs_err::remove_dir_all(&host.shims.run_root).unwrap();
    let found = host.shims.adopt_all(Duration::from_millis(200), |_| true, |_| 0).await.unwrap();
    assert!(matches!(found.as_slice(), [Found::Unknown { .. }]), "{found:?}");
    assert!(is_alive(pid));
}

/// Another process that holds an OFD lock, as a hung shim would.
fn hold_lock(path: &std::path::Path) -> std::process::Child {
    let script = "import fcntl,struct,sys,time\nf=open(sys.argv[1],'w')\n\
        fcntl.fcntl(f,37,struct.pack('hhqqi4x',fcntl.F_WRLCK,0,0,0,0))\ntime.sleep(1000)";
    std::process::Command::new("python3").args(["-c", script]).arg(path).spawn().unwrap()
}

#[tokio::test]
async fn the_outcome_of_a_task_survives_its_shim() {
    let host = Host::new();
    let mut ended = host.script("ended", "exit 5");
    ended.kind = Kind::Task;
    let mut shim = host.start(ended).await;
    shim.exited().await;
    let dead = kill(&host, shim).await;
    assert!(matches!(dead.task_outcome(), TaskOutcome::Ended(exited) if exited.status == Some(5)));

    let mut running = host.script("running", "echo up; sleep 1000");
    running.kind = Kind::Task;
    let shim = host.start(running).await;
    shim.says("up").await;
    let dead = kill(&host, shim).await;
    assert_eq!(dead.task_outcome(), TaskOutcome::Unknown, "it began, and nobody saw its end");

    let waiting = host.spawn("waiting").await;
    let dead = kill(&host, waiting).await;
    assert_eq!(dead.task_outcome(), TaskOutcome::NeverBegan);
}

async fn kill(host: &Host, mut shim: Shim) -> Dead {
    shim.kill();
    while shim.next().await != ShimEvent::Gone(Gone::Died) {}
    let dead = host.shims.read_dead(shim.handle.id()).unwrap();
    host.shims.clean_up(&dead, LONG).await.unwrap();
    dead
}

#[tokio::test]
async fn a_dead_shim_s_event_log_cut_at_every_byte_is_read() {
    let host = Host::new();
    let mut start = host.script("a", "exit 3");
    start.kind = Kind::Task;
    let mut shim = host.start(start).await;
    shim.exited().await;
    let whole = kill(&host, shim).await;
    let id = whole.id.clone();
    let log = host.shims.state_root.join("a/events");
    let bytes = fs_err::read(&log).unwrap();
    assert_eq!(whole.saved.events.len(), 3);
    let mut outcomes = Vec::new();
    for cut in 0..=bytes.len() {
        fs_err::write(&log, &bytes[..cut]).unwrap();
        let dead = host.shims.read_dead(&id).unwrap();
        let known = dead.saved.events.len();
        assert_eq!(dead.saved.events, whole.saved.events[..known], "cut at {cut}");
        let outcome = dead.task_outcome();
        let expected = match known {
            0 => TaskOutcome::NeverBegan,
            1 | 2 => TaskOutcome::Unknown,
            _ => whole.task_outcome(),
        };
        assert_eq!(outcome, expected, "cut at {cut}");
        outcomes.push(known);
    }
    outcomes.dedup();
    assert_eq!(outcomes, [0, 1, 2, 3]);
}

#[tokio::test]
async fn an_id_is_used_once() {
    let host = Host::new();
    let mut start = host.script("a", "echo run >> runs");
    start.kind = Kind::Task;
    let mut shim = host.start(start.clone()).await;
    shim.exited().await;
    kill(&host, shim).await;
    let again = host.spawn("a").await;
    match again.handle.start(start).await {
        Err(ShimError::Refused { refusal: Refusal::State, .. }) => {}
        other => panic!("a task must never run twice: {other:?}"),
    }
    assert_eq!(host.read("runs"), "run\n");
}

#[tokio::test]
async fn what_has_no_history_is_spawned_afresh() {
    let host = Host::new();
    let id = ShimId::new("epmd").unwrap();
    let start = host.script("epmd", "setsid sleep 1000 & echo $! > child; echo up; sleep 1000");
    let first = host.start(start.clone()).await;
    first.says("up").await;
    let mut again = Shim::from(host.shims.spawn_afresh(&id, LONG).await.unwrap());
    assert_eq!(again.welcome.pid, first.welcome.pid, "one that lives is taken");
    again.kill();
    while again.next().await != ShimEvent::Gone(Gone::Died) {}
    let left: i32 = host.read("child").trim().parse().unwrap();
    assert!(is_alive(left));
    let fresh = Shim::from(host.shims.spawn_afresh(&id, LONG).await.unwrap());
    assert!(!is_alive(left), "what the dead one left is ended first");
    fresh.handle.start(start).await.unwrap();
    fresh.says("up").await;
}

#[tokio::test]
async fn a_root_of_200_bytes() {
    let long = format!("{}/{}", "x".repeat(100), "y".repeat(100));
    let host = Host::named(&long);
    assert!(host.shims.run_root.as_os_str().len() > 200);
    let mut shim = host.start(host.script("a", "exit 0")).await;
    assert_eq!(shim.exited().await.how, How::ByItself);
    let found = successor(&host).adopt_all(LONG, |_| true, |_| 0).await.unwrap();
    assert!(matches!(found.as_slice(), [Found::Alive(_)]), "{found:?}");
}

#[tokio::test]
async fn a_shim_run_by_an_ordinary_user() {
    let host = Host::new();
    if !crate::support::is_root() {
        return; // then every other test shows it
    }
    let owner = nobody();
    for folder in [host.folder.path().to_owned(), host.path("run/a"), host.path("state/a")] {
        fs_err::create_dir_all(&folder).unwrap();
        std::os::unix::fs::chown(&folder, Some(owner.uid), Some(owner.gid)).unwrap();
    }
    // A copy that nobody can reach; made by another process, for a file that this one has open to write while
    // a third is forked cannot be executed.
    let binary = host.path("bellrock-shim");
    let mut copy = std::process::Command::new("cp");
    assert!(copy.arg(crate::support::shim_binary()).arg(&binary).status().unwrap().success());
    let mut setpriv = std::process::Command::new("setpriv");
    setpriv.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).arg(&binary);
    let started = setpriv.arg(host.path("run/a")).arg(host.path("state/a")).status().unwrap();
    assert!(started.success());
    let id = ShimId::new("a").unwrap();
    let mut shim = Shim::from(host.shims.connect(&id, 0, LONG).await.unwrap());
    let mut start = host.script("a", "setsid sleep 1000 & echo $! > child; id -u; exec sleep 1000");
    start.cgroup_parent = Some("/sys/fs/cgroup/unified".into());
    shim.handle.start(start).await.unwrap();
    shim.says("65534").await;
    let child: i32 = host.read("child").trim().parse().unwrap();
    assert_eq!(shim.handle.status().await.unwrap().cgroup, None, "nobody may make no cgroup");
    shim.handle.stop(Duration::ZERO).await.unwrap();
    shim.exited().await;
    assert!(!is_alive(child));
}

#[tokio::test]
async fn a_stranger_is_not_listened_to() {
    if !crate::support::is_root() {
        eprintln!("only root can act as another user: nothing to test");
        return;
    }
    let host = Host::new();
    let shim = host.spawn("a").await;
    for path in [host.folder.path().into(), host.path("run"), host.path("run/a"), host.path("run/a/sock")] {
        use std::os::unix::fs::PermissionsExt;
        fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
    }
    let script = "import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\ns.settimeout(20)\n\
        print('closed' if s.recv(1)==b'' else 'open')";
    let mut setpriv = std::process::Command::new("setpriv");
    setpriv.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]);
    let output =
        setpriv.args(["/usr/bin/python3", "-c", script]).arg(host.path("run/a/sock")).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "closed\n", "{output:?}");
    assert_eq!(shim.state().await, State::Waiting);
}

#[tokio::test]
async fn a_long_history_is_made_shorter_once_it_is_taken() {
    let host = Host::new();
    let mut start = host.program("a", ["/bin/true"]);
    start.restart = RestartPolicy { step_ms: 0, ..quickly() };
    let mut shim = host.start(start).await;
    let log = host.shims.state_root.join("a/events");
    let size = || fs_err::metadata(&log).unwrap().len();
    while size() < 100_000 {
        shim.next().await;
    }
    for_until("a short log", async || {
        let last = shim.handle.status().await.unwrap().last_seq;
        shim.handle.ack(last).await.unwrap();
        size() < 70_000
    })
    .await;
    shim.handle.stop(LONG).await.unwrap();
    shim.wait_for(|what| matches!(what, Happening::Stopped(_)).then_some(())).await;
    assert!(shim.seen.iter().zip(1..).all(|(event, seq)| event.seq == seq), "nothing lost, nothing twice");
    let crashes = shim.handle.status().await.unwrap().crashes;
    let dead = kill(&host, shim).await;
    let header = dead.saved.header.clone().unwrap();
    let in_file = dead
        .saved
        .events
        .iter()
        .filter(|event| matches!(&event.what, Some(Happening::Exited(exited)) if exited.is_crash()));
    assert_eq!(header.crashes + in_file.count() as u64, crashes, "the sum outlives the events");
}
