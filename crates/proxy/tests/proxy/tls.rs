//! TLS towards clients through the whole proxy.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proxy::{Listener, Options, Proxy};
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tempfile::TempDir;
use wire::proxy::{Answer, Certificate, Command, Done, Refusal, SetCertificates, Table};

use crate::daemon::Daemon;
use crate::h2_peer::{H2Client, run};
use crate::instance::{Instance, Then};
use crate::rig::{DEADLINE, front, route};

type Made = CertifiedKey<KeyPair>;
type Stream = StreamOwned<ClientConnection, TcpStream>;

fn made(name: &str) -> Made {
    generate_simple_self_signed([name.to_owned()]).unwrap()
}

fn message(made: &Made) -> SetCertificates {
    let certificate = Certificate { chain_pem: made.cert.pem(), key_pem: made.signing_key.serialize_pem() };
    SetCertificates { certificates: vec![certificate] }
}

struct Stage {
    proxy: Option<Proxy>,
    address: SocketAddr,
    folder: TempDir,
    instance: Instance,
}

impl Stage {
    fn new() -> Self {
        let instance = Instance::raw(|served, request| {
            if request.header("upgrade").is_some() {
                served.send(
                    "HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n\x01\x01a",
                );
                let mut rest = Vec::new();
                let _ = served.client.stream.read_to_end(&mut rest);
                return Then::Close;
            }
            let proto = request.header("x-forwarded-proto").unwrap_or_default().to_owned();
            served.answer(&proto)
        });
        let folder = tempfile::tempdir().unwrap();
        let (proxy, address) = start(folder.path());
        let stage = Self { proxy: Some(proxy), address, folder, instance };
        let front = front(|front| front.header_timeout_ms = 3_000);
        let routes = vec![route(&[stage.instance.address])];
        stage.daemon().set_table(&Table { revision: 1, epoch: 1, front, routes }).unwrap();
        stage
    }

    fn daemon(&self) -> Daemon {
        Daemon::connect(self.folder.path(), 1)
    }

    fn set(&self, message: SetCertificates) -> Answer {
        self.daemon().ask(Command::SetCertificates(message))
    }

    fn connect(&self, trusted: &Made) -> Stream {
        let name = ServerName::try_from("a.test").unwrap();
        let tcp = TcpStream::connect(self.address).unwrap();
        tcp.set_read_timeout(Some(DEADLINE)).unwrap();
        StreamOwned::new(ClientConnection::new(Arc::new(trusting(trusted, &[])), name).unwrap(), tcp)
    }

    fn stop(&mut self) {
        if let Some(proxy) = self.proxy.take() {
            proxy.shut_down(Duration::ZERO);
        }
    }
}

/// A client's side of TLS, which speaks these protocols.
fn trusting(trusted: &Made, protocols: &[&str]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    config
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop();
    }
}

fn start(folder: &Path) -> (Proxy, SocketAddr) {
    let listeners = vec![Listener { socket: TcpListener::bind("127.0.0.1:0").unwrap(), tls: true }];
    let options = Options { run: folder.into(), state: folder.into(), listeners, cores: 2 };
    let proxy = Proxy::start(options).unwrap();
    let address = proxy.addresses()[0];
    (proxy, address)
}

/// A GET; the answer's body, which is `https` where all is well.
fn get(stream: &mut Stream) -> String {
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n").unwrap();
    let mut got = Vec::new();
    while !got.ends_with(b"https") {
        let mut bytes = [0; 1024];
        let read = stream.read(&mut bytes).unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&got));
        got.extend_from_slice(&bytes[..read]);
    }
    let text = String::from_utf8(got).unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    text
}

#[test]
fn requests_over_tls_also_after_a_rest() {
    let (stage, made) = (Stage::new(), made("a.test"));
    assert_eq!(stage.set(message(&made)), Answer::Done(Done {}));
    let mut stream = stage.connect(&made);
    for _ in 0..10 {
        get(&mut stream);
    }
    // a connection gives its buffers back when it has rested for 2 s
    std::thread::sleep(Duration::from_millis(2_600));
    for _ in 0..10 {
        get(&mut stream);
    }
    assert_eq!(stage.instance.connections(), 1);
}

#[test]
fn certificates_outlive_the_proxy_and_are_secret() {
    let (mut stage, made) = (Stage::new(), made("a.test"));
    stage.set(message(&made));
    let mode = fs_err::metadata(stage.folder.path().join("certificates")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    stage.stop();
    let (proxy, address) = start(stage.folder.path());
    (stage.proxy, stage.address) = (Some(proxy), address);
    get(&mut stage.connect(&made));
}

#[test]
fn new_certificates_leave_connections_alone_and_bad_ones_are_refused() {
    let (stage, old, new) = (Stage::new(), made("a.test"), made("a.test"));
    stage.set(message(&old));
    let mut stream = stage.connect(&old);
    get(&mut stream);
    let mut mixed = message(&new);
    mixed.certificates[0].key_pem = old.signing_key.serialize_pem();
    let Answer::Refused(refused) = stage.set(mixed) else { panic!("it was taken") };
    assert_eq!(refused.refusal, Refusal::Invalid);
    assert!(refused.text.contains("the key of certificate 1 does not fit its chain"), "{}", refused.text);
    assert!(!refused.text.contains("BEGIN"), "{}", refused.text);
    get(&mut stage.connect(&old));

    stage.set(message(&new));
    get(&mut stage.connect(&new));
    get(&mut stream);
}

#[test]
fn a_websocket_within_tls() {
    let (stage, made) = (Stage::new(), made("a.test"));
    stage.set(message(&made));
    let mut stream = stage.connect(&made);
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: a.test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
        .unwrap();
    let mut got = Vec::new();
    while !got.ends_with(b"\r\n\r\n\x01\x01a") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        got.push(byte[0]);
    }
}

#[test]
fn a_silent_client_is_closed_and_others_are_served() {
    let (stage, made) = (Stage::new(), made("a.test"));
    stage.set(message(&made));
    let began = Instant::now();
    let mut silent: Vec<TcpStream> = (0..50).map(|_| TcpStream::connect(stage.address).unwrap()).collect();
    silent[0].write_all(b"\x16\x03\x01").unwrap();
    get(&mut stage.connect(&made));
    for stream in &mut silent {
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    }
    assert!(began.elapsed() >= Duration::from_millis(2_500), "{:?}", began.elapsed());
}

#[test]
fn http_2_is_agreed_on_where_both_speak_it() {
    let (stage, made) = (Stage::new(), made("a.test"));
    stage.set(message(&made));
    let connect = async |protocols: &[&str]| {
        let connector = tokio_rustls::TlsConnector::from(Arc::new(trusting(&made, protocols)));
        let tcp = tokio::net::TcpStream::connect(stage.address).await.unwrap();
        connector.connect(ServerName::try_from("a.test").unwrap(), tcp).await
    };
    let agreed = |stream: &tokio_rustls::client::TlsStream<_>| {
        stream.get_ref().1.alpn_protocol().map(|protocol| String::from_utf8(protocol.to_vec()).unwrap())
    };
    run(async {
        let stream = connect(&["h2", "http/1.1"]).await.unwrap();
        assert_eq!(agreed(&stream).as_deref(), Some("h2"));
        let mut client = H2Client::over(stream, h2::client::Builder::new()).await;
        for _ in 0..3 {
            assert_eq!(client.get("/").await.unwrap().body, "https");
        }
        assert_eq!(agreed(&connect(&["http/1.1"]).await.unwrap()).as_deref(), Some("http/1.1"));
        assert!(connect(&["spdy/3"]).await.is_err(), "nothing in common (RFC 7301 3.2)");
        let front = front(|front| front.http1_only = true);
        let routes = vec![route(&[stage.instance.address])];
        stage.daemon().set_table(&Table { revision: 2, epoch: 1, front, routes }).unwrap();
        assert_eq!(agreed(&connect(&["h2", "http/1.1"]).await.unwrap()).as_deref(), Some("http/1.1"));
    });
}

#[test]
fn plain_http_is_not_served_there() {
    let (stage, made) = (Stage::new(), made("a.test"));
    stage.set(message(&made));
    let mut stream = TcpStream::connect(stage.address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n").unwrap();
    let mut got = Vec::new();
    let _ = stream.read_to_end(&mut got);
    assert!(!got.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&got));
    assert!(stage.instance.requests().is_empty());
}
