//! What this host knows of an app's instances: where their trees, settings, users, ports and variables are.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use model::app::{App, Instance, Target};
use model::settings::{AppSettings, Distribution, HostSettings, Strategy};
use model::{AppName, Place, Slot};
use package::durable::write_whole;
use package::runtime::{self, RuntimeError};
use package::tree::{Unpacked, VerifyError, open_version};
use package::{Facts, HostPlatform};
use tokio::time::Instant;

use crate::certificates::{Certificates, CertificatesError};
use crate::checks::{Confinement, ProbeTarget};
use crate::configuration::SysConfigError;
use crate::environment::{self, Environment, EnvironmentError, Standing};
use crate::paths::Paths;
use crate::tls_fitness::Unfit;
use crate::users::{self, Account, UserError};
use crate::{clock, usage};

/// Why something about an instance could not be told.
#[derive(Debug, thiserror::Error)]
pub enum SiteError {
    /// The version is not known any more.
    #[error("its version is not registered any more")]
    NoVersion,
    /// The unpacked version cannot be used.
    #[error("the unpacked version cannot be used")]
    Unpacked(#[from] VerifyError),
    /// Another package is unpacked where the version should be.
    #[error("{path} holds another package, with the digest {found} instead of {registered}")]
    OtherPackage {
        /// The version's folder.
        path: PathBuf,
        /// Digest of the package there.
        found: String,
        /// Digest of the registered package.
        registered: String,
    },
    /// The runtime cannot be used.
    #[error("no Erlang runtime for it")]
    Runtime(#[from] RuntimeError),
    /// The user cannot be used.
    #[error(transparent)]
    User(#[from] UserError),
    /// The environment cannot be built.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// The cookie cannot be had.
    #[error("could not read or make the app's cookie")]
    Cookie(#[source] std::io::Error),
    /// What a node needs in its tree could not be written.
    #[error("could not write {path}")]
    PrivateFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// What its node needs for TLS cannot be had.
    #[error(transparent)]
    Certificates(#[from] CertificatesError),
    /// Its node cannot speak TLS.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// What its settings name as `sys.config` cannot be used.
    #[error(transparent)]
    SysConfig(#[from] SysConfigError),
    /// It cannot be started as its settings say.
    #[error(transparent)]
    Start(#[from] crate::start::StartError),
}

/// This host, as far as instances are concerned.
#[derive(Debug)]
pub struct Site {
    /// Every path.
    pub paths: Paths,
    /// The host's settings.
    pub settings: HostSettings,
    /// Architecture and C library.
    pub platform: HostPlatform,
    /// Host part of node names.
    pub node_host: String,
    /// For distribution over TLS.
    pub certificates: Arc<Certificates>,
}

impl Site {
    /// The unpacked version of a target; never another package that lies in its place.
    ///
    /// # Errors
    /// [`SiteError`].
    pub fn unpacked(&self, app: &App, target: Target) -> Result<Unpacked, SiteError> {
        let version = app.version(target.version).ok_or(SiteError::NoVersion)?;
        let path = self.paths.version(&app.name, &version.label);
        let unpacked = open_version(&path)?;
        let found = unpacked.digest.to_string();
        if found != version.digest {
            return Err(SiteError::OtherPackage { path, found, registered: version.digest.clone() });
        }
        Ok(unpacked)
    }

    /// What a target's package is, without reading more than once what is unpacked.
    ///
    /// # Errors
    /// [`SiteError`].
    pub fn facts(&self, app: &App, target: Target) -> Result<Arc<Facts>, SiteError> {
        let version = app.version(target.version).ok_or(SiteError::NoVersion)?;
        let folder = self.paths.version(&app.name, &version.label);
        crate::versions::facts(&folder, &version.digest, || self.unpacked(app, target))
    }

    /// Whom an app runs as; `None`: as the daemon. May ask a directory over the network: it blocks.
    ///
    /// # Errors
    /// [`SiteError::User`].
    pub fn account(&self, settings: &AppSettings) -> Result<Option<Account>, SiteError> {
        let (user, group) = match &settings.user {
            Some(user) => (Some(user), settings.group.as_ref()),
            None => (
                self.settings.app_user.as_ref(),
                settings.group.as_ref().or(self.settings.app_group.as_ref()),
            ),
        };
        // The host's app_user is what root must not be: another daemon's user runs its apps itself.
        if settings.user.is_none() && !nix::unistd::geteuid().is_root() {
            return Ok(None);
        }
        Ok(users::account(user.map(String::as_str), group.map(String::as_str))?)
    }

    /// The folder with the runtime's `erl`, for a package without one.
    ///
    /// # Errors
    /// [`SiteError::Runtime`].
    pub fn runtime_bin(
        &self,
        unpacked: &Unpacked,
        settings: &AppSettings,
    ) -> Result<Option<PathBuf>, SiteError> {
        self.runtime_for(&unpacked.facts, settings)
    }

    fn runtime_for(&self, facts: &Facts, settings: &AppSettings) -> Result<Option<PathBuf>, SiteError> {
        Ok(runtime::for_package(facts, settings.runtime.as_deref())?.map(|runtime| runtime.bin))
    }

    /// The environment of an instance, or of a command that runs as if it were one.
    ///
    /// # Errors
    /// [`SiteError`].
    pub fn environment(
        &self,
        app: &App,
        target: Target,
        place: Place,
        slot: Slot,
        tree: &Path,
    ) -> Result<Environment, SiteError> {
        let facts = self.facts(app, target)?;
        let revision = app.revision(target).ok_or(SiteError::NoVersion)?;
        let runtime_bin = self.runtime_for(&facts, &revision.settings)?;
        let cookie = self.cookie(&app.name, &revision.settings)?;
        let version = app.label(target);
        let standing =
            Standing { app: &app.name, version: &version, place, slot, node_host: &self.node_host };
        let mut environment = environment::of_instance(
            standing,
            &revision.settings,
            &revision.variables,
            &facts,
            tree,
            runtime_bin.as_deref(),
            &cookie,
        )?;
        if revision.settings.strategy == Strategy::Member {
            environment.insert("BELLROCK_DATA".into(), self.paths.data(&app.name, place).into());
        }
        if revision.settings.distribution == Distribution::Tls {
            environment::speak_tls(&mut environment, &self.paths.distribution_options(&app.name));
        }
        Ok(environment)
    }

    /// Writes what a node needs beside its environment: the cookie into its tree, its app's certificate for TLS beside
    /// the others; for the app's user alone.
    ///
    /// # Errors
    /// [`SiteError::Cookie`]; [`SiteError::PrivateFile`]; [`SiteError::Certificates`].
    pub fn write_private_files(
        &self,
        app: &AppName,
        settings: &AppSettings,
        tree: &Path,
        account: Option<&Account>,
    ) -> Result<(), SiteError> {
        let owner = account.map(|it| (it.uid, it.gid));
        for (name, text) in self.private_files(app, settings)? {
            let path = tree.join(name);
            write_whole(&path, text.as_bytes(), 0o400, owner)
                .map_err(|source| SiteError::PrivateFile { path, source })?;
        }
        self.provide_certificate(app, settings, account)
    }

    /// Provides an app with what its nodes need for TLS, where they speak it.
    ///
    /// # Errors
    /// [`SiteError::Certificates`].
    pub fn provide_certificate(
        &self,
        app: &AppName,
        settings: &AppSettings,
        account: Option<&Account>,
    ) -> Result<(), SiteError> {
        if settings.distribution == Distribution::Tls {
            let owner = account.map(|it| (it.uid, it.gid));
            self.certificates.provide(app, owner, clock::now())?;
        }
        Ok(())
    }

    /// What a node needs in its tree, as paths there with their contents.
    ///
    /// # Errors
    /// [`SiteError::Cookie`].
    pub fn private_files(
        &self,
        app: &AppName,
        settings: &AppSettings,
    ) -> Result<Vec<(&'static str, String)>, SiteError> {
        let cookie = self.cookie(app, settings)?;
        Ok(environment::private_files(settings, &self.node_host, &cookie))
    }

    /// The cookie of an app with these settings, made the first time. It reads a file: it blocks.
    ///
    /// # Errors
    /// [`SiteError::Cookie`].
    pub fn cookie(&self, app: &AppName, settings: &AppSettings) -> Result<String, SiteError> {
        crate::cookie::read_or_make(&self.cookie_file(app, settings)).map_err(SiteError::Cookie)
    }

    /// Where that is kept: apps of one mesh have one.
    pub fn cookie_file(&self, app: &AppName, settings: &AppSettings) -> PathBuf {
        match &settings.mesh.name {
            Some(mesh) => self.paths.mesh_cookie(mesh),
            None => self.paths.cookie(app),
        }
    }

    /// The ports of a place and slot by the name of their variable.
    ///
    /// # Errors
    /// [`SiteError`].
    pub fn ports(
        &self,
        app: &App,
        target: Target,
        place: Place,
        slot: Slot,
    ) -> Result<Vec<(String, u16)>, SiteError> {
        let revision = app.revision(target).ok_or(SiteError::NoVersion)?;
        let standing = Standing { app: &app.name, version: "", place, slot, node_host: &self.node_host };
        Ok(standing.ports(&revision.settings)?)
    }

    /// What a check of an instance needs. Reads files and asks for the app's user: it blocks.
    ///
    /// # Errors
    /// [`SiteError`].
    pub fn probe_target(&self, app: &App, instance: &Instance) -> Result<ProbeTarget, SiteError> {
        let tree = self.tree(&app.name, instance);
        let revision = app.revision(instance.target).ok_or(SiteError::NoVersion)?;
        Ok(ProbeTarget {
            app: app.name.clone(),
            instance: instance.id,
            ports: self.ports(app, instance.target, instance.place, instance.slot)?,
            environment: self.environment(app, instance.target, instance.place, instance.slot, &tree)?,
            confinement: Confinement::new(self.account(&revision.settings)?, &revision.settings),
            tree,
            up_since: up_since(instance),
            pid: instance.pid,
        })
    }

    /// An instance's tree: of what it was laid out as, or of the version that it has become while it ran.
    pub fn tree(&self, app: &AppName, instance: &Instance) -> PathBuf {
        let (place, id, version) = (instance.place, instance.id, instance.target.version);
        match instance.born {
            None => self.paths.tree(app, place, id),
            Some(_) => self.paths.later_tree(app, place, id, version),
        }
    }

    /// Whether an instance's node has its name, which it registers with epmd.
    pub fn is_named(&self, app: &App, instance: &Instance) -> bool {
        let revision = app.revision(instance.target);
        revision.is_some_and(|it| it.settings.distribution != Distribution::Off)
    }

    /// Name of an instance's Erlang node, where it has one.
    pub fn node(&self, app: &AppName, instance: &Instance) -> String {
        let (place, slot) = (instance.place, instance.slot);
        Standing { app, version: "", place, slot, node_host: &self.node_host }.node()
    }
}

/// When an instance's run began. The kernel knows how old its process is; without one the state's word is all there is,
/// which the wall's clock may have been set since.
fn up_since(instance: &Instance) -> Instant {
    let told = instance.up_since.unwrap_or(instance.created_at);
    let by_state = || Duration::try_from(clock::now().duration_since(told)).unwrap_or_default();
    let up_for = instance.pid.and_then(usage::age).unwrap_or_else(by_state);
    let now = Instant::now();
    now.checked_sub(up_for).unwrap_or(now)
}

/// The host part of node names: as the settings say, else the host's short name.
pub fn node_host(settings: &HostSettings) -> String {
    let own = || {
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        name.split('.').next().unwrap_or("localhost").to_owned()
    };
    settings.node_host.clone().unwrap_or_else(own)
}
