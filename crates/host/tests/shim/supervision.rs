//! Starting, stopping, restarting; what is told about it.

use crate::support::{Host, LONG, for_until, is_alive, until};
use host::shim::{Gone, ShimError, ShimEvent};
use std::time::Duration;
use wire::shim::{Happening, How, Kind, Refusal, RestartMode, RestartPolicy, SetRun, Start, State, Variable};

fn quickly() -> RestartPolicy {
    RestartPolicy { mode: RestartMode::Always, step_ms: 30, cap_ms: 100, reset_after_ms: 60_000 }
}

#[tokio::test]
async fn an_exit_is_told_with_its_status_and_recorded_in_order() {
    let host = Host::new();
    let mut shim = host.start(host.script("a-1-i1", "echo out; echo err >&2; exit 7")).await;
    let exited = shim.exited().await;
    assert_eq!((exited.run, exited.status, exited.signal, exited.how), (1, Some(7), None, How::ByItself));
    shim.wait_for(|what| matches!(what, Happening::Stopped(_)).then_some(())).await;
    assert_eq!(shim.seen.iter().map(|event| event.seq).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(shim.state().await, State::Stopped);
    until("the logs", || host.read("a-1-i1.out") == "out\n" && host.read("a-1-i1.err") == "err\n").await;
}

#[tokio::test]
async fn a_signal_is_told_as_a_signal() {
    let host = Host::new();
    let mut shim = host.start(host.script("a", "kill -SEGV $$")).await;
    let exited = shim.exited().await;
    assert_eq!((exited.status, exited.signal), (None, Some(11)));
}

#[tokio::test]
async fn nothing_begins_before_start_and_start_twice_is_start_once() {
    let host = Host::new();
    let mut shim = host.spawn("a").await;
    assert_eq!(shim.state().await, State::Waiting);
    let start = host.script("a", "echo run >> runs; sleep 1000");
    shim.handle.start(start.clone()).await.unwrap();
    shim.handle.start(start).await.unwrap();
    shim.started().await;
    until("the run", || host.read("runs") == "run\n").await;
    assert_eq!(shim.handle.status().await.unwrap().run, 1);
}

#[tokio::test]
async fn what_cannot_be_started_is_refused_with_the_reason() {
    let host = Host::new();
    let shim = host.spawn("a").await;
    let good = host.script("a", "exit 0");
    let bad = [
        (Start { id: "b".into(), ..good.clone() }, "not of b"),
        (Start { argv: vec![], ..good.clone() }, "no program"),
        (Start { argv: vec!["sh".into()], ..good.clone() }, "not an absolute path"),
        (Start { cwd: "x".into(), ..good.clone() }, "not an absolute path"),
    ];
    for (start, reason) in bad {
        match shim.handle.start(start).await {
            Err(ShimError::Refused { refusal: Refusal::Invalid, text, .. }) => {
                assert!(text.contains(reason), "{text}");
            }
            other => panic!("{reason}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_program_that_cannot_be_executed_is_a_crash_with_a_reason() {
    let host = Host::new();
    let mut shim = host.start(host.program("a", ["/no/such/program"])).await;
    let exited = shim.exited().await;
    assert_eq!(exited.how, How::NotStarted);
    let reason = exited.reason.unwrap();
    assert!(reason.contains("execute its program") && reason.contains("No such file"), "{reason}");
}

#[tokio::test]
async fn restarted_at_once_then_later_and_later() {
    let host = Host::new();
    let mut start = host.script("a", "exit 0");
    start.restart = quickly();
    let mut shim = host.start(start).await;
    let mut waits = Vec::new();
    while waits.len() < 5 {
        let pick = |what: &Happening| match what {
            Happening::Restarting(restarting) => Some((restarting.consecutive, restarting.in_ms)),
            _ => None,
        };
        waits.push(shim.wait_for(pick).await);
    }
    assert_eq!(waits, [(1, 0), (2, 60), (3, 90), (4, 100), (5, 100)], "status 0 counts as an exit too");
    let begun: Vec<u64> = shim
        .seen
        .iter()
        .filter(|event| matches!(event.what, Some(Happening::Started(_))))
        .map(|event| event.since_boot_ms)
        .collect();
    assert!(begun[3] - begun[2] >= 90, "the wait is kept: {begun:?}");
    assert_eq!(shim.handle.status().await.unwrap().crashes, 5);
}

#[tokio::test]
async fn counting_begins_anew_after_a_long_enough_run() {
    let host = Host::new();
    let mut start = host.script("a", "sleep 0.3");
    start.restart = RestartPolicy { reset_after_ms: 100, ..quickly() };
    let mut shim = host.start(start).await;
    for _ in 0..3 {
        let pick = |what: &Happening| match what {
            Happening::Restarting(restarting) => Some((restarting.consecutive, restarting.in_ms)),
            _ => None,
        };
        assert_eq!(shim.wait_for(pick).await, (1, 0));
    }
}

#[tokio::test]
async fn stop_in_order_and_stop_that_is_ignored() {
    let host = Host::new();
    let mut good = host
        .start(host.script("good", "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.01; done"))
        .await;
    good.says("up").await;
    good.handle.stop(LONG).await.unwrap();
    let exited = good.exited().await;
    assert_eq!((exited.how, exited.status), (How::StoppedOrderly, Some(3)));
    good.says("bye").await;

    let mut bad = host.start(host.script("bad", "trap '' TERM; echo up; while :; do sleep 0.01; done")).await;
    bad.says("up").await;
    bad.handle.stop(Duration::from_millis(200)).await.unwrap();
    assert_eq!(bad.state().await, State::Stopping);
    let exited = bad.exited().await;
    assert_eq!((exited.how, exited.signal), (How::KilledAfterTimeout, Some(9)));

    let mut now = host.start(host.script("now", "sleep 1000")).await;
    now.handle.stop(Duration::ZERO).await.unwrap();
    assert_eq!(now.exited().await.how, How::Killed);
    assert_eq!(now.handle.status().await.unwrap().crashes, 0, "an end that was asked for is no crash");
}

#[tokio::test]
async fn stop_while_waiting_for_a_restart() {
    let host = Host::new();
    let mut start = host.script("a", "exit 1");
    start.restart = RestartPolicy { step_ms: 60_000, cap_ms: 60_000, ..quickly() };
    let shim = host.start(start).await;
    // The first restart comes at once; the second has to be waited for.
    for_until("the wait", async || {
        let status = shim.handle.status().await.unwrap();
        (status.state, status.run) == (State::BackingOff, 2)
    })
    .await;
    shim.handle.stop(LONG).await.unwrap();
    assert_eq!(shim.state().await, State::Stopped);
}

#[tokio::test]
async fn a_forced_restart_is_counted_apart() {
    let host = Host::new();
    let mut start = host.script("a", "sleep 1000");
    start.restart = quickly();
    let mut shim = host.start(start).await;
    let first = shim.started().await;
    shim.handle.restart(LONG).await.unwrap();
    let second = shim.started().await;
    assert_ne!(first, second);
    assert!(!is_alive(first));
    let status = shim.handle.status().await.unwrap();
    assert_eq!((status.forced_restarts, status.crashes, status.run), (1, 0, 2));
    let kinds: Vec<u16> = shim.seen.iter().filter_map(|event| Some(event.what.as_ref()?.number())).collect();
    assert_eq!(kinds, [2, 5, 3, 2], "started, forced, exited, started");
}

#[tokio::test]
async fn the_policy_can_be_changed_while_it_runs() {
    let host = Host::new();
    let mut start = host.script("a", "sleep 1000");
    start.restart = quickly();
    let mut shim = host.start(start).await;
    let pid = shim.started().await;
    shim.handle.set_policy(RestartPolicy { mode: RestartMode::Never, ..quickly() }).await.unwrap();
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(pid).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    shim.wait_for(|what| matches!(what, Happening::Stopped(_)).then_some(())).await;
}

/// A hot upgrade that is committed: the node goes on, and what is started after it is the new version.
#[tokio::test]
async fn what_later_runs_are_can_be_changed_while_it_runs() {
    let host = Host::new();
    let mut start = host.script("a", "echo old >> runs; exec sleep 1000");
    start.restart = quickly();
    let mut shim = host.start(start.clone()).await;
    let pid = shim.started().await;
    until("the old program wrote", || host.read("runs") == "old\n").await;
    let later = host.script("a", "echo $WHICH >> runs; exec sleep 1000");
    let which = Variable { name: "WHICH".into(), value: "new".into() };
    let run = SetRun {
        argv: later.argv,
        cwd: later.cwd,
        env: start.env.into_iter().chain([which]).collect(),
        limits: start.limits,
        stop_timeout_ms: start.stop_timeout_ms,
    };
    let relative = SetRun { argv: vec!["sh".into()], ..run.clone() };
    let refused = shim.handle.set_run(relative).await.unwrap_err().to_string();
    assert!(refused.contains("is not an absolute path"), "{refused}");
    for _ in 0..2 {
        shim.handle.set_run(run.clone()).await.unwrap();
    }
    assert!(is_alive(pid), "the present run goes on");
    shim.handle.restart(LONG).await.unwrap();
    assert_ne!(shim.started().await, pid);
    until("the new program wrote", || host.read("runs") == "old\nnew\n").await;
}

#[tokio::test]
async fn a_task_runs_once_and_its_outcome_waits() {
    let host = Host::new();
    let mut start = host.script("task", "echo done >> runs; echo the output; exit 4");
    start.kind = Kind::Task;
    start.restart = quickly();
    let mut shim = host.start(start).await;
    assert_eq!(shim.exited().await.status, Some(4));
    assert_eq!(shim.state().await, State::Finished);
    assert_eq!(shim.handle.tail(7).await.unwrap(), b"output\n");
    assert_eq!(host.read("runs"), "done\n", "whatever the policy says");
    assert!(matches!(shim.seen[0].what, Some(Happening::Began(_))), "noted before it is executed");
    shim.handle.release().await.unwrap();
    assert!(!host.shims.run_root.join("task").exists(), "a released shim leaves no run folder");
    host.shims.forget(shim.handle.id()).unwrap();
    assert!(!host.shims.state_root.join("task").exists());
}

#[tokio::test]
async fn a_task_that_takes_too_long_is_killed_with_its_tree() {
    let host = Host::new();
    let mut start = host.script("task", "setsid sleep 1000 & echo $! > child; sleep 1000");
    start.kind = Kind::Task;
    start.time_limit_ms = Some(300);
    let mut shim = host.start(start).await;
    let exited = shim.exited().await;
    assert_eq!((exited.how, exited.signal), (How::TimeLimit, Some(9)));
    assert!(!is_alive(host.read("child").trim().parse().unwrap()));
}

#[tokio::test]
async fn thousands_of_exits_are_survived() {
    let host = Host::new();
    let mut start = host.program("a", ["/bin/true"]);
    start.restart = RestartPolicy { step_ms: 0, ..quickly() };
    let mut shim = host.start(start).await;
    for_until("2000 runs", async || shim.handle.status().await.unwrap().run > 2000).await;
    shim.handle.stop(LONG).await.unwrap();
    shim.wait_for(|what| matches!(what, Happening::Stopped(_)).then_some(())).await;
    let gapless = shim.seen.iter().zip(1..).all(|(event, seq)| event.seq == seq);
    assert!(gapless, "no event is missing");
    let descriptors = fs_err::read_dir(format!("/proc/{}/fd", shim.welcome.pid)).unwrap().count();
    assert!(descriptors < 20, "{descriptors} descriptors are open");
}

/// As a BEAM does that is booting.
#[tokio::test]
async fn a_child_that_forgets_the_first_sigterm_is_asked_again() {
    let host = Host::new();
    let script = "trap 'forgotten=1' TERM; echo up; while [ -z \"$forgotten\" ]; do sleep 0.01; done; \
                  trap 'exit 3' TERM; while :; do sleep 0.01; done";
    let mut shim = host.start(host.script("a", script)).await;
    shim.says("up").await;
    shim.handle.stop(LONG).await.unwrap();
    let exited = shim.exited().await;
    assert_eq!((exited.how, exited.status), (How::StoppedOrderly, Some(3)));
}

#[tokio::test]
async fn sigterm_to_the_shim_stops_its_child_in_order() {
    let host = Host::new();
    let mut shim = host
        .start(host.script("a", "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done"))
        .await;
    shim.says("up").await;
    let pid = rustix::process::Pid::from_raw(shim.welcome.pid as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(shim.exited().await.how, How::StoppedOrderly);
    loop {
        if let ShimEvent::Gone(gone) = shim.next().await {
            assert_eq!(gone, Gone::Died);
            break;
        }
    }
    assert_eq!(host.read("a.out"), "up\nbye\n", "its logs are written before it ends");
}

/// Ends by itself with 0 when there is a file `go`, by SIGTERM with 3.
const ASKED: &str = "trap 'exit 3' TERM; echo up; while [ ! -e go ]; do sleep 0.02; done; exit 0";

#[tokio::test]
async fn an_end_that_is_expected_is_no_crash_and_needs_no_signal() {
    let host = Host::new();
    let mut shim = host.start(host.script("a", ASKED)).await;
    shim.says("up").await;
    shim.handle.expect_end(LONG, LONG / 2).await.unwrap();
    fs_err::write(host.path("go"), "").unwrap();
    let exited = shim.exited().await;
    assert_eq!((exited.status, exited.how), (Some(0), How::StoppedOrderly));
    for_until("it stays stopped", async || shim.state().await == State::Stopped).await;
}

#[tokio::test]
async fn one_that_is_expected_to_end_and_does_not_gets_the_signal_later() {
    let host = Host::new();
    let mut shim = host.start(host.script("a", ASKED)).await;
    shim.says("up").await;
    shim.handle.expect_end(LONG, Duration::from_millis(200)).await.unwrap();
    let exited = shim.exited().await;
    assert_eq!((exited.status, exited.how), (Some(3), How::StoppedOrderly));
    assert!(exited.uptime_ms >= 200, "{exited:?}");
}

#[tokio::test]
async fn a_stop_ends_the_wait_for_an_end() {
    let host = Host::new();
    let mut shim = host.start(host.script("a", ASKED)).await;
    shim.says("up").await;
    shim.handle.expect_end(LONG * 10, LONG * 9).await.unwrap();
    shim.handle.stop(LONG).await.unwrap();
    let exited = shim.exited().await;
    assert_eq!((exited.status, exited.how), (Some(3), How::StoppedOrderly));
}
