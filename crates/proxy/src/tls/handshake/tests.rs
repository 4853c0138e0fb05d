use std::error::Error;

use rcgen::{CertifiedKey as Made, KeyPair, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_rustls::TlsConnector;
use tokio_rustls::client;
use wire::proxy::Certificate;

use super::*;

fn made(names: &[&str]) -> Made<KeyPair> {
    generate_simple_self_signed(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap()
}

fn message(certificates: &[&Made<KeyPair>]) -> SetCertificates {
    let certificate = |made: &&Made<KeyPair>| Certificate {
        chain_pem: made.cert.pem(),
        key_pem: made.signing_key.serialize_pem(),
    };
    SetCertificates { certificates: certificates.iter().map(certificate).collect() }
}

/// What a client gets that trusts these, offers `alpn` and asks for `name`.
struct Client<'a> {
    roots: &'a [&'a Made<KeyPair>],
    alpn: &'a [&'a str],
    versions: &'a [&'static SupportedProtocolVersion],
}

impl Client<'_> {
    fn config(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        for made in self.roots {
            roots.add(made.cert.der().clone()).unwrap();
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(self.versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = self.alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

const ANY_VERSION: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];

type Pair = (io::Result<client::TlsStream<DuplexStream>>, Result<TlsStream<DuplexStream>, HandshakeError>);

async fn shake(tls: &Tls, config: &Arc<ClientConfig>, name: &str) -> Pair {
    let (near, far) = duplex(16 * 1024);
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connector = TlsConnector::from(Arc::clone(config));
    tokio::join!(connector.connect(name, near), tls.accept(far, Duration::from_secs(30), true))
}

fn got(stream: &client::TlsStream<DuplexStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

#[tokio::test]
async fn the_name_decides_which_certificate() {
    let (first, wild, exact) =
        (made(&["first.example", "1.2.3.4"]), made(&["*.b.example"]), made(&["a.b.example"]));
    let all = [&first, &wild, &exact];
    let tls = Tls::new().unwrap();
    let certificates = tls.read(&message(&all)).unwrap();
    assert_eq!(certificates.len(), 3);
    tls.replace(certificates);
    let config = Client { roots: &all, alpn: &[], versions: ANY_VERSION }.config();
    for (name, expect) in [
        ("first.example", &first),
        ("x.b.example", &wild),
        ("a.b.example", &exact),
        ("A.B.example", &exact),
        ("1.2.3.4", &first),
    ] {
        let (client, server) = shake(&tls, &config, name).await;
        assert_eq!(&got(&client.unwrap()), expect.cert.der(), "{name}");
        server.unwrap();
    }
    let (client, _) = shake(&tls, &config, "x.y.b.example").await;
    assert!(client.is_err(), "the default is given, which the client does not believe for that name");
}

#[tokio::test]
async fn both_versions_and_http_2_before_http_1_1() {
    let made = made(&["a.example"]);
    let tls = Tls::new().unwrap();
    tls.replace(tls.read(&message(&[&made])).unwrap());
    for (versions, expect) in
        [(&[&version::TLS12][..], ProtocolVersion::TLSv1_2), (ANY_VERSION, ProtocolVersion::TLSv1_3)]
    {
        let config = Client { roots: &[&made], alpn: &["h2", "http/1.1"], versions }.config();
        let (client, server) = shake(&tls, &config, "a.example").await;
        let client = client.unwrap();
        assert_eq!(client.get_ref().1.protocol_version(), Some(expect));
        assert_eq!(server.unwrap().get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    }
    let config = Client { roots: &[&made], alpn: &["spdy/3"], versions: ANY_VERSION }.config();
    let (client, server) = shake(&tls, &config, "a.example").await;
    assert!(client.is_err());
    assert!(matches!(server, Err(HandshakeError::Failed(_))));
}

#[tokio::test]
async fn a_client_that_comes_back_resumes() {
    let made = made(&["a.example"]);
    let tls = Tls::new().unwrap();
    tls.replace(tls.read(&message(&[&made])).unwrap());
    let config = Client { roots: &[&made], alpn: &["http/1.1"], versions: ANY_VERSION }.config();
    for expect in [rustls::HandshakeKind::Full, rustls::HandshakeKind::Resumed] {
        let (client, server) = shake(&tls, &config, "a.example").await;
        let (mut client, mut server) = (client.unwrap(), server.unwrap());
        assert_eq!(client.get_ref().1.handshake_kind(), Some(expect));
        // the ticket comes with the first data
        server.write_all(b"x").await.unwrap();
        server.flush().await.unwrap();
        assert_eq!(client.read_u8().await.unwrap(), b'x');
    }
}

#[tokio::test]
async fn new_certificates_do_not_touch_connections() {
    let (old, new) = (made(&["a.example"]), made(&["a.example"]));
    let tls = Tls::new().unwrap();
    tls.replace(tls.read(&message(&[&old])).unwrap());
    let config = || Client { roots: &[&old, &new], alpn: &[], versions: ANY_VERSION }.config();
    let (client, server) = shake(&tls, &config(), "a.example").await;
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    assert_eq!(&got(&client), old.cert.der());

    tls.replace(tls.read(&message(&[&new])).unwrap());
    let (second, _server) = shake(&tls, &config(), "a.example").await;
    assert_eq!(&got(&second.unwrap()), new.cert.der());
    client.write_all(b"still here").await.unwrap();
    client.flush().await.unwrap();
    let mut bytes = [0; 10];
    server.read_exact(&mut bytes).await.unwrap();
    assert_eq!(&bytes, b"still here");
}

#[tokio::test]
async fn bad_ones_are_refused_and_the_old_ones_stay() {
    let (old, other) = (made(&["a.example"]), made(&["b.example"]));
    let tls = Tls::new().unwrap();
    tls.replace(tls.read(&message(&[&old])).unwrap());
    let bad = |chain: &str, key: &str| {
        let mut message = message(&[&other]);
        message.certificates.push(Certificate { chain_pem: chain.to_owned(), key_pem: key.to_owned() });
        let error = tls.read(&message).unwrap_err();
        format!("{error}: {}", error.source().map(ToString::to_string).unwrap_or_default())
    };
    let (chain, key) = (old.cert.pem(), old.signing_key.serialize_pem());
    let errors = [
        bad("", &key),
        bad("-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n", &key),
        bad("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", &key),
        bad(&key, &key),
        bad(&chain, ""),
        bad(&chain, &chain),
        bad(&chain, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
        bad(&chain, &other.signing_key.serialize_pem()),
    ];
    insta::assert_snapshot!(errors.join("\n"));
    let config = Client { roots: &[&old], alpn: &[], versions: ANY_VERSION }.config();
    let (client, _server) = shake(&tls, &config, "a.example").await;
    assert_eq!(&got(&client.unwrap()), old.cert.der());
}

#[tokio::test]
async fn without_certificates_a_handshake_fails() {
    let made = made(&["a.example"]);
    let config = Client { roots: &[&made], alpn: &[], versions: ANY_VERSION }.config();
    let (client, server) = shake(&Tls::new().unwrap(), &config, "a.example").await;
    assert!(client.is_err() && matches!(server, Err(HandshakeError::Failed(_))));
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_given_up() {
    let (_silent, far) = duplex(1024);
    let result = Tls::new().unwrap().accept(far, Duration::from_secs(10), true).await;
    assert_eq!(result.unwrap_err().to_string(), "the TLS handshake was not done within 10000 ms");
}

#[tokio::test]
async fn plain_http_is_no_handshake() {
    let (mut near, far) = duplex(1024);
    near.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let result = Tls::new().unwrap().accept(far, Duration::from_secs(10), true).await;
    assert!(matches!(result, Err(HandshakeError::Failed(_))));
}
