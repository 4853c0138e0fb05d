//! What gRPC needs: HTTP/2 to the instance, streams in both directions, trailers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use h2::server::SendResponse;
use hyper::{HeaderMap, Request, Response};
use wire::proxy::{BackendMode, Protocol};

use crate::h2_peer::{H2Client, H2Instance, next, request, run, whole};
use crate::instance::Instance;
use crate::rig::{Rig, backend, eventually};

fn ok(grpc_status: &str) -> HeaderMap {
    HeaderMap::from_iter([("grpc-status".parse().unwrap(), grpc_status.parse().unwrap())])
}

/// Sends each piece back as it comes, and ends as the client does, with trailers.
async fn echo(request: Request<h2::RecvStream>, mut respond: SendResponse<Bytes>) -> Result<(), h2::Error> {
    let (head, mut body) = request.into_parts();
    let told = |name: &str| head.headers.get(name).map_or("none", |value| value.to_str().unwrap()).to_owned();
    let response = Response::builder()
        .header("content-type", "application/grpc")
        .header("x-uri", head.uri.to_string())
        .header("x-te", told("te"))
        .header("x-proto", told("x-forwarded-proto"))
        .body(())
        .unwrap();
    let mut answer = respond.send_response(response, false)?;
    while let Some(piece) = next(&mut body).await? {
        answer.send_data(piece, false)?;
    }
    let asked = body.trailers().await?.unwrap_or_default();
    let mut trailers = ok("0");
    trailers.extend(asked.into_iter().filter_map(|(name, value)| Some((name?, value))));
    answer.send_trailers(trailers)
}

/// Answers with a name and how many requests it has had, after the whole request.
fn named(name: &'static str) -> H2Instance {
    let requests = Arc::new(AtomicUsize::new(0));
    H2Instance::new(move |request, mut respond| {
        let number = requests.fetch_add(1, Ordering::SeqCst) + 1;
        async move {
            let mut body = request.into_body();
            while next(&mut body).await?.is_some() {}
            let mut answer = respond.send_response(Response::new(()), false)?;
            answer.send_data(format!("{name} {number}").into(), true)
        }
    })
}

fn rig(instances: &[&H2Instance]) -> Rig {
    let addresses: Vec<_> = instances.iter().map(|instance| instance.address).collect();
    let mut rig = Rig::serving(&addresses);
    rig.change(|route| route.protocol = Protocol::H2c);
    rig
}

#[test]
fn both_sides_of_a_call_talk_at_once_and_end_with_trailers() {
    let instance = H2Instance::new(echo);
    let mut rig = rig(&[&instance]);
    // a call that rests is no slow request
    rig.change(|route| route.limits.body_timeout_ms = 200);
    run(async {
        let mut client = H2Client::connect(rig.address).await;
        let asked =
            Request::post("http://a.test/shop.Cart/Follow").header("te", "trailers").body(()).unwrap();
        let (answer, mut sending) = client.send(asked, false).await;
        let answer = answer.await.unwrap();
        assert_eq!(answer.headers()["x-uri"], "http://a.test/shop.Cart/Follow");
        assert_eq!(answer.headers()["x-te"], "trailers");
        assert_eq!(answer.headers()["x-proto"], "http");
        let mut body = answer.into_body();
        for turn in 0..5 {
            if turn == 3 {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            let word = Bytes::from(format!("turn {turn}"));
            sending.send_data(word.clone(), false).unwrap();
            assert_eq!(next(&mut body).await.unwrap(), Some(word));
        }
        let mut trailers = HeaderMap::new();
        trailers.insert("x-checksum", "abc".parse().unwrap());
        sending.send_trailers(trailers).unwrap();
        assert_eq!(next(&mut body).await.unwrap(), None);
        let trailers = body.trailers().await.unwrap().unwrap();
        assert_eq!(
            (&trailers["grpc-status"], &trailers["x-checksum"]),
            (&"0".parse().unwrap(), &"abc".parse().unwrap())
        );
    });
    eventually("nothing is in flight", || rig.backend(1).in_flight == 0);
    let counts = rig.backend(1).counts;
    assert_eq!((counts.requests, counts.failed, counts.bytes_in, counts.bytes_out), (1, 0, 30, 30));
}

#[test]
fn a_large_body_flows_both_ways() {
    let instance = H2Instance::new(echo);
    let rig = rig(&[&instance]);
    const PIECES: usize = 64;
    run(async {
        let mut client = H2Client::connect(rig.address).await;
        let (answer, mut sending) = client.send(request("POST", "/"), false).await;
        let piece = Bytes::from(vec![b'x'; 64 * 1024]);
        let sent = tokio::spawn(async move {
            for _ in 0..PIECES {
                let mut rest = piece.clone();
                while !rest.is_empty() {
                    sending.reserve_capacity(rest.len());
                    let capacity =
                        std::future::poll_fn(|cx| sending.poll_capacity(cx)).await.unwrap().unwrap();
                    sending.send_data(rest.split_to(capacity.min(rest.len())), false).unwrap();
                }
            }
            sending.send_data(Bytes::new(), true).unwrap();
        });
        let reply = whole(answer.await.unwrap()).await.unwrap();
        assert_eq!(reply.body.len(), PIECES * 64 * 1024);
        sent.await.unwrap();
    });
}

#[test]
fn an_answer_of_trailers_alone_and_a_reset_arrive_as_they_are() {
    let instance = H2Instance::new(|request, mut respond| async move {
        if request.uri().path() == "/reset" {
            respond.send_reset(Reason::ENHANCE_YOUR_CALM);
            return Ok(());
        }
        let response = Response::builder().header("grpc-status", "12").body(()).unwrap();
        respond.send_response(response, true).map(drop)
    });
    let rig = rig(&[&instance]);
    run(async {
        let mut client = H2Client::connect(rig.address).await;
        let reply = client.get("/").await.unwrap();
        assert_eq!((reply.status, &reply.headers["grpc-status"]), (200, &"12".parse().unwrap()));
        assert_eq!(reply.trailers, None);
        let (answer, _) = client.send(request("POST", "/reset"), true).await;
        assert_eq!(answer.await.unwrap().status(), 502);
    });
}

#[test]
fn requests_share_a_connection_and_more_than_it_holds_get_another() {
    let (release, _) = tokio::sync::broadcast::channel::<()>(1);
    let instance = H2Instance::new({
        let release = release.clone();
        move |_, mut respond| {
            let mut released = release.subscribe();
            async move {
                let _ = released.recv().await;
                respond.send_response(Response::new(()), true).map(drop)
            }
        }
    });
    let mut rig = rig(&[&instance]);
    run(async {
        // as many clients as there are cores would do; more show that requests do not each get their own
        let mut answers = Vec::new();
        let mut clients = Vec::new();
        for _ in 0..4 {
            clients.push(H2Client::connect(rig.address).await);
        }
        for client in &mut clients {
            for _ in 0..120 {
                answers.push(client.send(request("GET", "/"), true).await.0);
            }
        }
        while rig.backend(1).counts.requests < 480 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        while release.receiver_count() < 480 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        release.send(()).unwrap();
        for answer in answers {
            assert_eq!(answer.await.unwrap().status(), 200);
        }
    });
    assert!(instance.connections() >= 5, "{}", instance.connections());
    eventually("nothing is in flight", || rig.backend(1).in_flight == 0);
}

#[test]
fn a_refused_stream_goes_elsewhere_whatever_it_is() {
    let refusing = H2Instance::new(|_, mut respond| async move {
        respond.send_reset(Reason::REFUSED_STREAM);
        Ok(())
    });
    let good = named("good");
    let mut rig = rig(&[&refusing, &good]);
    run(async {
        let mut client = H2Client::connect(rig.address).await;
        for _ in 0..6 {
            let (answer, _) = client.send(request("POST", "/"), true).await;
            let reply = whole(answer.await.unwrap()).await.unwrap();
            assert!(reply.body.starts_with("good"), "{reply:?}");
        }
    });
    assert!(rig.backend(1).counts.retried > 0);
}

#[test]
fn a_client_of_http_1_is_served_too() {
    let instance = named("shop");
    let rig = rig(&[&instance]);
    let mut client = rig.client();
    for number in 1..4 {
        assert_eq!(client.post("/", "body").text(), format!("shop {number}"));
    }
    let reply = client.ask("POST", "/", "content-length: 4\r\nexpect: 100-continue\r\n\r\nbody");
    assert_eq!(reply.status, 100, "the proxy takes the body itself");
}

#[test]
fn an_instance_that_speaks_http_1_only_is_told_apart() {
    let instance = Instance::named("old");
    let mut rig = Rig::serving(&[instance.address]);
    rig.change(|route| route.protocol = Protocol::H2c);
    assert_eq!(rig.client().get("/").status, 502);
}

#[test]
fn websockets_go_by_http_1() {
    let instance = Instance::raw(|served, request| {
        assert_eq!(request.header("upgrade"), Some("websocket"));
        served.send("HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
        let _ = served.client.rest();
        crate::instance::Then::Close
    });
    let mut rig = Rig::serving(&[instance.address]);
    rig.change(|route| route.protocol = Protocol::H2c);
    let mut client = rig.client();
    client.send("GET / HTTP/1.1\r\nhost: a.test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
    assert_eq!(client.head().status, 101);
}

#[test]
fn a_call_goes_on_in_a_draining_instance_until_its_deadline() {
    let instance = H2Instance::new(echo);
    let new = named("new");
    let mut rig = rig(&[&instance]);
    rig.change(|route| route.drain_ms = 1_000);
    run(async {
        let mut client = H2Client::connect(rig.address).await;
        let (answer, mut sending) = client.send(request("POST", "/"), false).await;
        let mut body = answer.await.unwrap().into_body();
        rig.change(|route| {
            route.backends[0].mode = BackendMode::Draining;
            route.backends.push(backend(2, new.address));
        });
        sending.send_data("still there".into(), false).unwrap();
        assert_eq!(next(&mut body).await.unwrap(), Some(Bytes::from("still there")));
        assert_eq!(client.get("/").await.unwrap().body, "new 1");
        assert!(next(&mut body).await.unwrap_err().is_reset());
    });
    eventually("nothing is in flight", || rig.backend(1).in_flight == 0);
    assert_eq!(rig.backend(1).counts.cut, 1);
}
