//! The books: what is sent again, what is late, what is put down to a crash.

use std::time::{Duration, SystemTime};

use testkit::load::{Crash, Crashed, Kind, Load, Plan, Report};

use crate::server::{Peer, Server};
use crate::{FRONT, assert_lost, plan, run};

/// Answers a first request on each connection; what becomes of the second is up to `then`.
async fn second_request<R>(then: fn(Peer) -> R) -> Report
where
    R: Future<Output = ()> + Send + 'static,
{
    let server = Server::start(move |mut peer| async move {
        if peer.request().await.is_some() {
            peer.answer("200 OK", "", FRONT).await;
            if peer.request().await.is_some() {
                then(peer).await;
            }
        }
    })
    .await;
    run(plan(&server, Kind::KeepAlive)).await
}

#[tokio::test]
async fn a_request_that_races_with_an_idle_close_is_sent_again_and_counted() {
    let report = second_request(|peer| async move { drop(peer) }).await;
    report.assert_nothing_lost();
    assert_eq!((report.sent, report.answered), (20, 20), "{report}");
    // every request but the first finds a connection that has answered one before
    assert_eq!(report.idle_close_retries, 19, "{report}");
}

#[tokio::test]
async fn a_reset_is_counted_also_where_the_request_is_sent_again() {
    let report = second_request(|peer| async move { peer.reset() }).await;
    assert_eq!((report.lost, report.idle_close_retries, report.resets), (0, 19, 19), "{report}");
}

#[tokio::test]
async fn a_kept_connection_that_breaks_after_a_first_byte_is_a_loss() {
    let report = second_request(|mut peer| async move { peer.send("H").await }).await;
    // each second request is lost: the connection after a loss is a new one
    assert_lost(&report, 10, "cut");
    assert_eq!(report.idle_close_retries, 0, "{report}");
}

#[tokio::test]
async fn an_idle_close_before_the_next_request_is_seen_and_loses_nothing() {
    let server = Server::start(|mut peer| async move {
        peer.request().await;
        peer.answer("200 OK", "", FRONT).await;
    })
    .await;
    let report = run(plan(&server, Kind::KeepAlive)).await;
    // a request may race with the close even here: then it is sent again
    assert_eq!((report.answered, report.lost, report.under_way()), (20, 0, 0), "{report}");
    assert_eq!(server.connections(), 20, "{report}");
}

#[tokio::test]
async fn what_is_sent_again_and_fails_again_is_a_loss() {
    let server = Server::start(|mut peer| async move {
        if peer.number == 0 {
            peer.request().await;
            peer.answer("200 OK", "", FRONT).await;
        }
        peer.request().await;
    })
    .await;
    let report = run(plan(&server, Kind::KeepAlive)).await;
    assert_lost(&report, 19, "no-answer");
    assert_eq!(report.idle_close_retries, 1, "{report}");
}

/// Takes requests and never answers.
async fn silent() -> Server {
    Server::start(Peer::wait_until_gone).await
}

#[tokio::test]
async fn a_stall_is_a_loss() {
    let server = silent().await;
    for kind in [Kind::NewConnection, Kind::Upload, Kind::Socket, Kind::Sse] {
        let answer_within = Duration::from_millis(300);
        let report = run(Plan { answer_within, ..plan(&server, kind) }).await;
        let stalled = report.faults.get("stalled").copied().unwrap_or_default();
        assert!(stalled > 0 && stalled == report.lost, "{kind}: {report}");
        assert_eq!((report.answered, report.under_way()), (0, 0), "{kind}: {report}");
    }
}

#[tokio::test]
async fn a_stall_inside_a_body_is_a_loss() {
    let server = Server::start(|mut peer| async move {
        peer.request().await;
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 55\r\n\r\n{\"app\":").await;
        peer.wait_until_gone().await;
    })
    .await;
    let report =
        run(Plan { answer_within: Duration::from_millis(300), ..plan(&server, Kind::NewConnection) }).await;
    assert_lost(&report, 20, "stalled");
}

#[tokio::test]
async fn a_schedule_that_is_not_kept_is_told() {
    let server = silent().await;
    let answer_within = Duration::from_millis(500);
    let at_once = Plan { rate: 10_000, answer_within, ..plan(&server, Kind::NewConnection) };
    let crowded = Plan { lasts: Duration::from_millis(2), most_under_way: 5, ..at_once };
    let report = run(crowded).await;
    assert_eq!(report.due, 20, "{report}");
    assert_eq!(report.unsent, 20 - report.sent, "{report}");
    assert!(!report.is_meaningful(), "{report}");

    // one connection, each answer too late for the next request to be in time
    let late_after = Duration::from_millis(300);
    let lasts = Duration::from_millis(40);
    let slow = Plan { late_after, answer_within, lasts, ..plan(&server, Kind::KeepAlive) };
    let report = run(slow).await;
    assert_eq!((report.due, report.in_time + report.late), (4, 4), "{report}");
    assert!(report.late >= 3 && !report.is_meaningful(), "{report}");
}

#[tokio::test]
#[should_panic(expected = "too little of the schedule")]
async fn a_test_fails_when_the_schedule_was_not_kept() {
    let server = silent().await;
    let crowded = Plan {
        most_under_way: 1,
        answer_within: Duration::from_millis(300),
        ..plan(&server, Kind::NewConnection)
    };
    run(crowded).await.assert_nothing_lost();
}

#[tokio::test]
async fn latency_is_counted_from_when_a_request_was_due() {
    // four requests due at once, over one connection that answers one each 100 ms at best
    let server = Server::start(|mut peer| async move {
        while peer.request().await.is_some() {
            tokio::time::sleep(Duration::from_millis(100)).await;
            peer.answer("200 OK", "", FRONT).await;
        }
    })
    .await;
    let rate = 10_000;
    let report =
        run(Plan { rate, lasts: Duration::from_micros(400), ..plan(&server, Kind::KeepAlive) }).await;
    assert_eq!(report.answered, 4, "{report}");
    assert!(report.latency.max_us >= 399_000, "{report}");
}

#[tokio::test]
async fn what_was_in_flight_in_a_crash_is_counted_apart() {
    let server = Server::start(|mut peer| async move {
        peer.request().await;
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 55\r\n\r\n").await;
    })
    .await;
    let began = SystemTime::now();
    let report = run(plan(&server, Kind::NewConnection)).await;
    assert_lost(&report, 20, "cut");
    let at = |from, until| [Crash { who: Crashed::Instance, from, until }];
    let minute = Duration::from_secs(60);
    let before = report.clone().with_crashes(&at(began - 2 * minute, began - minute));
    assert_eq!((before.lost, before.in_crashes), (20, 0), "{before}");
    let then = report.with_crashes(&at(began, SystemTime::now()));
    assert_eq!((then.lost, then.in_crashes, then.under_way()), (0, 20, 0), "{then}");
    then.assert_nothing_lost();
}

#[tokio::test]
async fn a_run_can_be_stopped_and_accounts_for_all() {
    let server = Server::start(|mut peer| async move {
        while peer.request().await.is_some() {
            peer.answer("200 OK", "", FRONT).await;
        }
    })
    .await;
    let load =
        Load::start(Plan { lasts: Duration::from_secs(3600), ..plan(&server, Kind::KeepAlive) }).unwrap();
    while load.report().answered < 10 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let report = load.end().await;
    report.assert_nothing_lost();
    assert!(report.due < 360_000, "{report}");
}

#[tokio::test]
async fn a_report_survives_json() {
    let server = silent().await;
    let answer_within = Duration::from_millis(100);
    let report = run(Plan { answer_within, ..plan(&server, Kind::NewConnection) }).await;
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);
}
