//! Taking packages: from an upload or from the store into our own keeping, unpacked, recognised, registered.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::Unreached;
use host::site::Site;
use model::app::{Command, Event, NewVersion, NotTaken, Origin, Refused};
use model::settings::{AppLayer, AppSettings, PreCommand, Source};
use model::{AppName, VersionLabel};
use package::tree::{Unpacked, install_version, remove_tree};
use package::{Facts, Limits, Sha256Digest};
use tracing::warn;

use crate::control::{Accepted, Arrival, Control, WishError};

/// A package in our keeping that is not registered yet.
struct Taken {
    app: AppName,
    label: VersionLabel,
    digest: Sha256Digest,
    size_bytes: u64,
    facts: Facts,
}

/// What the store says about a package beyond its name.
#[derive(Debug, Clone, Default)]
pub struct Announced {
    /// The digest that it must have.
    pub digest: Option<Sha256Digest>,
    /// The version that it must be.
    pub version: Option<VersionLabel>,
    /// Commands to be run before its first start.
    pub pre_commands: Vec<PreCommand>,
}

impl Control {
    /// Takes an uploaded package and deploys it. `app` is the name that the operator gave; else the package's own.
    ///
    /// # Errors
    /// [`WishError`]; nothing of the package is left then.
    pub async fn take_package(
        self: &Arc<Self>,
        app: Option<&AppName>,
        arrival: Arrival,
        by: Origin,
    ) -> Result<(AppName, Accepted), WishError> {
        self.take_announced(app, arrival, Announced::default(), by).await
    }

    /// The same for a package that somebody announced.
    ///
    /// # Errors
    /// [`WishError`]; nothing of the package is left then.
    pub async fn take_announced(
        self: &Arc<Self>,
        app: Option<&AppName>,
        arrival: Arrival,
        announced: Announced,
        by: Origin,
    ) -> Result<(AppName, Accepted), WishError> {
        let path = arrival.path.clone();
        let taken = self.try_take(app, arrival, announced, by).await;
        let _ = fs_err::remove_file(&path);
        taken
    }

    async fn try_take(
        self: &Arc<Self>,
        app: Option<&AppName>,
        arrival: Arrival,
        announced: Announced,
        by: Origin,
    ) -> Result<(AppName, Accepted), WishError> {
        let taken = self.keep(app, &arrival, &announced).await?;
        let (app, label) = (taken.app.clone(), taken.label.clone());
        let registered = self.register(taken, arrival, announced, by).await;
        if registered.is_err() && !self.is_registered(&app, &label) {
            let folders = [self.paths.version(&app, &label), self.paths.papers(&app, &label)];
            for folder in folders {
                if let Err(error) = remove_tree(&folder) {
                    warn!(folder = %folder.display(), %error, "could not remove what a refused package left");
                }
            }
        }
        registered.map(|accepted| (app, accepted))
    }

    fn is_registered(&self, app: &AppName, label: &VersionLabel) -> bool {
        self.app(app).is_ok_and(|app| app.version_called(label).is_some())
    }

    /// Unpacks the package beside the versions, asks what it is, and moves both to where they belong.
    async fn keep(
        &self,
        app: Option<&AppName>,
        arrival: &Arrival,
        announced: &Announced,
    ) -> Result<Taken, WishError> {
        let (site, packed) = (self.site.clone(), arrival.path.clone());
        let (hint, expected) = (arrival.file_name.clone(), announced.digest);
        let unpacked = tokio::task::spawn_blocking(move || {
            unpack_aside(&site, &packed, expected.as_ref(), hint.as_deref())
        });
        let unpacked = unpacked.await.map_err(|error| WishError::Host(error.to_string()))??;
        let kept = self.place(app, arrival, announced, &unpacked);
        if kept.is_err() {
            let _ = remove_tree(&unpacked.path);
        }
        kept
    }

    fn place(
        &self,
        app: Option<&AppName>,
        arrival: &Arrival,
        announced: &Announced,
        unpacked: &Unpacked,
    ) -> Result<Taken, WishError> {
        let facts = unpacked.facts.clone();
        let app = match app {
            Some(app) => app.clone(),
            None => facts
                .release_name
                .parse()
                .map_err(|error| WishError::Package(format!("{error}; name the app yourself")))?,
        };
        let label: VersionLabel = facts
            .version
            .parse()
            .map_err(|error| WishError::Package(format!("the package's version: {error}")))?;
        if let Some(version) = announced.version.as_ref().filter(|version| **version != label) {
            return Err(WishError::Package(format!(
                "the store names version {version}, but the package is version {label}"
            )));
        }
        if let Some(known) = self.app(&app).ok().as_ref().and_then(|app| app.version_called(&label))
            && known.digest != unpacked.digest.to_string()
        {
            let refused = Refused::OtherPackage { version: label, registered: known.digest.clone() };
            return Err(refused.into());
        }
        let size_bytes = fs_err::metadata(&arrival.path).map_err(host)?.len();
        move_into_place(&unpacked.path, &self.paths.version(&app, &label))?;
        let package = self.paths.package(&app, &label);
        fs_err::create_dir_all(self.paths.papers(&app, &label)).map_err(host)?;
        fs_err::rename(&arrival.path, &package).map_err(host)?;
        if let Some(log) = &arrival.build_log {
            fs_err::write(self.paths.papers(&app, &label).join("build.log"), log).map_err(host)?;
        }
        Ok(Taken { app, label, digest: unpacked.digest, size_bytes, facts })
    }

    async fn register(
        self: &Arc<Self>,
        taken: Taken,
        arrival: Arrival,
        announced: Announced,
        by: Origin,
    ) -> Result<Accepted, WishError> {
        let settings =
            self.merge_settings(&taken.app, taken.facts.settings.as_deref(), arrival.settings.as_deref())?;
        let handle = self.app_or_new(&taken.app).await?;
        let deployment = self.journal.next_deployment(&taken.app).await?;
        let version = NewVersion {
            label: taken.label,
            digest: taken.digest.to_string(),
            size_bytes: taken.size_bytes,
            settings,
            meta: arrival.meta,
            pre_commands: announced.pre_commands,
        };
        let command = Command::Deploy { version: Box::new(version), deployment };
        handle.tell(Event::Command { command, by }).await.map_err(|error| match error {
            Unreached::NotTaken(NotTaken::Refused(refused)) => WishError::Refused(refused),
            other => WishError::Host(other.to_string()),
        })?;
        Ok(Accepted { deployment: Some(deployment), app: handle.snapshot() })
    }

    /// The merged settings of an app: the package's own, the host's files as they are now, what the command says.
    fn merge_settings(
        &self,
        app: &AppName,
        package: Option<&str>,
        command: Option<&str>,
    ) -> Result<AppSettings, WishError> {
        let problems = |error: model::settings::Problems| WishError::Settings(error.to_string());
        let config = self.settings_files.load()?;
        let package =
            package.map(|text| AppLayer::parse_package(&Source::new("bellrock.toml of the package", text)));
        let command = command.map(|text| AppLayer::parse(&Source::new("--settings", text)));
        let (package, command) =
            (package.transpose().map_err(problems)?, command.transpose().map_err(problems)?);
        let settings = config.app_settings(app, package.as_ref(), command.as_ref()).map_err(problems)?;
        self.check_ports(app, &settings)?;
        Ok(settings)
    }

    /// The same without a package, for an app that is registered: its active version's own settings count.
    ///
    /// # Errors
    /// [`WishError::Settings`].
    pub fn load_app_settings(&self, app: &AppName, command: Option<&str>) -> Result<AppSettings, WishError> {
        let active = self
            .app(app)
            .ok()
            .and_then(|it| it.active().and_then(|target| it.version(target.version).cloned()));
        let facts = active
            .and_then(|version| package::tree::open_version(&self.paths.version(app, &version.label)).ok());
        self.merge_settings(app, facts.and_then(|unpacked| unpacked.facts.settings).as_deref(), command)
    }

    /// No port is reserved by two apps.
    fn check_ports(&self, app: &AppName, settings: &AppSettings) -> Result<(), WishError> {
        let others: Vec<(AppName, AppSettings)> = self
            .apps()
            .iter()
            .filter(|other| other.name != *app)
            .filter_map(|other| Some((other.name.clone(), other.revision(other.active()?)?.settings.clone())))
            .collect();
        let mut all: Vec<(&AppName, &AppSettings)> =
            others.iter().map(|(name, settings)| (name, settings)).collect();
        all.push((app, settings));
        let overlaps = model::settings::ports::overlaps(&all);
        let told: Vec<String> = overlaps
            .iter()
            .filter(|(name, _)| name == app)
            .map(|(name, overlap)| format!("apps.{name}: {}; {}", overlap.message(), overlap.remedy()))
            .collect();
        if told.is_empty() { Ok(()) } else { Err(WishError::Settings(told.join("\n"))) }
    }
}

fn host(error: std::io::Error) -> WishError {
    WishError::Host(error.to_string())
}

/// Unpacks into the uploads folder; what a crash leaves there is swept at the next start.
fn unpack_aside(
    site: &Site,
    packed: &Path,
    expected: Option<&Sha256Digest>,
    hint: Option<&str>,
) -> Result<Unpacked, WishError> {
    let aside = PathBuf::from(format!("{}.unpacked", packed.display()));
    install_version(packed, expected, hint, &aside, &site.platform, &Limits::default())
        .map_err(|error| WishError::Package(host::chain(&error)))
}

/// Moves an unpacked version to its place; one that stands there is the same, or nobody's.
fn move_into_place(from: &Path, to: &Path) -> Result<(), WishError> {
    if let Some(parent) = to.parent() {
        fs_err::create_dir_all(parent).map_err(host)?;
    }
    remove_tree(to).map_err(host)?;
    fs_err::rename(from, to).map_err(host)
}
