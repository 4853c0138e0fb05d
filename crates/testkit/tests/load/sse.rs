//! Streams of server-sent events.

use std::time::Duration;

use testkit::load::{Kind, Plan};

use crate::server::{Peer, Server};
use crate::{plan, run};

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

fn event(number: u64) -> String {
    format!("id: {number}\nevent: beam\ndata: {{\"n\":{number},\"version\":\"1.0.0\"}}\n\n")
}

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

/// A head, three events and then this.
async fn after_three(rest: String) -> Server {
    Server::start(move |mut peer: Peer| {
        let rest = rest.clone();
        async move {
            peer.request().await;
            peer.send(HEAD).await;
            for number in 1..=3 {
                peer.send(chunk(&event(number))).await;
            }
            peer.send(rest).await;
        }
    })
    .await
}

#[tokio::test]
async fn a_proper_end_makes_the_client_come_again() {
    let server = after_three("0\r\n\r\n".to_owned()).await;
    let report = run(plan(&server, Kind::Sse)).await;
    report.assert_nothing_lost();
    assert!(report.sse_ends > 0, "{report}");
    assert_eq!(report.events, 3 * report.sse_ends, "{report}");
    assert_eq!(report.versions["1.0.0"].events, report.events, "{report}");
}

#[tokio::test]
async fn an_end_by_us_is_none_by_the_server() {
    let server = Server::start(|mut peer: Peer| async move {
        peer.request().await;
        peer.send(HEAD).await;
        peer.send(chunk(&event(1))).await;
        peer.wait_until_gone().await;
    })
    .await;
    let report = run(plan(&server, Kind::Sse)).await;
    report.assert_nothing_lost();
    assert_eq!((report.sent, report.sse_ends), (1, 0), "{report}");
}

#[tokio::test]
async fn each_other_end_is_a_loss() {
    let half = &event(4)[..20];
    for (what, rest, word) in [
        ("no last chunk", String::new(), "cut"),
        ("no last chunk, inside an event", chunk(half), "cut"),
        ("inside a chunk", chunk(&event(4))[..30].to_owned(), "cut"),
        ("a proper end inside an event", format!("{}0\r\n\r\n", chunk(half)), "wrong"),
        ("an event left out", format!("{}0\r\n\r\n", chunk(&event(5))), "wrong"),
        ("an event twice", format!("{}0\r\n\r\n", chunk(&event(3))), "wrong"),
    ] {
        let report = run(plan(&after_three(rest).await, Kind::Sse)).await;
        assert!(report.lost > 0, "{what}: {report}");
        assert_eq!(report.faults.get(word), Some(&report.lost), "{what}: {report}");
        assert_eq!((report.sse_ends, report.under_way()), (0, 0), "{what}: {report}");
    }
}

#[tokio::test]
async fn a_stream_that_falls_silent_is_a_loss() {
    let server = Server::start(|mut peer: Peer| async move {
        peer.request().await;
        peer.send(HEAD).await;
        peer.send(chunk(&event(1))).await;
        peer.wait_until_gone().await;
    })
    .await;
    let patient = plan(&server, Kind::Sse);
    let report =
        run(Plan { answer_within: Duration::from_millis(200), lasts: Duration::from_secs(1), ..patient })
            .await;
    assert!(report.lost > 0 && report.faults.get("stalled") == Some(&report.lost), "{report}");
}

#[tokio::test]
async fn another_answer_than_events_is_a_loss() {
    for (head, word) in [("", "status"), ("x-bellrock-error: no-instance\r\n", "proxy")] {
        let server = Server::start(move |mut peer: Peer| async move {
            peer.request().await;
            peer.answer("503 Service Unavailable", head, "").await;
            peer.wait_until_gone().await;
        })
        .await;
        let report = run(plan(&server, Kind::Sse)).await;
        assert!(report.lost > 0 && report.faults.get(word) == Some(&report.lost), "{report}");
    }
}
