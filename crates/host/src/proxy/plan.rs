//! What the proxy of this host shall be: program, addresses, user, and how many files it may open.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use model::settings::{CertificateFiles, HostSettings, LogSettings, ProxySettings};
use rustix::process::{Resource, getrlimit};
use wire::proxy::{AccessLog, Front};
use wire::shim::{Kind, Listen, LogFile, Owner, RestartMode, RestartPolicy, Start};

use super::number::Number;
use super::wish::log_format;
use crate::paths::Paths;
use crate::users::{self, Account, UserError};

/// How long the proxy may take to end what is in flight when it is told to stop.
pub(crate) const STOP: Duration = Duration::from_secs(35);

/// What the proxy shall be.
#[derive(Debug, Clone)]
pub struct ProxyPlan {
    /// The program `bellrock-proxy`.
    pub program: PathBuf,
    /// Addresses where HTTP is spoken.
    pub http: Vec<SocketAddr>,
    /// Addresses where TLS is spoken.
    pub https: Vec<SocketAddr>,
    /// What it serves TLS with.
    pub certificates: Vec<CertificateFiles>,
    /// Whom it runs as; `None`: as the daemon.
    pub account: Option<Account>,
    /// Rotation of its log.
    pub log: LogSettings,
    /// What holds for connections before their route is known.
    pub front: Front,
    /// How many files it may open at most, for its shim has that from us; `None`: any number.
    pub open_files: Option<u64>,
}

impl ProxyPlan {
    /// What the host's settings say; `None`: no address is set, so there shall be no proxy. May ask a directory over
    /// the network: it blocks.
    ///
    /// # Errors
    /// When its user cannot be used.
    pub fn of(settings: &HostSettings, program: PathBuf, paths: &Paths) -> Result<Option<Self>, UserError> {
        let proxy = &settings.proxy;
        if !proxy.is_on() {
            return Ok(None);
        }
        // Without a name it runs as the daemon: unlike an app it is no stranger's program.
        let account = match &proxy.user {
            Some(user) => users::account(Some(user), None)?,
            None => None,
        };
        Ok(Some(ProxyPlan {
            program,
            http: proxy.http.clone(),
            https: proxy.https.clone(),
            certificates: proxy.certificates.clone(),
            account,
            log: settings.log.clone(),
            front: Front { access_log: access_log(settings, paths), ..front(proxy) },
            open_files: getrlimit(Resource::Nofile).maximum,
        }))
    }

    /// What its shim is told: it is up again within a moment however often it dies.
    pub(crate) fn start(&self, paths: &Paths, number: Number) -> Start {
        Start {
            id: number.shim_id().to_string(),
            kind: Kind::Service,
            argv: self.arguments(paths, number),
            cwd: "/".into(),
            owner: self.account.as_ref().map(|it| Owner {
                uid: it.uid,
                gid: it.gid,
                groups: it.groups.clone(),
            }),
            no_new_privs: true,
            stdout: self.log_file(paths.proxy_log("stdout")),
            stderr: self.log_file(paths.proxy_log("stderr")),
            restart: RestartPolicy {
                mode: RestartMode::Always,
                step_ms: 20,
                cap_ms: 1_000,
                reset_after_ms: 1_000,
            },
            stop_timeout_ms: ms(STOP),
            listen: self.addresses().map(|it| Listen { address: it.to_string(), backlog: 0 }).collect(),
            ..Start::default()
        }
    }

    /// What a running proxy cannot be given: with another one of these it is replaced.
    pub(crate) fn frame(&self, paths: &Paths, number: Number) -> String {
        let Start { argv, listen, owner, .. } = self.start(paths, number);
        let argv = argv.iter().map(|word| format!("argument {word:?}\n"));
        let listen = listen.iter().map(|it| format!("listen {}\n", it.address));
        let owner = owner.map(|it| format!("user {} {} {:?}\n", it.uid, it.gid, it.groups));
        // A shim outlives the daemon whose limit it has, and whoever raised it does not reach the proxy otherwise.
        let open_files = self.open_files.map(|most| format!("open files {most}\n"));
        argv.chain(listen).chain(owner).chain(open_files).collect()
    }

    /// Tells one program from another that has taken its place; programs are replaced by rename.
    pub(crate) fn program_identity(&self) -> std::io::Result<String> {
        let file = fs_err::metadata(&self.program)?;
        let changed = (file.mtime(), file.mtime_nsec());
        Ok(format!("{} {} {} {}.{}", file.dev(), file.ino(), file.len(), changed.0, changed.1))
    }

    fn addresses(&self) -> impl Iterator<Item = &SocketAddr> {
        self.http.iter().chain(&self.https)
    }

    fn arguments(&self, paths: &Paths, number: Number) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec![
            self.program.clone().into(),
            "--run".into(),
            number.run_folder(paths).into(),
            "--state".into(),
            paths.proxy_state().into(),
        ];
        for index in self.http.len()..self.addresses().count() {
            words.extend(["--listen-tls".into(), index.to_string().into()]);
        }
        words
    }

    fn log_file(&self, path: PathBuf) -> LogFile {
        LogFile {
            path,
            max_bytes: self.log.max_size.bytes(),
            max_age_ms: ms(self.log.max_age),
            keep: self.log.keep,
        }
    }
}

fn access_log(settings: &HostSettings, paths: &Paths) -> AccessLog {
    AccessLog {
        path: paths.access_log().to_string_lossy().into_owned(),
        format: log_format(settings.proxy.access_log),
        max_bytes: settings.log.max_size.bytes(),
        max_age_ms: ms(settings.log.max_age),
        keep: settings.log.keep,
    }
}

fn front(proxy: &ProxySettings) -> Front {
    Front {
        max_header_bytes: proxy.header_size.bytes(),
        header_timeout_ms: ms(proxy.header_timeout),
        idle_timeout_ms: ms(proxy.idle_timeout),
        max_connections: proxy.max_connections.into(),
        proxy_protocol: proxy.proxy_protocol.iter().map(ToString::to_string).collect(),
        http1_only: !proxy.http2,
        trusted_proxies: proxy.trusted.iter().map(ToString::to_string).collect(),
        ..Front::default()
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
