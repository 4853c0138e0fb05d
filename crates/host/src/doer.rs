//! Does effects: each goes to the module that knows how.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use model::app::{App, Effect, Instance, Links, Outcome, Run, RunKind, Target};
use model::{EffectId, Place, Slot, VersionLabel, human};
use package::Limits;
use package::tree::{Check, install_version, remove_tree, verify};

use crate::commands::Commands;
use crate::instances::Instances;
use crate::journal::Journal;
use crate::shim::point_log_link;
use crate::site::SiteError;
use crate::tell::Tell;

/// Logs of ended instances kept per place.
const MOST_LOGS: usize = 10;

/// Does what the engine asks for on this host.
pub struct HostDoer<T> {
    instances: Arc<Instances<T>>,
    commands: Commands<T>,
    journal: Journal,
}

impl<T: Tell> HostDoer<T> {
    /// A doer for this host's instances.
    pub fn new(instances: Arc<Instances<T>>, journal: Journal) -> Self {
        HostDoer { commands: Commands::new(instances.clone()), instances, journal }
    }

    /// Does one effect.
    pub async fn perform(&self, app: &App, id: EffectId, effect: Effect) -> Outcome {
        match effect {
            Effect::Stage { target, places } => self.stage(app, target, places).await,
            Effect::Run { run } => self.run(app, id, &run).await,
            Effect::Halt { run } => self.commands.halt(app, run).await,
            Effect::Create { instance } => match app.instances.get(&instance) {
                Some(instance) => self.instances.create(app, instance).await,
                None => gone(),
            },
            Effect::Launch { instance } => match app.instances.get(&instance) {
                Some(instance) => self.instances.launch(app, instance).await,
                None => gone(),
            },
            Effect::Stop { instance } => match app.instances.get(&instance) {
                Some(instance) => self.instances.stop(app, instance).await,
                None => Outcome::Ok { detail: None },
            },
            Effect::Remove { instance } => match app.instances.get(&instance) {
                Some(instance) => self.remove(app, instance).await,
                None => Outcome::Ok { detail: None },
            },
            Effect::Link { place, links } => self.link(app, place, links),
            Effect::Forget { label, .. } => self.forget(app, &label).await,
        }
    }

    /// Removes what was kept of commands whose outcome is durable.
    pub async fn tidy_up(&self, app: &App) {
        self.commands.tidy_up(app).await;
    }

    async fn stage(&self, app: &App, target: Target, places: Vec<(Place, Slot)>) -> Outcome {
        match self.try_stage(app, target, &places).await {
            Ok(detail) => Outcome::Ok { detail: Some(detail) },
            Err(reason) => Outcome::Failed { reason, tail: None },
        }
    }

    /// Everything that can be found wrong before anything is stopped or started.
    async fn try_stage(&self, app: &App, target: Target, places: &[(Place, Slot)]) -> Result<String, String> {
        let site = &self.instances.site;
        let version = app.version(target.version).ok_or("its version is not registered any more")?;
        let settings = app.revision(target).ok_or("its version is not registered any more")?.settings.clone();
        site.account(&settings).map_err(|error| crate::chain(&error))?;
        self.disk(site.settings.min_free_disk.bytes())?;
        let unpacked = self.verified(app, target).await?;
        site.runtime_bin(&unpacked, &settings).map_err(|error| crate::chain(&error))?;
        for (place, slot) in places {
            let ports = site.ports(app, target, *place, *slot).map_err(|error| crate::chain(&error))?;
            site.environment(app, target, *place, *slot, Path::new("/"))
                .map_err(|error| crate::chain(&error))?;
            let ours = app.living(*place).any(|it| it.slot == *slot);
            if let (false, Some(port)) = (ours, crate::ports::in_use(ports.iter().map(|(_, port)| *port))) {
                let by = crate::ports::listener(port).map(|by| format!(" by {by}")).unwrap_or_default();
                return Err(format!(
                    "port {port}, which place {place} needs, is in use{by}; free it, or give the app other ports (port in its settings)"
                ));
            }
        }
        let facts = &unpacked.facts;
        let erts = facts.erts.as_ref().map_or("no ERTS of its own".to_owned(), |erts| format!("ERTS {erts}"));
        let digest: String = version.digest.chars().take(8).collect();
        Ok(format!("package {}, sha256 {digest}…, {erts}", human::bytes(version.size_bytes)))
    }

    fn disk(&self, least: u64) -> Result<(), String> {
        let state = self.instances.site.paths.state();
        let room = rustix::fs::statvfs(&state)
            .map_err(|error| format!("could not look at the disk of {}: {error}", state.display()))?;
        let free = room.f_bavail * room.f_frsize;
        if free >= least {
            return Ok(());
        }
        Err(format!(
            "only {} are free on the disk of {}, less than min_free_disk = {}",
            human::bytes(free),
            state.display(),
            human::bytes(least)
        ))
    }

    /// The unpacked version with every file's digest checked; a damaged one is unpacked again from its package.
    async fn verified(&self, app: &App, target: Target) -> Result<package::tree::Unpacked, String> {
        let site = self.instances.site.clone();
        let version = app.version(target.version).ok_or_else(|| SiteError::NoVersion.to_string())?;
        let (folder, packed) =
            (site.paths.version(&app.name, &version.label), site.paths.package(&app.name, &version.label));
        let digest: package::Sha256Digest = version
            .digest
            .parse()
            .map_err(|error| format!("the version's digest cannot be read: {error}"))?;
        let work = move || {
            let damage = match verify(&folder, Check::Full) {
                Ok(unpacked) if unpacked.digest == digest => return Ok(unpacked),
                Ok(unpacked) => format!("{} holds another package, {}", folder.display(), unpacked.digest),
                Err(damage) => crate::chain(&damage),
            };
            tracing::warn!(folder = %folder.display(), damage, "unpacked again");
            remove_tree(&folder).map_err(|error| format!("{damage}; and could not be removed: {error}"))?;
            install_version(&packed, Some(&digest), None, &folder, &site.platform, &Limits::default())
                .map_err(|error| format!("{damage}; and {}", crate::chain(&error)))
        };
        tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())?
    }

    async fn run(&self, app: &App, id: EffectId, run: &Run) -> Outcome {
        if run.kind != RunKind::Prepare {
            return self.commands.run(app, id, run).await;
        }
        // Once per host and content.
        let content = format!("{}", run.command);
        match self.journal.is_prepared(content.clone()).await {
            Ok(true) => return Outcome::Ok { detail: Some("was run on this host before".into()) },
            Ok(false) => {}
            Err(error) => return Outcome::Failed { reason: crate::chain(&error), tail: None },
        }
        let outcome = self.commands.run(app, id, run).await;
        if let Outcome::Ok { .. } = outcome
            && let Err(error) = self.journal.set_prepared(Timestamp::now(), content).await
        {
            return Outcome::Failed { reason: crate::chain(&error), tail: None };
        }
        outcome
    }

    async fn remove(&self, app: &App, instance: &Instance) -> Outcome {
        let tree = self.instances.site.tree(&app.name, instance);
        let outcome = blocking(move || remove_tree(&tree)).await;
        self.prune_logs(app, instance.place);
        outcome
    }

    /// Removes the logs of all but the newest instances of a place.
    fn prune_logs(&self, app: &App, place: Place) {
        let prefix = format!("{}-{place}-i", app.name);
        let Ok(entries) = fs_err::read_dir(self.instances.site.paths.logs(&app.name)) else { return };
        let mut logs: Vec<(u64, PathBuf)> = entries
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                let instance = name.strip_prefix(&prefix)?.split('-').next()?.parse().ok()?;
                Some((instance, entry.path()))
            })
            .collect();
        logs.sort();
        let mut instances: Vec<u64> = logs.iter().map(|(instance, _)| *instance).collect();
        instances.dedup();
        let oldest_kept = instances.iter().rev().nth(MOST_LOGS - 1).copied().unwrap_or(0);
        for (_, path) in logs.iter().take_while(|(instance, _)| *instance < oldest_kept) {
            let _ = fs_err::remove_file(path);
        }
    }

    fn link(&self, app: &App, place: Place, links: Links) -> Outcome {
        match self.try_link(app, place, links) {
            Ok(()) => Outcome::Ok { detail: None },
            Err(error) => Outcome::Failed { reason: error, tail: None },
        }
    }

    fn try_link(&self, app: &App, place: Place, links: Links) -> Result<(), String> {
        let paths = &self.instances.site.paths;
        let service = paths.service(&app.name, place);
        fs_err::create_dir_all(&service).map_err(|error| error.to_string())?;
        for (name, instance) in [("current", links.current), ("new", links.new), ("previous", links.previous)]
        {
            let link = service.join(name);
            match instance {
                Some(instance) => {
                    point_log_link(&link, Path::new(&instance.to_string()))
                        .map_err(|error| crate::chain(&error))?;
                }
                None => match fs_err::remove_file(&link) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        return Err(error.to_string());
                    }
                    _ => {}
                },
            }
        }
        let Some(current) = links.current else { return Ok(()) };
        for stream in ["stdout", "stderr"] {
            let log = paths.instance_log(&app.name, place, current, stream);
            let name = log.file_name().map(PathBuf::from).unwrap_or_default();
            point_log_link(&paths.place_log(&app.name, place, stream), &name)
                .map_err(|error| crate::chain(&error))?;
        }
        Ok(())
    }

    async fn forget(&self, app: &App, label: &VersionLabel) -> Outcome {
        let paths = &self.instances.site.paths;
        let folders = [paths.version(&app.name, label), paths.papers(&app.name, label)];
        blocking(move || folders.iter().try_for_each(|folder| remove_tree(folder))).await
    }
}

async fn blocking(work: impl FnOnce() -> std::io::Result<()> + Send + 'static) -> Outcome {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(())) => Outcome::Ok { detail: None },
        Ok(Err(error)) => Outcome::Failed { reason: error.to_string(), tail: None },
        Err(error) => Outcome::Failed { reason: error.to_string(), tail: None },
    }
}

fn gone() -> Outcome {
    Outcome::Failed { reason: "the instance is not known any more".into(), tail: None }
}
