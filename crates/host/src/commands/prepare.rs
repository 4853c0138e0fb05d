//! What a command's runner is told to start.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::app::{App, CommandLine, Run, RunKind};
use model::{EffectId, Place, Slot};
use package::tree::instance_tree;
use wire::shim::{Kind, RestartMode, RestartPolicy, Start};

use super::argv::{release_argv, with_erlang};
use crate::environment::{self, Environment};
use crate::instances::{LaunchError, log_file, process};
use crate::shim::ShimId;
use crate::site::{Site, SiteError};

/// Where a command runs, and for how long.
pub(crate) struct Laid {
    /// Of its runner.
    pub(crate) id: ShimId,
    /// Its tree: one of its own, or that of the instance it is run for.
    pub(crate) tree: PathBuf,
    /// Its output and its standard error.
    pub(crate) logs: (PathBuf, PathBuf),
    /// The time that it has.
    pub(crate) limit: Duration,
}

impl Laid {
    /// Of a command that an effect asks for.
    pub(super) fn of_effect(
        site: &Site,
        app: &App,
        id: ShimId,
        effect: EffectId,
        run: &Run,
        limit: Duration,
    ) -> Self {
        let log = |stream| log(site, app, effect, run, stream);
        Laid { id, tree: tree(site, app, effect, run), logs: (log("stdout"), log("stderr")), limit }
    }
}

/// Lays out the command's tree and describes its process; blocks. Done twice, it finds the tree there.
///
/// # Errors
/// [`LaunchError`]: the command was not begun.
pub(crate) fn prepare(
    site: &Site,
    cgroups: Option<PathBuf>,
    app: &App,
    run: &Run,
    laid: Laid,
) -> Result<Start, LaunchError> {
    let Laid { id, tree, logs: (stdout, stderr), limit } = laid;
    let unpacked = site.unpacked(app, run.target)?;
    let settings = app.revision(run.target).ok_or(SiteError::NoVersion)?.settings.clone();
    // Prepare commands install what the app needs: they have the daemon's rights.
    let account = match run.kind {
        RunKind::Prepare => None,
        _ => site.account(&settings)?,
    };
    let is_instances = matches!(run.kind, RunKind::Init { .. } | RunKind::Member { .. });
    if !is_instances || !tree.is_dir() {
        let owner = account.as_ref().map(|it| package::tree::Owner { uid: it.uid, gid: it.gid });
        fs_err::create_dir_all(tree.parent().unwrap_or(Path::new("/")))?;
        instance_tree(&unpacked.path, &tree, owner)?;
        if run.kind != RunKind::Prepare {
            site.write_private_files(&app.name, &settings, &tree, account.as_ref())?;
            let (place, slot) = place_of(app, run);
            site.write_sys_config(app, run.target, place, slot, &tree)?;
        }
    }
    let starter = site.starter(app, run.target, &unpacked, &tree)?;
    let environment = environment(site, app, run, &tree)?;
    let argv = match &run.command {
        CommandLine::Program(command) => {
            let program = crate::program::find(command.executable(), &tree, &environment)?.into_os_string();
            std::iter::once(program).chain(command.arguments().iter().map(OsString::from)).collect()
        }
        CommandLine::Release(command) => {
            let erlang_bin = site.erlang_bin(&unpacked, &settings)?;
            release_argv(command, &unpacked, &tree, &erlang_bin, &starter)
        }
    };
    let environment = with_erlang(environment, &run.command, &unpacked, &tree, &starter);
    fs_err::create_dir_all(stdout.parent().unwrap_or(Path::new("/")))?;
    Ok(Start {
        id: id.to_string(),
        kind: Kind::Task,
        argv,
        cwd: tree,
        stdout: log_file(&stdout, &settings),
        stderr: log_file(&stderr, &settings),
        restart: RestartPolicy { mode: RestartMode::Never, ..RestartPolicy::standard() },
        time_limit_ms: Some(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)),
        cgroup_parent: cgroups,
        ..process(environment, account.as_ref(), &settings)
    })
}

/// Where a command's output goes: that of a prepare command to the papers of its version, which it lives as long as.
fn log(site: &Site, app: &App, effect: EffectId, run: &Run, stream: &str) -> PathBuf {
    match (run.kind, app.version(run.target.version)) {
        (RunKind::Prepare, Some(version)) => {
            site.paths.prepare_log(&app.name, &version.label, effect, stream)
        }
        _ => site.paths.command_logs(&app.name).join(log_name(effect, run, stream)),
    }
}

/// In the names of the logs of members' checks, which are pruned on their own.
const OF_MEMBER: &str = "member-";

/// Name of a command's log.
pub(super) fn log_name(effect: EffectId, run: &Run, stream: &str) -> String {
    let deployment = run.deployment.map(|id| format!("d{id}-")).unwrap_or_default();
    let kind = if matches!(run.kind, RunKind::Member { .. }) { OF_MEMBER } else { "" };
    format!("{kind}{deployment}{effect}-{stream}.log")
}

/// Whether a log is that of a member's check.
pub(super) fn is_member_log(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(OF_MEMBER.as_bytes()))
}

/// The tree that a command has to itself; an init command and a member's check run in their instance's.
fn tree(site: &Site, app: &App, effect: EffectId, run: &Run) -> PathBuf {
    match run.kind {
        RunKind::Init { instance } | RunKind::Member { instance }
            if app.instances.contains_key(&instance) =>
        {
            site.tree(&app.name, &app.instances[&instance])
        }
        _ => site.paths.commands(&app.name).join(effect.to_string()),
    }
}

/// The environment of the instance that it is run for, or of the first place.
fn environment(site: &Site, app: &App, run: &Run, tree: &Path) -> Result<Environment, LaunchError> {
    if run.kind == RunKind::Prepare {
        let mut environment = environment::base(tree);
        environment.insert("BELLROCK_APP".into(), app.name.as_str().into());
        environment.insert("BELLROCK_VERSION".into(), app.label(run.target).into());
        return Ok(environment);
    }
    let (place, slot) = place_of(app, run);
    Ok(site.environment(app, run.target, place, slot, tree)?)
}

/// The place that it is run for.
fn place_of(app: &App, run: &Run) -> (Place, Slot) {
    match run.kind {
        RunKind::Init { instance } | RunKind::Member { instance } => {
            app.instances.get(&instance).map_or((Place(1), Slot::A), |it| (it.place, it.slot))
        }
        RunKind::Pre { place: Some(place) } => (place, Slot::A),
        // A node that is spoken to must be the one that runs.
        _ => app
            .instances
            .values()
            .find(|it| it.is_ready())
            .map_or((Place(1), Slot::A), |it| (it.place, it.slot)),
    }
}
