//! HTTP/2 in front of the proxy.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use hyper::Request;
use tokio::io::AsyncReadExt;
use wire::proxy::{Answer, BackendMode};

use crate::gate::Gate;
use crate::h2_peer::{H2Client, next, request, run, whole};
use crate::instance::{Instance, Then};
use crate::rig::{Rig, backend, eventually, front};

/// Answers with the lines that came.
fn mirror() -> Instance {
    Instance::raw(|served, request| {
        let body = served.read_body(&request);
        let lines: Vec<String> =
            request.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let text = format!("{}\n{}\n\n{}", request.line, lines.join("\n"), String::from_utf8_lossy(&body));
        served.answer(&text)
    })
}

/// Requests that were cut in the first instance, once it has drained.
fn cut(rig: &mut Rig) -> u64 {
    rig.daemon.watch();
    loop {
        if let Answer::Drained(drained) = rig.daemon.news() {
            return drained.cut;
        }
    }
}

#[test]
fn a_request_reaches_an_instance_as_http_1() {
    let instance = mirror();
    let rig = Rig::serving(&[instance.address]);
    run(async {
        let mut client = H2Client::connect(rig.address).await;
        let asked = Request::post("http://shop.test/a?b=c")
            .header("cookie", "a=1")
            .header("cookie", "b=2")
            .header("te", "trailers")
            .header("x-forwarded-for", "203.0.113.9")
            .body(())
            .unwrap();
        let (answer, mut body) = client.send(asked, false).await;
        body.send_data("one ".into(), false).unwrap();
        body.send_data("two".into(), true).unwrap();
        let reply = whole(answer.await.unwrap()).await.unwrap();
        assert_eq!(reply.status, 200);
        let (head, body) = reply.body.split_once("\n\n").unwrap();
        let lines: Vec<&str> = head.lines().collect();
        assert_eq!((lines[0], body), ("POST /a?b=c HTTP/1.1", "one two"));
        for line in ["host: shop.test", "cookie: a=1; b=2", "x-forwarded-for: 127.0.0.1", "te: trailers"] {
            assert_eq!(lines.iter().filter(|known| **known == line).count(), 1, "{line} in {lines:?}");
        }
        assert_eq!(reply.headers["x-request-id"].len(), 32);
        assert!(!reply.headers.contains_key("transfer-encoding"));
    });
}

#[test]
fn many_streams_on_one_connection_at_a_time() {
    let gate = Gate::default();
    let instance = Instance::raw({
        let gate = gate.clone();
        move |served, request| {
            gate.pass();
            served.answer(request.path())
        }
    });
    let mut rig = Rig::serving(&[instance.address]);
    run(async {
        let mut client = H2Client::connect(rig.address).await;
        let mut answers = Vec::new();
        for number in 0..100 {
            answers.push(client.send(request("GET", &format!("/{number}")), true).await.0);
        }
        while instance.requests().len() < 100 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        gate.open();
        for (number, answer) in answers.into_iter().enumerate() {
            assert_eq!(whole(answer.await.unwrap()).await.unwrap().body, format!("/{number}"));
        }
    });
    assert_eq!(rig.daemon.report().connections.accepted, 1);
    assert_eq!(rig.backend(1).counts.requests, 100);
    eventually("nothing is in flight", || rig.backend(1).in_flight == 0);
}

#[test]
fn what_is_no_request() {
    let instance = mirror();
    let mut rig = Rig::serving(&[instance.address]);
    let ask = |address: SocketAddr, request: Request<()>| {
        run(async {
            let mut client = H2Client::connect(address).await;
            let (answer, _) = client.send(request, true).await;
            let reply = whole(answer.await.unwrap()).await.unwrap();
            (reply.status, reply.headers["x-bellrock-error"].to_str().unwrap().to_owned())
        })
    };
    let differs = Request::get("http://a.test/").header("host", "b.test").body(()).unwrap();
    assert_eq!(ask(rig.address, differs), (400, "bad-request".into()));
    let user = Request::get("http://user@a.test/").body(()).unwrap();
    assert_eq!(ask(rig.address, user), (400, "bad-request".into()));
    let connect = Request::connect("a.test:443").body(()).unwrap();
    assert_eq!(ask(rig.address, connect), (501, "not-implemented".into()));
    rig.change(|route| route.hosts = vec!["b.test".into()]);
    assert_eq!(ask(rig.address, request("GET", "/")), (503, "no-route".into()));
    assert!(instance.requests().is_empty());
}

#[test]
fn an_own_answer_to_head_is_its_head_alone() {
    let rig = Rig::new();
    run(async {
        let mut client = H2Client::connect(rig.address).await;
        let whole_one = client.get("/").await.unwrap();
        let (answer, _) = client.send(request("HEAD", "/"), true).await;
        let head = whole(answer.await.unwrap()).await.unwrap();
        assert_eq!((head.status, head.body.as_str()), (503, ""));
        // Its request id is another one, of the same length.
        assert_eq!(head.headers["content-length"], whole_one.body.len().to_string());
    });
}

#[test]
fn an_instance_s_answer_to_head_has_the_length_that_the_instance_says() {
    let instance = Instance::raw(|served, request| {
        let length = if request.path() == "/some" { "content-length: 7\r\n" } else { "" };
        served.send(&format!("HTTP/1.1 200 OK\r\n{length}\r\n"));
        Then::Next
    });
    let rig = Rig::serving(&[instance.address]);
    run(async {
        let mut client = H2Client::connect(rig.address).await;
        for (path, expected) in [("/some", Some("7")), ("/unknown", None)] {
            let (answer, _) = client.send(request("HEAD", path), true).await;
            let reply = whole(answer.await.unwrap()).await.unwrap();
            let length = reply.headers.get("content-length").map(|length| length.to_str().unwrap());
            assert_eq!((length, reply.body.as_str()), (expected, ""), "{path}");
        }
    });
    assert_eq!(instance.connections(), 1);
}

#[test]
fn where_it_is_switched_off_nobody_speaks_it() {
    let instance = mirror();
    let mut rig = Rig::serving(&[instance.address]);
    rig.table.front = front(|front| front.http1_only = true);
    rig.apply();
    run(async {
        let mut client = H2Client::connect(rig.address).await;
        assert!(client.get("/").await.is_err());
    });
    assert_eq!(rig.client().get("/").status, 200);
}

#[test]
fn headers_are_limited() {
    let instance = mirror();
    let mut rig = Rig::serving(&[instance.address]);
    rig.table.front = front(|front| front.max_header_bytes = 4096);
    rig.apply();
    run(async {
        let mut client = H2Client::connect(rig.address).await;
        assert_eq!(client.get("/").await.unwrap().status, 200);
        let long = Request::get("http://a.test/").header("x-long", "a".repeat(5000)).body(()).unwrap();
        let (answer, _) = client.send(long, true).await;
        assert_eq!(answer.await.unwrap().status(), 431);
        assert_eq!(client.get("/").await.unwrap().status, 200, "other streams go on");
    });
}

#[test]
fn a_slow_body_and_a_slow_instance_end_their_stream_alone() {
    let instance = Instance::raw(|served, request| {
        if request.path() == "/slow" {
            // until the proxy gives up
            let _ = served.client.rest();
            return Then::Close;
        }
        let _ = served.read_body(&request);
        served.answer("fine")
    });
    let mut rig = Rig::serving(&[instance.address]);
    rig.change(|route| {
        route.limits.body_timeout_ms = 200;
        route.limits.response_timeout_ms = 300;
    });
    run(async {
        let mut client = H2Client::connect(rig.address).await;
        let (slow_body, mut body) = client.send(request("POST", "/"), false).await;
        body.send_data("a".into(), false).unwrap();
        let (slow_answer, _) = client.send(request("GET", "/slow"), true).await;
        assert_eq!(slow_body.await.unwrap().status(), 408);
        assert_eq!(slow_answer.await.unwrap().status(), 504);
        assert_eq!(client.get("/").await.unwrap().body, "fine");
    });
}

#[test]
fn a_client_that_takes_nothing_is_cut() {
    let instance = Instance::raw(|served, _| {
        served.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
        let chunk = format!("10000\r\n{}\r\n", "a".repeat(0x10000));
        use std::io::Write;
        while served.client.stream.write_all(chunk.as_bytes()).is_ok() {}
        Then::Close
    });
    let mut rig = Rig::serving(&[instance.address]);
    rig.change(|route| route.limits.write_timeout_ms = 300);
    run(async {
        let mut client = H2Client::connect(rig.address).await;
        let (answer, _) = client.send(request("GET", "/"), true).await;
        let mut body = answer.await.unwrap().into_body();
        // the window is never given back
        let error = loop {
            match body.data().await.expect("no end in order") {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert_eq!(error.reason(), Some(Reason::CANCEL), "{error}");
    });
    eventually("nothing is in flight", || rig.backend(1).in_flight == 0);
}

#[test]
fn resets_before_anybody_looks_end_the_connection() {
    let instance = mirror();
    let rig = Rig::serving(&[instance.address]);
    run(async {
        let mut client = H2Client::connect(rig.address).await;
        let mut sent = 0;
        while !client.end.is_finished() {
            if client.sender.clone().ready().await.is_err() {
                break;
            }
            let Ok((_, mut stream)) = client.sender.send_request(request("GET", "/"), true) else { break };
            stream.send_reset(Reason::CANCEL);
            sent += 1;
            assert!(sent < 100_000, "resets go on");
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(rig.client().get("/").status, 200, "others are served");
}

#[test]
fn requests_given_up_again_and_again_end_the_connection() {
    let asked = Arc::new(AtomicUsize::new(0));
    let instance = Instance::raw({
        let asked = asked.clone();
        move |served, request| {
            if request.path() == "/good" {
                return served.answer("good");
            }
            asked.fetch_add(1, Ordering::SeqCst);
            let _ = served.client.rest();
            Then::Close
        }
    });
    let rig = Rig::serving(&[instance.address]);
    run(async {
        let mut client = H2Client::connect(rig.address).await;
        for number in 1.. {
            let Ok(ready) = client.sender.clone().ready().await else { break };
            client.sender = ready;
            let Ok((_, mut stream)) = client.sender.send_request(request("GET", "/"), true) else { break };
            let ended = || client.end.is_finished();
            // the instance works on it before it is given up
            while asked.load(Ordering::SeqCst) < number && !ended() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            stream.send_reset(Reason::CANCEL);
            assert!(number < 1000, "they go on");
        }
        let mut other = H2Client::connect(rig.address).await;
        assert_eq!(other.get("/good").await.unwrap().body, "good");
    });
    assert!(asked.load(Ordering::SeqCst) >= 100, "a few are no attack");
}

#[test]
fn a_draining_instance_keeps_its_stream_while_others_move() {
    let gate = Gate::default();
    let old = Instance::raw({
        let gate = gate.clone();
        move |served, _| {
            gate.pass();
            served.answer("old")
        }
    });
    let new = Instance::named("new");
    let mut rig = Rig::serving(&[old.address]);
    run(async {
        let mut client = H2Client::connect(rig.address).await;
        let (answer, _) = client.send(request("GET", "/"), true).await;
        while rig.backend(1).in_flight == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        rig.change(|route| {
            route.backends[0].mode = BackendMode::Draining;
            route.backends.push(backend(2, new.address));
        });
        assert_eq!(client.get("/").await.unwrap().body, "new", "the same connection");
        gate.open();
        assert_eq!(whole(answer.await.unwrap()).await.unwrap().body, "old");
    });
    assert_eq!(cut(&mut rig), 0);
}

#[test]
fn the_end_of_a_drain_cuts_one_stream_and_not_the_connection() {
    let old = Instance::raw(|served, _| {
        served.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n");
        let _ = served.client.rest();
        Then::Close
    });
    let new = Instance::named("new");
    let mut rig = Rig::serving(&[old.address]);
    rig.change(|route| route.drain_ms = 200);
    run(async {
        let mut client = H2Client::connect(rig.address).await;
        let (answer, _) = client.send(request("GET", "/"), true).await;
        let mut body = answer.await.unwrap().into_body();
        assert_eq!(next(&mut body).await.unwrap(), Some(Bytes::from("a")));
        rig.change(|route| {
            route.backends[0].mode = BackendMode::Draining;
            route.backends.push(backend(2, new.address));
        });
        assert!(next(&mut body).await.unwrap_err().is_reset());
        assert_eq!(client.get("/").await.unwrap().body, "new");
    });
    assert_eq!(cut(&mut rig), 1);
}

#[test]
fn a_stopping_proxy_says_goaway_and_finishes_streams() {
    let gate = Gate::default();
    let instance = Instance::raw({
        let gate = gate.clone();
        move |served, _| {
            gate.pass();
            served.answer("finished")
        }
    });
    let mut rig = Rig::serving(&[instance.address]);
    run(async {
        let mut client = H2Client::connect(rig.address).await;
        let (answer, _) = client.send(request("GET", "/"), true).await;
        while rig.backend(1).in_flight == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let (stopped, wait) = mpsc::channel();
        let proxy = rig.take_proxy();
        std::thread::spawn(move || {
            proxy.shut_down(Duration::from_secs(50));
            let _ = stopped.send(());
        });
        // no new stream once GOAWAY is here
        while client.sender.clone().ready().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        gate.open();
        assert_eq!(whole(answer.await.unwrap()).await.unwrap().body, "finished");
        client.end.await.unwrap().unwrap();
        tokio::task::spawn_blocking(move || wait.recv_timeout(crate::rig::DEADLINE).unwrap()).await.unwrap();
    });
}

#[test]
fn an_idle_connection_is_closed() {
    let instance = Instance::named("here");
    let mut rig = Rig::serving(&[instance.address]);
    rig.table.front = front(|front| front.idle_timeout_ms = 300);
    rig.apply();
    run(async {
        let mut client = H2Client::connect(rig.address).await;
        assert_eq!(client.get("/").await.unwrap().body, "here");
        client.end.await.unwrap().unwrap();
        // one that never says more than its first words, too
        let mut silent = tokio::net::TcpStream::connect(rig.address).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut silent, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        let _ = silent.read_to_end(&mut Vec::new()).await;
    });
}

#[test]
fn what_is_no_http_2_behind_its_preface_is_closed() {
    let instance = mirror();
    let rig = Rig::serving(&[instance.address]);
    let rests: [&[u8]; 4] = [
        b"GET /meant HTTP/1.1\r\nhost: a.test\r\n\r\n",
        &[0xff; 300],
        // DATA on stream 1, which nobody opened
        b"\0\0\0\x04\0\0\0\0\0\0\0\x01\0\0\0\0\0\x01a",
        // HEADERS without an end, then CONTINUATION of another stream
        b"\0\0\0\x04\0\0\0\0\0\0\0\x01\x01\0\0\0\0\x01\x82\0\0\x01\x09\x04\0\0\0\x03\x84",
    ];
    for rest in rests {
        let mut client = rig.client();
        client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        std::io::Write::write_all(&mut client.stream, rest).unwrap();
        let said = client.rest();
        assert!(!said.starts_with(b"HTTP/"), "{}", String::from_utf8_lossy(&said));
    }
    assert!(instance.requests().is_empty());
    assert_eq!(rig.client().get("/").status, 200);
}
