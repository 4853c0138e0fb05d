//! Mutual TLS with OTP's `inet_tls_dist`.

use std::path::Path;

use beam::Term;
use dist::{ConnectError, Down, Status, Target, TlsIdentity, TransportError};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::world::{Running, SOON, World, erlang, eval, up};

/// An authority and what it signs.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "an authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for a host, and its key.
    fn sign(&self, host: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([host.to_owned()]).unwrap();
        // another than its issuer's: else OTP takes it as signed by itself
        params.distinguished_name.push(DnType::CommonName, host);
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }

    fn identity(&self, signed_by: &Authority) -> TlsIdentity {
        let (certificate, key) = signed_by.sign("localhost");
        TlsIdentity::from_pem(&self.pem(), &certificate, &key).unwrap()
    }
}

fn start(world: &World, name: &str, authority: &Authority, host: &str) -> Running {
    let folder = world.folder();
    let (certificate, key) = authority.sign(host);
    let write = |name: &str, text: &str| fs_err::write(folder.join(name), text).unwrap();
    write("ca.pem", &authority.pem());
    write("node.pem", &certificate);
    write("node.key", &key);
    write("dist.conf", &options(folder));
    let file = folder.join("dist.conf");
    world.start(name, &["-proto_dist", "inet_tls", "-ssl_dist_optfile", file.to_str().unwrap()])
}

fn options(folder: &Path) -> String {
    let folder = folder.display();
    let files = format!(
        r#"{{cacertfile, "{folder}/ca.pem"}}, {{certfile, "{folder}/node.pem"}}, {{keyfile, "{folder}/node.key"}}"#
    );
    format!(
        "[{{server, [{files}, {{verify, verify_peer}}, {{fail_if_no_peer_cert, true}}]}}, {{client, [{files}]}}]."
    )
}

async fn refused(world: &World, target: Target) -> String {
    let node = world.open(target);
    let mut status = node.status();
    let mut wrong = None;
    let refused = status.wait_for(|status| {
        // the node may not listen yet
        if let Status::Down(down) = status
            && let Down::Connect(why) = &**down
        {
            let absent =
                matches!(why, ConnectError::Epmd(_) | ConnectError::Transport(TransportError::Connect(..)));
            wrong = (!absent).then(|| format!("{why:?}"));
        }
        wrong.is_some()
    });
    tokio::time::timeout(SOON, refused).await.expect("it is refused").unwrap();
    wrong.unwrap()
}

#[tokio::test]
async fn nodes_that_know_the_authority_connect() {
    let world = World::new().await;
    let authority = Authority::new();
    let _running = start(&world, "tls", &authority, "localhost");
    let mut target = world.target("tls");
    target.tls = Some(authority.identity(&authority));
    let node = world.open(target);
    up(&node).await;
    assert_eq!(erlang(&node, "node").await, Term::atom("tls@localhost"));
    let large = eval(&node, "binary:copy(<<7>>, 3000000)").await;
    assert_eq!(large.as_binary().unwrap().len(), 3_000_000);
}

#[tokio::test]
async fn wrong_certificates_are_refused_on_both_sides() {
    let world = World::new().await;
    let (authority, other) = (Authority::new(), Authority::new());
    let _running = start(&world, "strict", &authority, "localhost");
    let with = |identity| Target { tls: identity, ..world.target("strict") };
    let ours = refused(&world, with(Some(authority.identity(&other)))).await;
    assert!(ours.contains("AlertReceived"), "the node does not believe us: {ours}");
    let theirs = refused(&world, with(Some(other.identity(&other)))).await;
    assert!(theirs.contains("InvalidCertificate"), "we do not believe the node: {theirs}");
    let plain = refused(&world, with(None)).await;
    assert!(plain.contains("Handshake"), "without TLS: {plain}");
    let expecting = authority.identity(&authority).expecting("elsewhere").unwrap();
    let name = refused(&world, with(Some(expecting))).await;
    assert!(name.contains("NotValidForName"), "for another host: {name}");
}
