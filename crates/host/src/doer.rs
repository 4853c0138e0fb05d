//! Does effects: each goes to the module that knows how.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use model::app::{App, CommandLine, Effect, Instance, Links, Outcome, Route, Run, RunKind, Target};
use model::export::Upstream;
use model::{EffectId, Place, Slot, VersionId, VersionLabel, human};
use package::tree::{Check, remove_tree};
use tokio::task::spawn_blocking;

use crate::assets::AssetFolders;
use crate::clock;
use crate::commands::Commands;
use crate::configuration::Evaluator;
use crate::disk::{check_room, staging_bytes};
use crate::export::Exports;
use crate::hot_upgrades::{HotUpgrades, direction, policy};
use crate::instances::Instances;
use crate::journal::Journal;
use crate::memory::{self, Room};
use crate::preparation::Preparing;
use crate::proxy::{Proxy, longest_drain};
use crate::shim::point_log_link;
use crate::site::{Site, SiteError};
use crate::tell::Tell;

/// Logs of ended instances kept per place.
const MOST_LOGS: usize = 10;

/// What helps against a disk that is too full.
const ROOM_REMEDY: &str = "free some room: delete versions (bellrock package delete APP VERSION), lower keep_versions or log.keep; or lower min_free_disk in config.toml";

/// Does what the engine asks for on this host.
pub struct HostDoer<T> {
    instances: Arc<Instances<T>>,
    commands: Commands<T>,
    journal: Journal,
    proxy: Proxy,
    exports: Arc<Exports>,
    assets: AssetFolders,
    upgrades: HotUpgrades<T>,
}

impl<T: Tell> HostDoer<T> {
    /// A doer for this host's instances.
    pub fn new(instances: Arc<Instances<T>>, journal: Journal, proxy: Proxy, evaluator: Evaluator) -> Self {
        let upgrades = HotUpgrades::new(instances.clone(), evaluator);
        let exports = Arc::new(Exports::new(instances.site.settings.export.clone()));
        let assets = AssetFolders::new(instances.site.paths.clone());
        HostDoer {
            commands: Commands::new(instances.clone()),
            instances,
            journal,
            proxy,
            exports,
            assets,
            upgrades,
        }
    }

    /// Other proxies that are told what is ready.
    pub fn exports(&self) -> Arc<Exports> {
        self.exports.clone()
    }

    /// Does one effect.
    pub async fn perform(&self, app: &Arc<App>, id: EffectId, effect: Effect) -> Outcome {
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
            Effect::Plan { instances, to, hot, is_back, .. } => {
                let policy = policy(app, to, &hot, direction(is_back));
                self.upgrades.plan_effect(app, &instances, to, &policy).await
            }
            effect @ Effect::Upgrade { .. } => self.upgrades.upgrade_effect(app, &effect).await,
            effect @ Effect::Undo { .. } => self.upgrades.undo_effect(app, &effect).await,
            effect @ Effect::Settle { .. } => self.upgrades.settle_effect(app, &effect).await,
            Effect::Link { place, links } => self.link(app, place, links),
            Effect::Forget { version, label } => self.forget(app, version, &label).await,
            Effect::Route { route } => self.route(app, id, route.as_ref()).await,
            Effect::Drain { instance, until } => {
                let left = Duration::try_from(until.duration_since(clock::now())).unwrap_or_default();
                // Of a state from before the clock was set back it may be any time ahead.
                let left = left.min(longest_drain(app, instance));
                let elsewhere = self.exports.drained(&app.name, instance, left);
                tokio::join!(self.proxy.drain(app, instance), elsewhere).0
            }
        }
    }

    /// Removes what was kept of commands whose outcome is durable.
    pub async fn tidy_up(&self, app: &Arc<App>) {
        self.commands.tidy_up(app).await;
    }

    /// Our proxy first: what follows a route waits for all.
    async fn route(&self, app: &App, id: EffectId, route: Option<&Route>) -> Outcome {
        let paths = &self.instances.site.paths;
        self.assets.make(&app.name, id, route.and_then(|route| route.assets.as_ref())).await;
        let served = self.proxy.route(paths, app, id, route).await;
        if !matches!(served, Outcome::Ok { .. }) {
            return served;
        }
        self.assets.tidy(&app.name, id).await;
        match self.exports.publish(id, Upstream::of_route(&app.name, route)).await {
            Ok(()) => served,
            Err(error) => Outcome::Failed { reason: crate::chain(&error), tail: None },
        }
    }

    async fn stage(&self, app: &Arc<App>, target: Target, places: Vec<(Place, Slot)>) -> Outcome {
        match self.try_stage(app, target, &places).await {
            Ok(detail) => match self.memory_lacks(app, places.len()).await {
                Some(room) => Outcome::NoRoom { detail: room.to_string() },
                None => Outcome::Ok { detail: Some(detail) },
            },
            Err(reason) => Outcome::Failed { reason, tail: None },
        }
    }

    /// The memory that there is, if it is not enough for so many new instances beside those that run.
    async fn memory_lacks(&self, app: &App, new: usize) -> Option<Room> {
        let running: Vec<u32> = app.instances.values().filter_map(|instance| instance.pid).collect();
        let cgroups = self.instances.cgroups.clone();
        let look = move || memory::room(&running, new, cgroups.as_deref());
        // What cannot be told keeps nobody from deploying.
        spawn_blocking(look).await.ok().flatten().filter(|room| !room.is_enough())
    }

    /// Everything that can be found wrong before anything is stopped or started.
    async fn try_stage(
        &self,
        app: &Arc<App>,
        target: Target,
        places: &[(Place, Slot)],
    ) -> Result<String, String> {
        let site = &self.instances.site;
        let version = app.version(target.version).ok_or("its version is not registered any more")?;
        let is_unpacked = site.paths.version(&app.name, &version.label).exists();
        let needed = staging_bytes(version.size_bytes, is_unpacked, places.len());
        let room = check_room(&site.paths.state(), needed, site.settings.min_free_disk.bytes());
        room.map_err(|error| format!("{}; {ROOM_REMEDY}", crate::chain(&error)))?;
        let unpacked = crate::versions::whole(site, app, target, Check::Full)
            .await
            .map_err(|error| crate::chain(&error))?;
        let (of_host, of_app, of_places) = (site.clone(), app.clone(), places.to_vec());
        spawn_blocking(move || can_run(&of_host, &of_app, target, &of_places))
            .await
            .map_err(|fault| fault.to_string())??;
        let facts = &unpacked.facts;
        let erts = facts.erts.as_ref().map_or("no ERTS of its own".to_owned(), |erts| format!("ERTS {erts}"));
        let settings = app.revision(target).map(|revision| revision.settings.resources.clone());
        let lack = settings.and_then(|resources| self.instances.limits_lack(&resources));
        let lack = lack.map(|why| format!("; limits of resources do not hold: {why}")).unwrap_or_default();
        let digest: String = version.digest.chars().take(8).collect();
        Ok(format!("package {}, sha256 {digest}…, {erts}{lack}", human::bytes(version.size_bytes)))
    }

    async fn run(&self, app: &Arc<App>, id: EffectId, run: &Run) -> Outcome {
        match (run.kind, &run.command) {
            (RunKind::Prepare, CommandLine::Program(command)) => {
                let (commands, journal) = (&self.commands, &self.journal);
                let paths = &self.instances.site.paths;
                Preparing { commands, journal, paths, app, effect: id, run }.perform(command).await
            }
            _ => self.commands.run(app, id, run).await,
        }
    }

    async fn remove(&self, app: &App, instance: &Instance) -> Outcome {
        let site = &self.instances.site;
        let (paths, name) = (site.paths.clone(), app.name.clone());
        let (place, id) = (instance.place, instance.id);
        let logs = OldLogs {
            folder: site.paths.logs(&app.name),
            prefix: format!("{}-{}-i", app.name, instance.place),
            kept: app.instances.keys().map(|id| id.0).collect(),
        };
        blocking(move || {
            logs.remove();
            paths.trees(&name, place, id).iter().try_for_each(|tree| remove_tree(tree))
        })
        .await
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
                    let tree = match app.instances.get(&instance) {
                        Some(instance) => self.instances.site.tree(&app.name, instance),
                        None => paths.tree(&app.name, place, instance),
                    };
                    let name = tree.file_name().map(PathBuf::from).unwrap_or_default();
                    point_log_link(&link, &name).map_err(|error| crate::chain(&error))?;
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

    async fn forget(&self, app: &App, version: VersionId, label: &VersionLabel) -> Outcome {
        if let Err(error) = self.journal.forget_preparations(app.name.clone(), version).await {
            return Outcome::Failed { reason: crate::chain(&error), tail: None };
        }
        let paths = &self.instances.site.paths;
        let folders = [paths.version(&app.name, label), paths.papers(&app.name, label)];
        blocking(move || folders.iter().try_for_each(|folder| remove_tree(folder))).await
    }
}

/// What can be found wrong with a version's settings and places on this host; blocks.
fn can_run(site: &Site, app: &App, target: Target, places: &[(Place, Slot)]) -> Result<(), String> {
    let text = |error: SiteError| crate::chain(&error);
    let settings = &app.revision(target).ok_or("its version is not registered any more")?.settings;
    site.account(settings).map_err(text)?;
    site.fits_distribution(app, target).map_err(text)?;
    if let Some((place, slot)) = places.first() {
        site.check_sys_config(app, target, *place, *slot).map_err(text)?;
    }
    for (place, slot) in places {
        let ports = site.ports(app, target, *place, *slot).map_err(text)?;
        // This looks for a runtime too, where the package has none.
        site.environment(app, target, *place, *slot, Path::new("/")).map_err(text)?;
        let ours = app.living(*place).any(|it| it.slot == *slot);
        if let (false, Some(port)) = (ours, crate::ports::in_use(ports.iter().map(|(_, port)| *port))) {
            let by = crate::ports::listener(port).map(|by| format!(" by {by}")).unwrap_or_default();
            return Err(format!(
                "port {port}, which place {place} needs, is in use{by}; free it, or give the app other ports (port in its settings)"
            ));
        }
    }
    Ok(())
}

/// Logs of a place's instances.
struct OldLogs {
    folder: PathBuf,
    /// What their names begin with, before the instance's number.
    prefix: String,
    /// Instances that the app still has: one of them may write, or be shown.
    kept: BTreeSet<u64>,
}

impl OldLogs {
    /// Removes the logs of all but the newest instances, and of none that the app still has (or has got since).
    fn remove(&self) {
        let Ok(entries) = fs_err::read_dir(&self.folder) else { return };
        let newest_known = self.kept.last().copied().unwrap_or(0);
        let mut logs: Vec<(u64, PathBuf)> = entries
            .flatten()
            .filter_map(|entry| Some((self.instance(&entry.file_name().into_string().ok()?)?, entry.path())))
            .filter(|(instance, _)| *instance < newest_known && !self.kept.contains(instance))
            .collect();
        logs.sort();
        let mut instances: Vec<u64> = logs.iter().map(|(instance, _)| *instance).collect();
        instances.dedup();
        let oldest_kept = instances.iter().rev().nth(MOST_LOGS - 1).copied().unwrap_or(0);
        for (_, path) in logs.iter().take_while(|(instance, _)| *instance < oldest_kept) {
            let _ = fs_err::remove_file(path);
        }
    }

    fn instance(&self, name: &str) -> Option<u64> {
        name.strip_prefix(&self.prefix)?.split('-').next()?.parse().ok()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_of_living_instances_are_kept_however_old() {
        let folder = tempfile::tempdir().unwrap();
        let path = |number: u64| folder.path().join(format!("beacon-1-i{number}-stdout.log"));
        for number in 1..=30 {
            fs_err::write(path(number), "").unwrap();
        }
        fs_err::write(folder.path().join("beacon-2-i1-stdout.log"), "").unwrap();
        // 28 came after the app was looked at.
        let logs = OldLogs {
            folder: folder.path().to_owned(),
            prefix: "beacon-1-i".into(),
            kept: [3, 27].into_iter().collect(),
        };
        logs.remove();
        let left: Vec<u64> = (1..=30).filter(|number| path(*number).exists()).collect();
        assert_eq!(left, [vec![3], (17..=30).collect()].concat());
        assert!(folder.path().join("beacon-2-i1-stdout.log").exists(), "of another place");
    }
}
