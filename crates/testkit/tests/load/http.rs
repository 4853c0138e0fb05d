//! Requests over HTTP.

use sha2::{Digest, Sha256};
use testkit::load::{Fault, Kind, Plan, Report, Shape};
use tokio::net::TcpStream;

use crate::server::{Peer, Server};
use crate::{FRONT, assert_lost, plan, run};

/// Serves pages as it should, until the client goes.
async fn pages(mut peer: Peer) {
    while peer.request().await.is_some() {
        peer.answer("200 OK", "", FRONT).await;
    }
}

/// Reads one request, then sends these bytes and ends the connection.
async fn torn(bytes: &'static str, by_reset: bool) -> Server {
    Server::start(move |mut peer| async move {
        if peer.request().await.is_some() {
            peer.send(bytes).await;
            if by_reset {
                peer.reset();
            }
        }
    })
    .await
}

/// Answers every request with this.
async fn saying(status: &'static str, headers: &'static str, body: &'static str) -> Server {
    Server::start(move |mut peer| async move {
        while peer.request().await.is_some() {
            peer.answer(status, headers, body).await;
        }
    })
    .await
}

/// Twenty requests, each over a connection of its own.
async fn new_connections(server: &Server) -> Report {
    run(plan(server, Kind::NewConnection)).await
}

#[tokio::test]
async fn a_server_that_does_well_loses_nothing() {
    let server = Server::start(pages).await;
    let report = run(plan(&server, Kind::KeepAlive)).await;
    report.assert_nothing_lost();
    assert_eq!((report.due, report.sent, report.answered), (20, 20, 20), "{report}");
    assert_eq!((report.connections, server.connections()), (1, 1), "one connection is kept\n{report}");
    assert_eq!(report.versions["1.0.0"].answers, 20);
    assert_eq!(report.versions["1.0.0"].instances, ["1/42"]);
    assert_eq!(report.statuses, [(200, 20)].into());

    let report = new_connections(&server).await;
    report.assert_nothing_lost();
    assert_eq!(report.connections, 20, "{report}");
}

#[tokio::test]
async fn nobody_listening_is_a_loss() {
    let server = Server::start(pages).await;
    let plans = [Kind::NewConnection, Kind::KeepAlive, Kind::Upload].map(|kind| plan(&server, kind));
    let address = server.address;
    drop(server);
    while TcpStream::connect(address).await.is_ok() {}
    for plan in plans {
        assert_lost(&run(plan).await, 20, "connect");
    }
}

#[tokio::test]
async fn a_connection_that_ends_before_the_answer_is_a_loss() {
    let report = new_connections(&torn("", false).await).await;
    assert_lost(&report, 20, "no-answer");
    assert_eq!(report.resets, 0, "{report}");
    let report = new_connections(&torn("", true).await).await;
    assert_lost(&report, 20, "no-answer");
    assert_eq!(report.resets, 20, "{report}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_a_loss() {
    for bytes in [
        "HTTP/1.1 200 O",
        "HTTP/1.1 200 OK\r\ncontent-length: 55\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 55\r\n\r\n{\"app\":",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    ] {
        assert_lost(&new_connections(&torn(bytes, false).await).await, 20, "cut");
    }
}

#[tokio::test]
async fn a_reset_inside_a_body_is_a_loss_and_a_reset() {
    // the reset waits until the client has read what came before it, which a reset would discard
    let server = Server::start(|mut peer| async move {
        peer.request().await;
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 55\r\n\r\n{\"app\":").await;
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        peer.reset();
    })
    .await;
    let report = new_connections(&server).await;
    assert_eq!((report.lost, report.resets), (20, 20), "{report}");
}

#[tokio::test]
async fn what_is_not_http_is_a_loss() {
    let report = new_connections(&torn("hello, who is there?\r\n\r\n", false).await).await;
    assert_lost(&report, 20, "garbled");
    let bad_chunk = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nhello\r\n";
    assert_lost(&new_connections(&torn(bad_chunk, false).await).await, 20, "garbled");
}

#[tokio::test]
async fn another_status_is_a_loss() {
    for status in ["502 Bad Gateway", "500 Internal Server Error", "404 Not Found", "204 No Content"] {
        let server = saying(status, "", "").await;
        let report = run(plan(&server, Kind::KeepAlive)).await;
        assert_lost(&report, 20, "status");
        assert_eq!(report.statuses.len(), 1, "{report}");
    }
}

#[tokio::test]
async fn errors_of_the_app_can_be_told_from_those_of_the_proxy() {
    let lenient = |server: &Server| Plan { app_errors_are_no_loss: true, ..plan(server, Kind::KeepAlive) };
    let app = saying("500 Internal Server Error", "", "oh").await;
    let report = run(lenient(&app)).await;
    assert_eq!((report.app_errors, report.lost, report.under_way()), (20, 0, 0), "{report}");

    let not_found = saying("404 Not Found", "", "").await;
    assert_lost(&run(lenient(&not_found)).await, 20, "status");

    let proxy = saying("503 Service Unavailable", "x-bellrock-error: no-instance\r\n", "sorry").await;
    let report = run(lenient(&proxy)).await;
    assert_lost(&report, 20, "proxy");
    let expected = Fault::Proxy { status: 503, word: "no-instance".to_owned() };
    assert!(report.losses.iter().all(|loss| loss.fault == expected), "{report}");
    assert_eq!(report.statuses, [(503, 20)].into());
}

#[tokio::test]
async fn a_wrong_page_is_a_loss() {
    for body in ["", "hello", "{}", "{\"version\":7}", "{\"app\":\"buoy\",\"version\":\"1.0.0\"}"] {
        let server = saying("200 OK", "", body).await;
        let plan = Plan { app: Some("beacon".to_owned()), ..plan(&server, Kind::KeepAlive) };
        assert_lost(&run(plan).await, 20, "wrong");
    }
}

/// Answers streams with as many chunks as `of` makes of what was asked for; each ends properly.
async fn streams(of: fn(u64) -> u64) -> Server {
    Server::start(move |mut peer| async move {
        while let Some(target) = peer.request().await {
            let asked = target.split(['=', '&']).nth(1).unwrap().parse().unwrap();
            peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
            for chunk in 1..=of(asked) {
                let text = format!("chunk {chunk}\n");
                peer.send(format!("{:x}\r\n{text}\r\n", text.len())).await;
            }
            peer.send("0\r\n\r\n").await;
        }
    })
    .await
}

#[tokio::test]
async fn a_stream_must_be_whole() {
    let report = run(plan(&streams(|asked| asked).await, Kind::Stream)).await;
    report.assert_nothing_lost();
    assert_eq!(report.connections, 1, "{report}");
    assert_lost(&run(plan(&streams(|asked| asked - 1).await, Kind::Stream)).await, 20, "wrong");
    assert_lost(&run(plan(&streams(|asked| asked + 1).await, Kind::Stream)).await, 20, "wrong");
}

/// Takes uploads, and tells the digest that `of` makes of the body.
async fn uploads(of: fn(Vec<u8>) -> Vec<u8>) -> Server {
    Server::start(move |mut peer| async move {
        peer.request().await;
        let body = of(peer.chunked_body().await.unwrap());
        let sha256: String = Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect();
        let told = format!("{{\"bytes\":{},\"sha256\":\"{sha256}\"}}", body.len());
        peer.answer("200 OK", "", &told).await;
        peer.wait_until_gone().await;
    })
    .await
}

#[tokio::test]
async fn an_upload_must_arrive_unchanged() {
    run(plan(&uploads(|body| body).await, Kind::Upload)).await.assert_nothing_lost();
    let changed = uploads(|mut body| {
        body[1000] ^= 1;
        body
    });
    assert_lost(&run(plan(&changed.await, Kind::Upload)).await, 20, "wrong");
    let short = uploads(|mut body| body.split_off(1));
    assert_lost(&run(plan(&short.await, Kind::Upload)).await, 20, "wrong");
}

#[tokio::test]
async fn an_upload_that_the_server_cuts_is_a_loss() {
    let server = Server::start(|mut peer| async move {
        peer.request().await;
        peer.reset();
    })
    .await;
    let shape = Shape { upload_bytes: 1_000_000, ..Shape::default() };
    let report = run(Plan { shape, ..plan(&server, Kind::Upload) }).await;
    assert_lost(&report, 20, "no-answer");
    assert_eq!(report.resets, 20, "{report}");
}
