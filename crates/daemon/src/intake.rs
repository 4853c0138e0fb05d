//! Taking packages: from an upload or from the store into our own keeping, unpacked, recognised, registered.
//!
//! A package is unpacked beside the versions, many at a time. From there one after another: what it needs is checked,
//! it is moved to its place, and its engine answers; then whatever belongs to no version is removed. Once begun it
//! goes on, also when whoever asked for it has gone away.

mod place;
mod reserved;
mod sweep;

use std::path::PathBuf;
use std::sync::Arc;

use engine::AppHandle;
use host::disk::{check_room, staging_bytes};
use model::app::{App, Command, Event, NewVersion, Origin, Refused};
use model::settings::{AppLayer, AppSettings, PreCommand, Source};
use model::{AppName, VersionLabel};
use package::tree::{Unpacked, install_version, open_version, remove_tree};
use package::{Limits, Sha256Digest};
use tokio::sync::MutexGuard;
use tracing::warn;

use crate::control::{Accepted, Arrival, Control, WishError};
use place::{Placed, place};
pub use sweep::sweep_all;

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

/// Held from the check of what is about to be registered (label, ports) until it is.
pub struct Registering<'a>(#[expect(dead_code, reason = "it is held")] MutexGuard<'a, ()>);

/// A package being taken.
struct Offer {
    app: AppName,
    arrival: Arrival,
    announced: Announced,
    by: Origin,
}

impl Control {
    /// Takes an uploaded package and deploys it as a version of the app that the operator names.
    ///
    /// # Errors
    /// [`WishError`]; nothing of the package is left then.
    pub async fn take_package(
        self: &Arc<Self>,
        app: &AppName,
        arrival: Arrival,
        by: Origin,
    ) -> Result<Accepted, WishError> {
        self.take_announced(app, arrival, Announced::default(), by).await
    }

    /// The same for a package that somebody announced.
    ///
    /// # Errors
    /// [`WishError`]; nothing of the package is left then.
    pub async fn take_announced(
        self: &Arc<Self>,
        app: &AppName,
        arrival: Arrival,
        announced: Announced,
        by: Origin,
    ) -> Result<Accepted, WishError> {
        let (control, offer) = (self.clone(), Offer { app: app.clone(), arrival, announced, by });
        let taking = self.tasks().spawn(async move { control.take(offer).await });
        taking.await.map_err(|error| WishError::Host(format!("taking the package failed: {error}")))?
    }

    async fn take(self: &Arc<Self>, offer: Offer) -> Result<Accepted, WishError> {
        let unpacked = self.unpack(&offer).await?;
        let aside = unpacked.path.clone();
        let taken = self.take_unpacked(offer, unpacked).await;
        blocking(move || remove_tree(&aside).map_err(host)).await?;
        taken
    }

    /// Unpacks into the uploads folder; what a crash leaves there is swept at the next start.
    async fn unpack(&self, offer: &Offer) -> Result<Unpacked, WishError> {
        let (site, packed) = (self.site.clone(), offer.arrival.package.to_path_buf());
        let (hint, expected) = (offer.arrival.file_name.clone(), offer.announced.digest);
        blocking(move || {
            let size_bytes = fs_err::metadata(&packed).map_err(host)?.len();
            let needed = staging_bytes(size_bytes, false, 0);
            check_room(&site.paths.uploads(), needed, site.settings.min_free_disk.bytes())?;
            let aside = PathBuf::from(format!("{}.unpacked", packed.display()));
            install_version(
                &packed,
                expected.as_ref(),
                hint.as_deref(),
                &aside,
                &site.platform,
                &Limits::default(),
            )
            .map_err(|error| WishError::Package(::host::chain(&error)))
        })
        .await
    }

    async fn take_unpacked(
        self: &Arc<Self>,
        offer: Offer,
        unpacked: Unpacked,
    ) -> Result<Accepted, WishError> {
        let label = label_of(&unpacked, &offer.announced)?;
        let registering = self.registering().await;
        let known = self.app(&offer.app).ok();
        refuse_other_package(known.as_deref(), &label, &unpacked.digest.to_string())?;
        let command = offer.arrival.settings.as_deref();
        let settings = self.merge_settings(&offer.app, unpacked.facts.settings.as_deref(), command)?;
        let app = offer.app.clone();
        let taken = self.place_and_deploy(&registering, offer, label, unpacked, settings).await;
        self.sweep(&registering, &app).await;
        taken
    }

    async fn place_and_deploy(
        self: &Arc<Self>,
        registering: &Registering<'_>,
        offer: Offer,
        label: VersionLabel,
        unpacked: Unpacked,
        settings: AppSettings,
    ) -> Result<Accepted, WishError> {
        let Offer { app, arrival, announced, by } = offer;
        let Arrival { package, meta, build_log, wish, .. } = arrival;
        let size_bytes = fs_err::metadata(&package).map_err(host)?.len();
        let digest = unpacked.digest.to_string();
        let (paths, name, called) = (self.paths.clone(), app.clone(), label.clone());
        blocking(move || {
            let (package, build_log) = (&*package, build_log.as_deref());
            let it = Placed { app: &name, label: &called, package, unpacked: &unpacked, build_log };
            place(&paths, &it).map_err(host)
        })
        .await?;
        let pre_commands = announced.pre_commands;
        let version = NewVersion { label, digest, size_bytes, settings, meta, pre_commands };
        let handle = self.app_or_new(registering, &app).await?;
        let deployment = self.journal.next_deployment(&app).await?;
        let command = Command::Deploy { version: Box::new(version), wish, deployment };
        handle.tell(Event::Command { command, by }).await?;
        Ok(Accepted { deployment: Some(deployment), app: handle.snapshot() })
    }

    /// Waits until nothing else is about to be registered.
    pub async fn registering(&self) -> Registering<'_> {
        Registering(self.registration.lock().await)
    }

    /// Sees that a version that comes back as it was finds its ports free of other apps. What is returned is held until
    /// its deployment has begun.
    ///
    /// # Errors
    /// [`WishError::Settings`].
    pub(crate) async fn reserve_again(
        &self,
        handle: &AppHandle,
        command: &Command,
    ) -> Result<Option<Registering<'_>>, WishError> {
        if reserved::brought_back(&handle.snapshot(), command).is_none() {
            return Ok(None);
        }
        let registering = self.registering().await;
        let app = handle.snapshot();
        let conflicts = match reserved::brought_back(&app, command) {
            Some(settings) => reserved::conflicts(&self.apps(), &app.name, settings),
            None => Vec::new(),
        };
        match conflicts.is_empty() {
            true => Ok(Some(registering)),
            false => Err(WishError::Settings(conflicts.join("\n"))),
        }
    }

    /// The app's engine, started for an app that nothing is known of yet.
    async fn app_or_new(
        self: &Arc<Self>,
        _alone: &Registering<'_>,
        name: &AppName,
    ) -> Result<AppHandle, WishError> {
        if let Ok(handle) = self.handle(name) {
            return Ok(handle);
        }
        let app = App::new(name.clone());
        self.journal.create(&app).await?;
        Ok(self.start_app(app, Vec::new()))
    }

    /// Removes what belongs to no version of an app.
    async fn sweep(&self, _alone: &Registering<'_>, name: &AppName) {
        let (paths, name, app) = (self.paths.clone(), name.clone(), self.app(name).ok());
        let swept = blocking(move || {
            sweep::sweep(&paths, &name, app.as_deref());
            Ok(())
        });
        if let Err(error) = swept.await {
            warn!(%error, "could not remove what belongs to no version");
        }
    }

    /// The same in the background, after a package may have been dropped from the queue.
    pub fn sweep_soon(self: &Arc<Self>, name: &AppName) {
        let (control, name) = (self.clone(), name.clone());
        self.tasks().spawn(async move {
            let registering = control.registering().await;
            control.sweep(&registering, &name).await;
        });
    }

    /// What other apps take of an app's requests though neither names them, one line for each.
    pub fn taken_routes(&self, app: &App) -> Vec<String> {
        reserved::taken_routes(&self.apps(), app)
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
        let conflicts = reserved::conflicts(&self.apps(), app, &settings);
        if conflicts.is_empty() { Ok(settings) } else { Err(WishError::Settings(conflicts.join("\n"))) }
    }

    /// The same without a package, for a version that is registered (or else the active one): its own settings count.
    ///
    /// # Errors
    /// [`WishError::Settings`].
    pub fn load_app_settings(
        &self,
        app: &AppName,
        version: Option<&VersionLabel>,
        command: Option<&str>,
    ) -> Result<AppSettings, WishError> {
        let label = version.cloned().or_else(|| {
            let app = self.app(app).ok()?;
            Some(app.version(app.active()?.version)?.label.clone())
        });
        let unpacked = label.and_then(|label| open_version(&self.paths.version(app, &label)).ok());
        self.merge_settings(app, unpacked.and_then(|it| it.facts.settings).as_deref(), command)
    }
}

fn label_of(unpacked: &Unpacked, announced: &Announced) -> Result<VersionLabel, WishError> {
    let label: VersionLabel = unpacked
        .facts
        .version
        .parse()
        .map_err(|error| WishError::Package(format!("the package's version: {error}")))?;
    match announced.version.as_ref().filter(|version| **version != label) {
        None => Ok(label),
        Some(version) => Err(WishError::Package(format!(
            "the store names version {version}, but the package is version {label}"
        ))),
    }
}

/// A label means one package, from the moment that it waits in the queue.
pub fn refuse_other_package(app: Option<&App>, label: &VersionLabel, digest: &str) -> Result<(), Refused> {
    let registered = app.and_then(|app| app.version_called(label)).map(|version| &version.digest);
    let waiting = app.and_then(sweep::queued).filter(|it| it.label == *label).map(|it| &it.digest);
    match registered.or(waiting).filter(|known| *known != digest) {
        None => Ok(()),
        Some(known) => Err(Refused::OtherPackage { version: label.clone(), registered: known.clone() }),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, WishError> + Send + 'static,
) -> Result<T, WishError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| WishError::Host(error.to_string()))?
}

fn host(error: std::io::Error) -> WishError {
    WishError::Host(error.to_string())
}
