//! What a command's runner is told to start.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use model::app::{App, CommandLine, Run, RunKind};
use model::{EffectId, Place, Slot};
use package::tree::{Unpacked, instance_tree};
use wire::shim::{Kind, RestartMode, RestartPolicy, Start};

use super::argv::{release_argv, with_erlang};
use crate::environment::{self, Environment};
use crate::instances::{LaunchError, log_file, process};
use crate::site::{Site, SiteError};
use crate::users::Account;

/// Lays out the command's tree and describes its process; blocks. Done twice, it finds the tree there.
///
/// # Errors
/// [`LaunchError`]: the command was not begun.
pub(super) fn prepare(
    site: &Site,
    cgroups: Option<PathBuf>,
    app: &App,
    effect: EffectId,
    run: &Run,
) -> Result<Start, LaunchError> {
    let unpacked = site.unpacked(app, run.target)?;
    let settings = app.revision(run.target).ok_or(SiteError::NoVersion)?.settings.clone();
    // Prepare commands install what the app needs: they have the daemon's rights.
    let account = match run.kind {
        RunKind::Prepare => None,
        _ => site.account(&settings)?,
    };
    let tree = tree(site, app, effect, run, &unpacked, account.as_ref())?;
    let environment = environment(site, app, run, &tree)?;
    let argv = match &run.command {
        CommandLine::Program(command) => {
            let program = crate::program::find(command.executable(), &tree, &environment)?.into_os_string();
            std::iter::once(program).chain(command.arguments().iter().map(OsString::from)).collect()
        }
        CommandLine::Release(command) => {
            release_argv(command, &unpacked, &tree, &site.erlang_bin(&unpacked, &settings)?)
        }
    };
    let environment = with_erlang(environment, &run.command, &unpacked, &tree);
    let (stdout, stderr) = (log(site, app, effect, run, "stdout"), log(site, app, effect, run, "stderr"));
    fs_err::create_dir_all(stdout.parent().unwrap_or(Path::new("/")))?;
    Ok(Start {
        id: super::runner_id(&app.name, effect).to_string(),
        kind: Kind::Task,
        argv,
        cwd: tree,
        stdout: log_file(&stdout, &settings),
        stderr: log_file(&stderr, &settings),
        restart: RestartPolicy { mode: RestartMode::Never, ..RestartPolicy::standard() },
        time_limit_ms: Some(u64::try_from(settings.command_timeout.as_millis()).unwrap_or(u64::MAX)),
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
        _ => {
            let deployment = run.deployment.map(|id| format!("d{id}-")).unwrap_or_default();
            site.paths.command_logs(&app.name).join(format!("{deployment}{effect}-{stream}.log"))
        }
    }
}

/// The tree that a command has to itself; an init command runs in its instance's.
pub(super) fn own_tree(site: &Site, app: &App, effect: EffectId) -> PathBuf {
    site.paths.commands(&app.name).join(effect.to_string())
}

fn tree(
    site: &Site,
    app: &App,
    effect: EffectId,
    run: &Run,
    unpacked: &Unpacked,
    account: Option<&Account>,
) -> Result<PathBuf, LaunchError> {
    if let RunKind::Init { instance } = run.kind
        && let Some(instance) = app.instances.get(&instance)
    {
        return Ok(site.tree(&app.name, instance));
    }
    let tree = own_tree(site, app, effect);
    let owner = account.map(|it| package::tree::Owner { uid: it.uid, gid: it.gid });
    fs_err::create_dir_all(tree.parent().unwrap_or(Path::new("/")))?;
    instance_tree(&unpacked.path, &tree, owner)?;
    Ok(tree)
}

/// The environment of the instance that it is run for, or of the first place.
fn environment(site: &Site, app: &App, run: &Run, tree: &Path) -> Result<Environment, LaunchError> {
    if run.kind == RunKind::Prepare {
        let mut environment = environment::base(tree);
        environment.insert("BELLROCK_APP".into(), app.name.as_str().into());
        environment.insert("BELLROCK_VERSION".into(), app.label(run.target).into());
        return Ok(environment);
    }
    let (place, slot) = match run.kind {
        RunKind::Init { instance } => {
            app.instances.get(&instance).map_or((Place(1), Slot::A), |it| (it.place, it.slot))
        }
        RunKind::Pre { place: Some(place) } => (place, Slot::A),
        // A node that is spoken to must be the one that runs.
        _ => app
            .instances
            .values()
            .find(|it| it.is_ready())
            .map_or((Place(1), Slot::A), |it| (it.place, it.slot)),
    };
    Ok(site.environment(app, run.target, place, slot, tree)?)
}
