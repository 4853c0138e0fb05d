//! Requests that two parsers could read in two ways (request smuggling), and other malformed ones. Whatever the client
//! gets: the instance must see nothing but the one request that was meant, and other clients must not notice.
//!
//! The instance reads strictly by what it is sent and records each request line. `/smuggled` among them is a hole.

use std::io::Write;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use crate::client::Client;
use crate::instance::{Instance, Request};
use crate::rig::Rig;

/// What the client gets.
#[derive(Clone, Copy, Debug)]
enum Expect {
    /// This status, made by the proxy; the instance sees nothing.
    Refused(u16),
    /// The instance gets one request, with a body of so many bytes, and the connection is closed after it.
    PassedAndClosed(usize),
    /// The same, and the connection goes on.
    Passed(usize),
}

use Expect::{Passed, PassedAndClosed, Refused};

struct Attack {
    name: &'static str,
    bytes: Vec<u8>,
    expect: Expect,
}

const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n";

/// A POST with these header lines and this body.
fn post(name: &'static str, lines: &str, body: &str, expect: Expect) -> Attack {
    let bytes = format!("POST /meant HTTP/1.1\r\nHost: a.test\r\n{lines}\r\n{body}").into_bytes();
    Attack { name, bytes, expect }
}

/// Bytes as they are.
fn raw(name: &'static str, bytes: impl AsRef<[u8]>, expect: Expect) -> Attack {
    Attack { name, bytes: bytes.as_ref().to_vec(), expect }
}

fn lengths() -> Vec<Attack> {
    let ended = format!("0\r\n\r\n{SMUGGLED}");
    let inner = SMUGGLED.len();
    vec![
        post(
            "CL before TE",
            "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n",
            &ended,
            PassedAndClosed(0),
        ),
        post(
            "TE before CL",
            "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n",
            &ended,
            PassedAndClosed(0),
        ),
        post(
            "CL that differ",
            &format!("Content-Length: 0\r\nContent-Length: {inner}\r\n"),
            SMUGGLED,
            Refused(400),
        ),
        post("a list of CL that differ", &format!("Content-Length: 0, {inner}\r\n"), SMUGGLED, Refused(400)),
        post("a list of the same CL", "Content-Length: 2, 2\r\n", "ab", Refused(400)),
        post("a negative CL", "Content-Length: -1\r\n", SMUGGLED, Refused(400)),
        post("a signed CL", &format!("Content-Length: +{inner}\r\n"), SMUGGLED, Refused(400)),
        post("a CL in hex", "Content-Length: 0x2\r\n", SMUGGLED, Refused(400)),
        post("a CL with a fraction", "Content-Length: 2.0\r\n", SMUGGLED, Refused(400)),
        post("an empty CL", "Content-Length: \r\n", SMUGGLED, Refused(400)),
        post("a CL beyond 64 bits", "Content-Length: 18446744073709551618\r\n", "ab", Refused(400)),
        post(
            "a CL with zeros before it",
            &format!("Content-Length: {}1\r\n", "0".repeat(5000)),
            "a",
            Passed(1),
        ),
        post("a CL with inner space", "Content-Length: 1 0\r\n", SMUGGLED, Refused(400)),
        post("the same CL twice", "Content-Length: 2\r\nContent-Length: 2\r\n", "ab", Passed(2)),
    ]
}

fn codings() -> Vec<Attack> {
    let ended = format!("0\r\n\r\n{SMUGGLED}");
    let te =
        |name, value: &str, expect| post(name, &format!("Transfer-Encoding: {value}\r\n"), &ended, expect);
    vec![
        te("an unknown coding", "xchunked", Refused(400)),
        te("identity", "identity", Refused(400)),
        te("chunked not last", "chunked, identity", Refused(400)),
        te("chunked in quotes", "\"chunked\"", Refused(400)),
        te("chunked with a parameter", "chunked;x=1", Refused(400)),
        te("a vertical tab before chunked", "\x0bchunked", Refused(400)),
        post(
            "TE twice",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
            &ended,
            Refused(400),
        ),
        post("a space before the colon", "Transfer-Encoding : chunked\r\n", &ended, Refused(400)),
        post("a tab before the colon", "Content-Length\t: 5\r\n", &ended, Refused(400)),
        post("TE over a folded line", "Transfer-Encoding:\r\n chunked\r\n", &ended, Refused(400)),
        post("a folded line", "X-A: b\r\n Transfer-Encoding: chunked\r\n", &ended, Refused(400)),
        post("a line that begins with space", " Transfer-Encoding: chunked\r\n", &ended, Refused(400)),
        post("a line without a colon", "Transfer-Encoding chunked\r\n", &ended, Refused(400)),
        post("a NUL in a name", "Transfer-\0Encoding: chunked\r\n", &ended, Refused(400)),
        post("a NUL in a value", "X-A: \0\r\n", "", Refused(400)),
        post("a CR in a value", "X-A: b\rContent-Length: 5\r\n", &ended, Refused(400)),
        raw(
            "TE in HTTP/1.0",
            format!("POST /meant HTTP/1.0\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n{ended}"),
            Refused(400),
        ),
    ]
}

fn chunks() -> Vec<Attack> {
    let chunked = |name, body: String, expect| post(name, "Transfer-Encoding: chunked\r\n", &body, expect);
    vec![
        chunked("a negative chunk", format!("-1\r\n{SMUGGLED}"), Refused(400)),
        chunked("a chunk size in 0x", format!("0x1\r\na\r\n0\r\n\r\n{SMUGGLED}"), Refused(400)),
        chunked(
            "a chunk size beyond 64 bits",
            "fffffffffffffffff\r\na\r\n0\r\n\r\n".to_owned(),
            Refused(400),
        ),
        chunked("a chunk size with _", "1_0\r\na\r\n0\r\n\r\n".to_owned(), Refused(400)),
        chunked("no chunk size", format!("\r\na\r\n0\r\n\r\n{SMUGGLED}"), Refused(400)),
        chunked("a chunk longer than its size", format!("1\r\nab\r\n0\r\n\r\n{SMUGGLED}"), Refused(400)),
        chunked("a bare LF after a size", format!("1\na\r\n0\r\n\r\n{SMUGGLED}"), Refused(400)),
        chunked("a bare LF in an extension", format!("1;a\nb\r\na\r\n0\r\n\r\n{SMUGGLED}"), Refused(400)),
        chunked("a bare CR after a size", format!("1\ra\r\n0\r\n\r\n{SMUGGLED}"), Refused(400)),
        chunked("a bare LF after the data", format!("1\r\na\n0\r\n\r\n{SMUGGLED}"), Refused(400)),
        chunked("an endless extension", format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(100_000)), Refused(400)),
        chunked("an extension is dropped", "1;a=b\r\na\r\n0\r\n\r\n".to_owned(), Passed(1)),
        chunked("zeros before the size", "0001\r\na\r\n0\r\n\r\n".to_owned(), Passed(1)),
        chunked(
            "trailers that frame",
            "1\r\na\r\n0\r\nContent-Length: 9\r\nX: y\r\n\r\n".to_owned(),
            Passed(1),
        ),
        chunked("a trailer that is none", format!("1\r\na\r\n0\r\nnonsense\r\n\r\n{SMUGGLED}"), Refused(400)),
    ]
}

fn heads() -> Vec<Attack> {
    let get = |name, line: &str, lines: &str, expect| raw(name, format!("{line}\r\n{lines}\r\n"), expect);
    vec![
        get("no Host", "GET /meant HTTP/1.1", "", Refused(400)),
        get("two Hosts", "GET /meant HTTP/1.1", "Host: a.test\r\nHost: b.test\r\n", Refused(400)),
        get("the same Host twice", "GET /meant HTTP/1.1", "Host: a.test\r\nHost: a.test\r\n", Refused(400)),
        get("a list of Hosts", "GET /meant HTTP/1.1", "Host: a.test, b.test\r\n", Refused(400)),
        get("a Host with a path", "GET /meant HTTP/1.1", "Host: a.test/x\r\n", Refused(400)),
        get("a Host with a user", "GET /meant HTTP/1.1", "Host: u@a.test\r\n", Refused(400)),
        get("absolute, another Host", "GET http://b.test/meant HTTP/1.1", "Host: a.test\r\n", Refused(400)),
        get("absolute, the same Host", "GET http://a.test/meant HTTP/1.1", "Host: a.test\r\n", Passed(0)),
        get("CONNECT", "CONNECT a.test:80 HTTP/1.1", "Host: a.test:80\r\n", Refused(501)),
        get("a space in the target", "GET /meant /smuggled HTTP/1.1", "Host: a.test\r\n", Refused(400)),
        get("two spaces before the version", "GET /meant  HTTP/1.1", "Host: a.test\r\n", Refused(400)),
        get("a tab in the line", "GET\t/meant HTTP/1.1", "Host: a.test\r\n", Refused(400)),
        get("HTTP/1.2", "GET /meant HTTP/1.2", "Host: a.test\r\n", Refused(400)),
        get("HTTP/2.0", "GET /meant HTTP/2.0", "Host: a.test\r\n", Refused(400)),
        get("HTTP/0.9", "GET /meant", "Host: a.test\r\n", Refused(400)),
        get("a lower-case version", "GET /meant http/1.1", "Host: a.test\r\n", Refused(400)),
        get("no slash", "GET meant HTTP/1.1", "Host: a.test\r\n", Refused(400)),
        get("a NUL in the target", "GET /meant\0 HTTP/1.1", "Host: a.test\r\n", Refused(400)),
        get("a method with a colon", "GE:T /meant HTTP/1.1", "Host: a.test\r\n", Refused(400)),
        raw("what is nearly HTTP/2's preface", "PRI * HTTP/2.0\r\n\r\nSN\r\n\r\n", Refused(400)),
        raw("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", Refused(400)),
        raw("nothing but noise", vec![0xff; 300], Refused(400)),
        raw(
            "101 headers",
            format!("GET /meant HTTP/1.1\r\nHost: a.test\r\n{}\r\n", "a: b\r\n".repeat(101)),
            Refused(431),
        ),
        raw(
            "a long header",
            format!("GET /meant HTTP/1.1\r\nHost: a.test\r\nx: {}\r\n\r\n", "y".repeat(70_000)),
            Refused(431),
        ),
        raw(
            "headers without end",
            format!("GET /meant HTTP/1.1\r\nHost: a.test\r\n{}", "a: b\r\n".repeat(20_000)),
            Refused(431),
        ),
        raw("a target without end", format!("GET /{}", "a".repeat(70_000)), Refused(431)),
    ]
}

/// Line ends that some parsers take and others do not.
fn line_ends() -> Vec<Attack> {
    vec![
        raw(
            "LF alone, a smuggled header",
            "GET /meant HTTP/1.1\r\nHost: a.test\r\nX: a\nContent-Length: 40\r\n\r\n".to_owned() + SMUGGLED,
            Passed(40),
        ),
        raw("CR alone ends nothing", "GET /meant HTTP/1.1\rHost: a.test\r\r", Refused(400)),
        raw("CR CR LF", "GET /meant HTTP/1.1\r\r\nHost: a.test\r\n\r\n", Refused(400)),
    ]
}

#[test]
fn lengths_in_two_ways() {
    run(lengths());
}

#[test]
fn transfer_codings_in_two_ways() {
    run(codings());
}

#[test]
fn chunks_in_two_ways() {
    run(chunks());
}

#[test]
fn malformed_heads() {
    run(heads());
}

#[test]
fn line_ends_in_two_ways() {
    run(line_ends());
}

/// Runs all; says about all that went wrong.
#[track_caller]
fn run(attacks: Vec<Attack>) {
    let check = |attack: &Attack| {
        let checked = std::panic::catch_unwind(AssertUnwindSafe(|| check(attack)));
        checked.unwrap_or_else(|_| Err(format!("{}: no whole answer", attack.name))).err()
    };
    let failed: Vec<String> = attacks.iter().filter_map(check).collect();
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), attacks.len(), failed.join("\n"));
}

fn check(attack: &Attack) -> Result<(), String> {
    let instance = Instance::raw(|served, request| {
        let body = served.read_body(&request);
        served.answer(&format!("{} {}", request.path(), body.len()))
    });
    let rig = Rig::serving(&[instance.address]);
    let mut bystander = rig.client();
    expect(bystander.get("/before").text() == "/before 0", attack, "a bystander's answer before")?;

    let mut client = rig.client();
    client.stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    // what is refused early is not read to its end
    let _ = client.stream.write_all(&attack.bytes);
    let reply = client.reply();
    let got = format!("{} {:?} {:?}", reply.status, reply.error(), reply.text());
    match attack.expect {
        Refused(status) => {
            let error = match status {
                400 => "bad-request",
                431 => "header-too-large",
                _ => "not-implemented",
            };
            expect((reply.status, reply.error()) == (status, error), attack, &got)?;
            expect(client.rest().is_empty(), attack, "nothing after a refusal")?;
        }
        Passed(length) | PassedAndClosed(length) => {
            expect(reply.status == 200 && reply.text() == format!("/meant {length}"), attack, &got)?;
        }
    }
    match attack.expect {
        Refused(_) => {}
        PassedAndClosed(_) => expect(client.rest().is_empty(), attack, "nothing after the answer")?,
        Passed(_) => expect(client.get("/next").text() == "/next 0", attack, "the next answer")?,
    }

    for _ in 0..3 {
        expect(bystander.get("/after").text() == "/after 0", attack, "a bystander's answer after")?;
    }
    seen(attack, &instance.requests())
}

/// What reached the instance: of the attack one request at most, of a refused one with a whole head none.
fn seen(attack: &Attack, requests: &[Request]) -> Result<(), String> {
    let paths: Vec<&str> = requests.iter().map(Request::path).collect();
    expect(!paths.contains(&"/smuggled"), attack, "the instance saw /smuggled")?;
    let meant = paths.iter().filter(|path| **path == "/meant").count();
    expect(meant <= 1, attack, "the instance saw it once")?;
    for request in requests {
        let framings = request
            .headers
            .iter()
            .filter(|(name, _)| ["content-length", "transfer-encoding"].contains(&name.as_str()));
        expect(framings.count() <= 1, attack, &format!("one framing: {:?}", request.headers))?;
    }
    Ok(())
}

fn expect(holds: bool, attack: &Attack, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(format!("{}: expected {:?}, {what}", attack.name, attack.expect)) }
}

#[test]
fn an_answer_without_a_body_does_not_shift_the_next_one() {
    let instance = Instance::raw(|served, request| {
        // lies: HEAD and 304 have no body, whatever is sent
        match request.line.split(' ').next() {
            Some("HEAD") => served.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nHELLO"),
            _ if request.path() == "/304" => {
                served.send(
                    "HTTP/1.1 304 Not Modified\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
                );
            }
            _ => return served.answer(request.path()),
        }
        crate::instance::Then::Next
    });
    let rig = Rig::serving(&[instance.address]);
    let mut client = rig.client();
    for _ in 0..10 {
        assert_eq!(client.ask("HEAD", "/head", "").status, 200);
        assert_eq!(client.get("/a").text(), "/a");
        assert_eq!(client.get("/304").status, 304);
        assert_eq!(client.get("/b").text(), "/b");
    }
}

#[test]
fn answers_that_could_be_read_in_two_ways_are_not_passed() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\nx y: 2\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: \0\r\ncontent-length: 0\r\n\r\n",
        "HTTP/3.7 200 OK\r\ncontent-length: 0\r\n\r\n",
        "nonsense\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n",
    ] {
        let instance = Instance::raw(move |served, _| {
            served.send(answer);
            crate::instance::Then::Close
        });
        let rig = Rig::serving(&[instance.address]);
        let reply = rig.client().ask("POST", "/", "");
        assert_eq!(reply.status, 502, "{answer:?}: {reply:?}");
    }
}

#[test]
fn a_client_that_says_nothing_and_goes_costs_nothing() {
    let instance = Instance::named("hello");
    let mut rig = Rig::serving(&[instance.address]);
    for bytes in ["", "\r\n", "G", "GET / HTTP/1.1\r\nho"] {
        let mut client = Client::connect(rig.address);
        client.send(bytes);
        client.end();
        let _ = client.rest();
    }
    crate::rig::eventually("all are gone", || rig.daemon.report().connections.open == 0);
    assert_eq!(instance.requests().len(), 0);
}
