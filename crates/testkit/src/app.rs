//! An app of a temporary host.

use std::panic::Location;
use std::time::Duration;

use api::app::{App, Instance, InstanceState};
use api::change::Granted;
use api::deployment::{DeploymentDetail, Phase};
use api::variable::ChangeVariables;
use reqwest::StatusCode;

use crate::client::{Answer, Client, Upload};
use crate::config;
use crate::host::TempHost;
use crate::sample::sample;
use crate::wait::{LONG, wait_for};

/// Ports that an app has: `PORT` of at most five places in two slots.
pub const PORTS: u16 = 10;

/// An app with its settings file, by its name and its host.
#[derive(Debug)]
pub struct TestApp<'h> {
    /// The host that it is on.
    pub host: &'h TempHost,
    /// Its name, unique on this machine.
    pub name: String,
    /// `PORT` of place 1 in slot a.
    pub port: u16,
    /// The host's API.
    pub api: Client,
}

impl<'h> TestApp<'h> {
    pub(crate) fn new(host: &'h TempHost, base: &str, settings: &str) -> Self {
        let port = host.ports(PORTS);
        let app = TestApp { host, name: format!("{base}-{port}"), port, api: host.client() };
        app.write_settings(settings);
        app
    }

    /// Writes its settings file anew; `settings` are laid over the tests' own.
    ///
    /// # Panics
    /// When `settings` are not TOML.
    pub fn write_settings(&self, settings: &str) {
        let path = self.host.path("etc/bellrock/apps").join(format!("{}.toml", self.name));
        fs_err::write(path, config::app(self.port, settings)).expect("the folder is ours");
    }

    /// Uploads and deploys a sample.
    ///
    /// # Errors
    /// [`crate::ApiError`]
    pub async fn try_deploy(&self, name: &str) -> Answer<Granted> {
        self.api.deploy(&self.name, Upload::file(&sample(name).path)).await
    }

    /// Deploys a sample and waits until the deployment has ended, or `phase` was seen.
    ///
    /// # Panics
    /// When it is refused, or ends in another way than `phase`.
    #[track_caller]
    pub fn deploy(&self, name: &str, phase: Phase) -> impl Future<Output = DeploymentDetail> {
        let (name, caller) = (name.to_owned(), Location::caller());
        async move {
            let granted = self.try_deploy(&name).await;
            let granted = granted.unwrap_or_else(|error| panic!("deploy {name}: {error} ({caller})"));
            self.reach(granted, phase, caller).await
        }
    }

    /// Waits until a granted wish's deployment is in a phase; returns it with its log.
    ///
    /// # Panics
    /// When it ends in another way, or not in time.
    #[track_caller]
    pub fn ends(&self, granted: Granted, phase: Phase) -> impl Future<Output = DeploymentDetail> {
        self.reach(granted, phase, Location::caller())
    }

    async fn reach(
        &self,
        granted: Granted,
        phase: Phase,
        caller: &'static Location<'static>,
    ) -> DeploymentDetail {
        let id = granted.deployment.unwrap_or_else(|| panic!("no deployment came of it ({caller})"));
        let what = format!("deployment {id} of {} is {} ({caller})", self.name, phase.word());
        let detail = wait_for(what.clone(), LONG * 2, async || {
            self.host.check_daemon();
            let detail = self.api.deployment(id).await.ok()?;
            let now = detail.deployment.phase;
            (now == phase || now.is_over()).then_some(detail)
        })
        .await;
        let now = detail.deployment.phase;
        assert!(now == phase, "{what}: it is {}\n{}", now.word(), log(&detail));
        detail
    }

    /// Everything that is true of it now.
    ///
    /// # Panics
    /// When the daemon does not answer.
    pub async fn state(&self) -> App {
        self.api.app(&self.name).await.unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// Waits for a state that `look` is content with, and returns that.
    ///
    /// # Panics
    /// When it does not come within a minute.
    #[track_caller]
    pub fn wait_for(&self, what: &str, look: impl Fn(&App) -> bool) -> impl Future<Output = App> {
        wait_for(what, LONG, async move || {
            self.host.check_daemon();
            self.api.app(&self.name).await.ok().filter(|app| look(app))
        })
    }

    /// Its ready instances, by place.
    pub async fn ready(&self) -> Vec<Instance> {
        let mut instances = self.state().await.instances;
        instances.retain(|instance| instance.state == InstanceState::Ready);
        instances.sort_by_key(|instance| (instance.place, instance.instance));
        instances
    }

    /// The ready instance of a place.
    ///
    /// # Panics
    /// When there is none.
    pub async fn instance(&self, place: u16) -> Instance {
        let found = self.ready().await.into_iter().find(|instance| instance.place == place);
        found.unwrap_or_else(|| panic!("place {place} of {} has no ready instance", self.name))
    }

    /// Process ids of its ready instances, by place.
    pub async fn pids(&self) -> Vec<u32> {
        self.ready().await.into_iter().filter_map(|instance| instance.pid).collect()
    }

    /// Sets variables; `later` leaves the running instances alone.
    ///
    /// # Errors
    /// [`crate::ApiError`]
    pub async fn set(&self, name: &str, value: &str, later: bool) -> Answer<Granted> {
        let set = [(name.to_owned(), value.to_owned())].into();
        let changes = ChangeVariables { set, later, ..ChangeVariables::default() };
        self.api.change_variables(&self.name, &changes).await
    }

    /// What an instance in a place has in a variable, asked of the app itself; `None` when it has none.
    ///
    /// # Panics
    /// When the app does not answer.
    pub async fn variable(&self, place: u16, name: &str) -> Option<String> {
        let port = self.instance(place).await.port;
        let (status, body) = get(port, &format!("/env?name={name}")).await.unwrap_or_else(|error| {
            panic!("place {place} of {} does not answer: {error}", self.name);
        });
        (status == StatusCode::OK).then(|| body.trim_end().to_owned())
    }

    /// What the page `/` of a place says of itself.
    ///
    /// # Panics
    /// When the app does not answer with JSON.
    pub async fn page(&self, place: u16) -> serde_json::Value {
        let port = self.instance(place).await.port;
        let (status, body) = get(port, "/").await.unwrap_or_else(|error| panic!("port {port}: {error}"));
        assert_eq!(status, StatusCode::OK, "{body}");
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"))
    }
}

/// A deployment's log, for messages and assertions.
pub fn log(detail: &DeploymentDetail) -> String {
    let lines = detail.log.iter().map(|event| {
        let tail = event.log_tail.as_deref().map(|tail| format!("\n  | {}", tail.replace('\n', "\n  | ")));
        format!("{} {:?} {}{}", event.at, event.step, event.text, tail.unwrap_or_default())
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// GET of an instance's page.
///
/// # Errors
/// When there is no complete answer within ten seconds.
pub async fn get(port: u16, path: &str) -> Result<(StatusCode, String), String> {
    tokio::time::timeout(Duration::from_secs(10), get_now(port, path))
        .await
        .map_err(|_| "no answer within 10 s".to_owned())?
}

async fn get_now(port: u16, path: &str) -> Result<(StatusCode, String), String> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let failed = |error: std::io::Error| error.to_string();
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.map_err(failed)?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.map_err(failed)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.map_err(failed)?;
    parse(&String::from_utf8_lossy(&answer)).ok_or_else(|| "an incomplete answer".to_owned())
}

/// Status and body of a whole HTTP/1.0 answer; `None` when its body is shorter than it says.
fn parse(answer: &str) -> Option<(StatusCode, String)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    length.is_none_or(|length| body.len() >= length).then(|| (status, body.to_owned()))
}
