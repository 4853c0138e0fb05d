//! Connections that begin with a PROXY header, of those that are set to send one.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};

use crate::client::Client;
use crate::instance::Instance;
use crate::rig::{Rig, eventually, front};

/// `PROXY TCP4 203.0.113.9 …` in binary, with something more that nobody knows.
const VERSION_2: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x10\xcb\x00\x71\x09\x7f\x00\x00\x01\x30\x39\x01\xbb\xee\x00\x01a";
const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00";

/// Answers with what it was told of the client.
fn mirror() -> Instance {
    Instance::raw(|served, request| {
        let told = request.header("x-forwarded-for").unwrap_or("nobody").to_owned();
        served.answer(&told)
    })
}

fn rig(instance: &Instance, senders: &[&str], trusted: &[&str]) -> Rig {
    let mut rig = Rig::serving(&[instance.address]);
    let texts = |networks: &[&str]| networks.iter().map(|network| (*network).to_owned()).collect();
    rig.table.front = front(|front| {
        front.proxy_protocol = texts(senders);
        front.trusted_proxies = texts(trusted);
        front.header_timeout_ms = 1_000;
    });
    rig.apply();
    rig
}

fn after(address: SocketAddr, header: &[u8]) -> Client {
    let mut client = Client::connect(address);
    client.stream.write_all(header).unwrap();
    client
}

#[test]
fn the_client_is_whom_the_header_names() {
    let instance = mirror();
    let rig = rig(&instance, &["127.0.0.0/8"], &[]);
    let mut client = after(rig.address, b"PROXY TCP4 203.0.113.9 127.0.0.1 12345 443\r\n");
    for _ in 0..3 {
        assert_eq!(client.get("/").text(), "203.0.113.9", "for all of the connection");
    }
    let forged = after(rig.address, VERSION_2).ask("GET", "/", "x-forwarded-for: 198.51.100.1\r\n");
    assert_eq!(forged.text(), "203.0.113.9", "who is named is not trusted");
    let mut six = after(rig.address, b"PROXY TCP6 2001:db8::9 ::1 12345 443\r\n");
    assert_eq!(six.get("/").text(), "2001:db8::9");
    let mut mapped = after(rig.address, b"PROXY TCP6 ::ffff:203.0.113.9 ::1 12345 443\r\n");
    assert_eq!(mapped.get("/").text(), "203.0.113.9");
    for own in [LOCAL, b"PROXY UNKNOWN\r\n"] {
        assert_eq!(after(rig.address, own).get("/").text(), "127.0.0.1", "the sender's own");
    }
}

#[test]
fn whom_the_header_names_may_be_trusted() {
    let instance = mirror();
    let rig = rig(&instance, &["127.0.0.0/8"], &["203.0.113.0/24"]);
    let mut client = after(rig.address, VERSION_2);
    assert_eq!(
        client.ask("GET", "/", "x-forwarded-for: 198.51.100.1\r\n").text(),
        "198.51.100.1, 203.0.113.9"
    );
}

#[test]
fn without_the_header_a_sender_is_not_served() {
    let instance = mirror();
    let mut rig = rig(&instance, &["127.0.0.0/8"], &[]);
    let beginnings: [&[u8]; 6] = [
        b"GET /meant HTTP/1.1\r\nhost: a.test\r\n\r\n",
        b"PROXY TCP4 1.2.3.4\r\n",
        b"PROXY TCP4 999.0.0.1 127.0.0.1 1 2\r\nGET /meant HTTP/1.1\r\nhost: a.test\r\n\r\n",
        &[b'P'; 500],
        &[b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat(),
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff",
    ];
    for beginning in beginnings {
        let mut client = after(rig.address, beginning);
        assert_eq!(client.rest(), b"", "{:?}", String::from_utf8_lossy(beginning));
    }
    let mut silent = after(rig.address, b"PROXY TC");
    assert!(silent.is_at_end(), "it had its time");
    assert!(instance.requests().is_empty());
    assert_eq!(after(rig.address, VERSION_2).get("/").status, 200);
    eventually("closed connections are closed", || rig.daemon.report().connections.open == 0);
}

#[test]
fn of_others_the_header_is_no_http() {
    let instance = mirror();
    let rig = rig(&instance, &["192.0.2.0/24"], &[]);
    for header in [VERSION_2, b"PROXY TCP4 203.0.113.9 127.0.0.1 12345 443\r\n"] {
        let mut client = after(rig.address, header);
        client.send("GET /meant HTTP/1.1\r\nhost: a.test\r\n\r\n");
        assert_eq!(client.reply().status, 400);
    }
    assert!(instance.requests().is_empty());
    assert_eq!(rig.client().get("/").text(), "127.0.0.1");
}

#[test]
fn over_ipv6() {
    let Ok(socket) = TcpListener::bind("[::1]:0") else { return println!("this host has no IPv6") };
    let instance = Instance::at("[::1]:0".parse().unwrap(), |served, request| {
        let told = request.header("x-forwarded-for").unwrap_or("nobody").to_owned();
        served.answer(&told)
    });
    let mut rig = Rig::on(socket);
    rig.table.routes = vec![crate::rig::route(&[instance.address])];
    rig.apply();
    let mut client = rig.client();
    assert_eq!(client.get("/").text(), "::1");
    assert_eq!(client.ask("GET", "/", "x-forwarded-for: 2001:db8::7\r\n").text(), "::1");
    rig.table.front = front(|front| front.trusted_proxies = vec!["::1/128".into()]);
    rig.apply();
    assert_eq!(client.ask("GET", "/", "x-forwarded-for: 2001:db8::7\r\n").text(), "2001:db8::7, ::1");
    rig.table.front = front(|front| front.proxy_protocol = vec!["::/0".into()]);
    rig.apply();
    assert_eq!(after(rig.address, VERSION_2).get("/").text(), "203.0.113.9");
}
