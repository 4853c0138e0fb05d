//! The daemon's API, typed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Once};
use std::time::Duration;

use api::about::Daemon;
use api::app::App;
use api::change::{
    BeginMaintenance, DeployVersion, Freeze, Granted, PackageOptions, Pause, Pin, Restart, Scale, SetMode,
};
use api::deployment::{Deployment, DeploymentDetail};
use api::event::Event;
use api::exit::Exit;
use api::problem::Problem;
use api::routes::Routes;
use api::settings::{SettingsText, SettingsVerdict};
use api::variable::{ChangeVariables, Variables};
use api::version::{Ghost, Version, VersionDetail};
use api::way::Way;
use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Longest that the daemon may take to answer.
const ANSWER: Duration = Duration::from_secs(60);

/// Why there is no answer, or not the wanted one.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The daemon refused.
    #[error("{}: {}", .0.slug(), .0.detail)]
    Refused(Problem),
    /// The daemon could not be asked.
    #[error("could not ask the daemon: {0:?}")]
    Unreachable(#[from] reqwest::Error),
}

impl ApiError {
    /// The problem.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn problem(self) -> Problem {
        match self {
            ApiError::Refused(problem) => problem,
            error @ ApiError::Unreachable(_) => panic!("{error}"),
        }
    }
}

/// An answer, or why there is none.
pub type Answer<T> = Result<T, ApiError>;

/// A package to be deployed, with what goes with it.
#[derive(Debug, Clone, Default)]
pub struct Upload {
    /// The package.
    pub bytes: Vec<u8>,
    /// The file's name, which must agree with the version inside.
    pub file_name: Option<String>,
    /// `--settings`
    pub settings: Option<String>,
    /// `--meta`
    pub meta: BTreeMap<String, String>,
    /// `--build-log`
    pub build_log: Option<String>,
    /// `--hot`, `--full`, `--auto`
    pub way: Option<Way>,
}

impl Upload {
    /// A package in a file, under its own name.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn file(path: &Path) -> Self {
        let bytes = fs_err::read(path).unwrap_or_else(|error| panic!("{error}"));
        let file_name = path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        Upload { bytes, file_name, ..Upload::default() }
    }

    /// The same with settings.
    #[must_use]
    pub fn settings(self, toml: &str) -> Self {
        Upload { settings: Some(toml.to_owned()), ..self }
    }

    fn form(self) -> Form {
        let options = PackageOptions {
            settings: self.settings,
            meta: self.meta,
            way: self.way,
            ..PackageOptions::default()
        };
        let mut form =
            Form::new().text("options", serde_json::to_string(&options).expect("it is plain data"));
        if let Some(log) = self.build_log {
            form = form.text("build_log", log);
        }
        let part = Part::bytes(self.bytes);
        form.part(
            "package",
            match self.file_name {
                Some(name) => part.file_name(name),
                None => part,
            },
        )
    }
}

/// A client of one daemon; it survives the daemon's restarts.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    /// Open for the socket's name: a root may be longer than a socket's address.
    _run: Arc<File>,
}

impl Client {
    /// A client of the daemon whose socket is in the folder `run`, which exists.
    ///
    /// # Panics
    /// When the folder is not there.
    pub fn new(run: &Path) -> Self {
        install_crypto();
        let folder = fs_err::File::open(run).unwrap_or_else(|error| panic!("{error}")).into_parts().0;
        let number = std::os::fd::AsRawFd::as_raw_fd(&folder);
        let socket = format!("/proc/self/fd/{number}/api.sock");
        let http = reqwest::Client::builder()
            .unix_socket(socket.as_str())
            // A kept connection would be one to a daemon that has been killed since.
            .pool_max_idle_per_host(0)
            .timeout(ANSWER)
            .build()
            .expect("a client without TLS can be built");
        Client { http, _run: Arc::new(folder) }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("http://bellrockd{path}"))
    }

    async fn bytes(&self, request: RequestBuilder) -> Answer<Vec<u8>> {
        let response = request.send().await?;
        let status = response.status();
        let body = response.bytes().await?;
        if status.is_success() {
            return Ok(body.to_vec());
        }
        Err(ApiError::Refused(problem(status, &body)))
    }

    async fn send<T: DeserializeOwned>(&self, request: RequestBuilder) -> Answer<T> {
        let body = self.bytes(request).await?;
        let told = || format!("not what the API promises: {}", String::from_utf8_lossy(&body));
        Ok(serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{error}; {}", told())))
    }

    /// Asks for anything.
    ///
    /// # Errors
    /// [`ApiError`], as for all others here.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Answer<T> {
        self.send(self.request(Method::GET, path)).await
    }

    async fn change<T: Serialize>(&self, method: Method, path: &str, body: &T) -> Answer<Granted> {
        self.send(self.request(method, path).json(body)).await
    }

    /// The daemon itself.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn daemon(&self) -> Answer<Daemon> {
        self.get("/v1/daemon").await
    }

    /// Every app.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn apps(&self) -> Answer<Vec<App>> {
        self.get("/v1/apps").await
    }

    /// One app.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn app(&self, app: &str) -> Answer<App> {
        self.get(&format!("/v1/apps/{app}")).await
    }

    /// What the proxy serves where.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn routes(&self) -> Answer<Routes> {
        self.get("/v1/routes").await
    }

    /// Exits that nobody asked for, newest first.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn exits(&self, app: &str) -> Answer<Vec<Exit>> {
        self.get(&format!("/v1/apps/{app}/exits?most=1000")).await
    }

    /// Versions, newest first.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn versions(&self, app: &str) -> Answer<Vec<Version>> {
        self.get(&format!("/v1/apps/{app}/versions")).await
    }

    /// One version.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn version(&self, app: &str, version: &str) -> Answer<VersionDetail> {
        self.get(&format!("/v1/apps/{app}/versions/{}", escape(version))).await
    }

    /// A version's package.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn download(&self, app: &str, version: &str) -> Answer<Vec<u8>> {
        self.bytes(self.request(Method::GET, &format!("/v1/apps/{app}/versions/{}/package", escape(version))))
            .await
    }

    /// A version's build log.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn build_log(&self, app: &str, version: &str) -> Answer<String> {
        let path = format!("/v1/apps/{app}/versions/{}/build-log", escape(version));
        Ok(String::from_utf8_lossy(&self.bytes(self.request(Method::GET, &path)).await?).into_owned())
    }

    /// Deletes a version.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn delete(&self, app: &str, version: &str) -> Answer<Granted> {
        self.send(self.request(Method::DELETE, &format!("/v1/apps/{app}/versions/{}", escape(version)))).await
    }

    /// Keeps a version, or no longer.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn pin(&self, app: &str, version: &str, pinned: bool) -> Answer<Granted> {
        let path = format!("/v1/apps/{app}/versions/{}/pin", escape(version));
        self.change(Method::PUT, &path, &Pin { pinned }).await
    }

    /// Uploads and deploys a package.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn deploy(&self, app: &str, upload: Upload) -> Answer<Granted> {
        let request = self.request(Method::POST, &format!("/v1/apps/{app}/packages"));
        self.send(request.multipart(upload.form())).await
    }

    /// Deploys a registered version.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn activate(&self, app: &str, version: &str) -> Answer<Granted> {
        let body =
            DeployVersion { version: version.to_owned(), settings: None, way: None, force: BTreeSet::new() };
        self.change(Method::POST, &format!("/v1/apps/{app}/deployments"), &body).await
    }

    /// Ends the running deployment's canary for the new version.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn promote(&self, app: &str) -> Answer<Granted> {
        self.send(self.request(Method::POST, &format!("/v1/apps/{app}/promote"))).await
    }

    /// Lets its requests wait, for so long at most.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn pause(&self, app: &str, within: Duration) -> Answer<Granted> {
        let body = Pause { for_ms: u64::try_from(within.as_millis()).expect("it is short") };
        self.change(Method::POST, &format!("/v1/apps/{app}/pause"), &body).await
    }

    /// Lets them go on.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn resume(&self, app: &str) -> Answer<Granted> {
        self.send(self.request(Method::POST, &format!("/v1/apps/{app}/resume"))).await
    }

    /// Answers its requests with a page, or serves them again.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn maintenance(&self, app: &str, begins: bool) -> Answer<Granted> {
        let path = format!("/v1/apps/{app}/maintenance");
        match begins {
            true => self.change(Method::PUT, &path, &BeginMaintenance::default()).await,
            false => self.send(self.request(Method::DELETE, &path)).await,
        }
    }

    /// Has its deployments refused, or no more.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn freeze(&self, app: &str, begins: bool) -> Answer<Granted> {
        let path = format!("/v1/apps/{app}/freeze");
        match begins {
            true => {
                let body = Freeze { reason: "the sale".into(), until: None };
                self.change(Method::PUT, &path, &body).await
            }
            false => self.send(self.request(Method::DELETE, &path)).await,
        }
    }

    /// Goes back to the version before the active one.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn rollback(&self, app: &str) -> Answer<Granted> {
        self.send(self.request(Method::POST, &format!("/v1/apps/{app}/rollback"))).await
    }

    /// Fresh instances, in one place or all.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn restart(&self, app: &str, place: Option<u16>) -> Answer<Granted> {
        self.change(Method::POST, &format!("/v1/apps/{app}/restart"), &Restart { place }).await
    }

    /// Stops all instances.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn stop(&self, app: &str) -> Answer<Granted> {
        self.send(self.request(Method::POST, &format!("/v1/apps/{app}/stop"))).await
    }

    /// Starts what was stopped.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn start(&self, app: &str) -> Answer<Granted> {
        self.send(self.request(Method::POST, &format!("/v1/apps/{app}/start"))).await
    }

    /// Another number of places.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn scale(&self, app: &str, replicas: u16) -> Answer<Granted> {
        self.change(Method::PUT, &format!("/v1/apps/{app}/scale"), &Scale { replicas }).await
    }

    /// Follows the store, or stays on a version.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn mode(&self, app: &str, mode: &SetMode) -> Answer<Granted> {
        self.change(Method::PUT, &format!("/v1/apps/{app}/mode"), mode).await
    }

    /// Variables of the active version.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn variables(&self, app: &str) -> Answer<Variables> {
        self.get(&format!("/v1/apps/{app}/env")).await
    }

    /// Changes variables.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn change_variables(&self, app: &str, changes: &ChangeVariables) -> Answer<Granted> {
        self.change(Method::PATCH, &format!("/v1/apps/{app}/env"), changes).await
    }

    /// Ghosted versions.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn ghosts(&self, app: &str) -> Answer<Vec<Ghost>> {
        self.get(&format!("/v1/apps/{app}/ghosts")).await
    }

    /// Clears a ghost.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn clear_ghost(&self, app: &str, version: &str) -> Answer<Granted> {
        self.send(self.request(Method::DELETE, &format!("/v1/apps/{app}/ghosts/{}", escape(version)))).await
    }

    /// Deployments of an app, newest first.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn deployments(&self, app: &str) -> Answer<Vec<Deployment>> {
        self.get(&format!("/v1/deployments?app={app}&most=1000")).await
    }

    /// One deployment with its log.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn deployment(&self, id: u64) -> Answer<DeploymentDetail> {
        self.get(&format!("/v1/deployments/{id}")).await
    }

    /// Gives a deployment up.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn cancel(&self, id: u64) -> Answer<Granted> {
        self.send(self.request(Method::POST, &format!("/v1/deployments/{id}/cancel"))).await
    }

    /// Events of an app, oldest first.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn events(&self, app: &str) -> Answer<Vec<Event>> {
        self.get(&format!("/v1/events?app={app}&most=10000")).await
    }

    /// Checks settings as they would be used.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn check_settings(&self, app: &str, toml: &str) -> Answer<SettingsVerdict> {
        let body = SettingsText { app: app.to_owned(), toml: toml.to_owned() };
        self.send(self.request(Method::POST, "/v1/config/check").json(&body)).await
    }
}

fn problem(status: StatusCode, body: &[u8]) -> Problem {
    serde_json::from_slice(body).unwrap_or_else(|_| {
        panic!("{status} without problem details: {}", String::from_utf8_lossy(body));
    })
}

/// A version in a path: whatever is not plain is escaped.
fn escape(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    text.bytes()
        .map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// rustls wants to be told whose cryptography it uses, once per process.
fn install_crypto() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Somebody else's choice is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
