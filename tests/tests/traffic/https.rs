//! HTTPS by the daemon's settings, also after a reboot.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use api::app::App;
use api::deployment::Phase;
use jiff::Timestamp;
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use reqwest::{Client, StatusCode};
use testkit::wait::LONG;
use testkit::{HostPlan, TempHost, wait_for};

use crate::faults::reboot;

/// The name in the certificate.
const NAME: &str = "bellrock.test";

/// A host that speaks HTTPS too, the address of that, and the certificate.
async fn host() -> (TempHost, SocketAddr, CertifiedKey<KeyPair>) {
    let host = HostPlan::default().make().await;
    let made = generate_simple_self_signed([NAME.to_owned()]).unwrap();
    let (chain, key) = (host.path("etc/bellrock/chain.pem"), host.path("etc/bellrock/key.pem"));
    fs_err::write(&chain, made.cert.pem()).unwrap();
    fs_err::write(&key, made.signing_key.serialize_pem()).unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], host.ports(1)));
    let config = host.path("etc/bellrock/config.toml");
    let settings = fs_err::read_to_string(&config).unwrap();
    let https = format!(
        "[proxy]\nhttps = ['{address}']\ncertificates = [{{ chain = '{}', key = '{}' }}]\n",
        chain.display(),
        key.display()
    );
    fs_err::write(&config, settings.replace("[proxy]\n", &https)).unwrap();
    host.start_daemon().await;
    (host, address, made)
}

/// Believes in nobody but that certificate, and makes a connection for each request.
fn client(address: SocketAddr, made: &CertifiedKey<KeyPair>) -> Client {
    let root = reqwest::Certificate::from_pem(made.cert.pem().as_bytes()).unwrap();
    let client = Client::builder().tls_certs_only([root]).pool_max_idle_per_host(0);
    client.resolve(NAME, address).timeout(LONG).build().unwrap()
}

async fn page(client: &Client, address: SocketAddr) -> reqwest::Result<reqwest::Response> {
    client.get(format!("https://{NAME}:{}/", address.port())).send().await
}

/// When the first of its instances became ready.
fn first_ready(app: &App) -> Option<Timestamp> {
    app.instances.iter().filter_map(|instance| instance.ready_at).min()
}

#[tokio::test]
async fn https_is_served_and_after_a_reboot_requests_wait_for_the_first_instance() {
    let (host, address, made) = host().await;
    let client = client(address, &made);
    let app = host.app("beacon", "variables.WARMUP_MS = '3000'\nhold_timeout = '60 s'");
    app.deploy("beacon-base", Phase::Committed).await;
    assert_eq!(page(&client, address).await.unwrap().status(), StatusCode::OK);
    let plain = reqwest::get(format!("http://{}/", host.http())).await.unwrap();
    assert_eq!(plain.status(), StatusCode::OK, "and HTTP as before");

    reboot::goes_down(&host);
    assert!(page(&client, address).await.unwrap_err().is_connect(), "nobody listens");
    host.spawn_daemon();
    // who comes before the proxy listens is refused, as on every host; the first whom it takes is answered
    let (began, answer) = wait_for("the proxy listens", LONG * 2, async || {
        let began = SystemTime::now();
        match page(&client, address).await {
            Err(error) if error.is_connect() => None,
            answer => Some((began, answer)),
        }
    })
    .await;
    let answer = answer.unwrap();
    let status = answer.status();
    assert_eq!(status, StatusCode::OK, "{}", answer.text().await.unwrap());
    host.wait_until_ready().await;
    let state = app.wait_for("an instance is ready", |app| first_ready(app).is_some()).await;
    let ready = SystemTime::from(first_ready(&state).unwrap());
    let waited = ready.duration_since(began).expect("it came before any instance was ready");
    assert!(waited > Duration::from_secs(1), "{waited:?}: nothing was held");
}
