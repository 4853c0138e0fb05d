//! Commands that are run once: under a shim that outlives the daemon and keeps the outcome until it is journalled.
//!
//! A runner's id is made from the app and the effect. Asked for the same effect again (after a start of the
//! daemon) the runner is found and waited for; one that is dead tells from its event log whether the command ended,
//! never began, or began and was cut off, which is never followed by a second run.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use model::app::{App, CommandLine, Outcome, Run, RunKind};
use model::settings::PreCommand;
use model::{AppName, EffectId, Place, Slot, human};
use package::Kind as PackageKind;
use package::tree::{Unpacked, instance_tree, remove_tree};
use tokio::time::timeout;
use tracing::{info, warn};
use wire::shim::{Exited, Happening, How, Kind, RestartMode, RestartPolicy, Start, State};

use crate::environment::{self, Environment};
use crate::instances::{Instances, LaunchError, log_file, process};
use crate::shim::{Connected, Found, Handle, ShimError, ShimEvent, ShimId, TaskOutcome};
use crate::site::SiteError;
use crate::tell::Tell;

/// What the runner may need after the command's own limit to end its tree and say so.
const TO_KILL: Duration = Duration::from_secs(30);

/// How long a runner may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// Bytes of output that a failure shows.
const TAIL: u32 = 4 << 10;

/// Logs of commands kept per app.
const MOST_LOGS: usize = 200;

/// Runs commands.
pub struct Commands<T> {
    instances: Arc<Instances<T>>,
    under_way: Mutex<UnderWay>,
    tidying: tokio::sync::Mutex<()>,
}

/// Commands that have no outcome yet.
#[derive(Default)]
struct UnderWay {
    running: HashMap<ShimId, Handle>,
    /// An operator gave them up; one that is not running yet ends as soon as it is.
    given_up: HashSet<ShimId>,
}

/// The id of a command's runner.
fn runner_id(app: &AppName, effect: EffectId) -> ShimId {
    ShimId::new(format!("run-{app}-{effect}")).expect("an app's name is short and plain")
}

impl<T: Tell> Commands<T> {
    /// Runs commands with the shims and paths of the instances.
    pub fn new(instances: Arc<Instances<T>>) -> Self {
        Commands { instances, under_way: Mutex::default(), tidying: tokio::sync::Mutex::default() }
    }

    fn under_way(&self) -> MutexGuard<'_, UnderWay> {
        self.under_way.lock().expect("nobody panics while holding it")
    }

    /// Runs a command, or waits for the one that an earlier daemon began for the same effect.
    pub async fn run(&self, app: &App, effect: EffectId, run: &Run) -> Outcome {
        let id = runner_id(&app.name, effect);
        let limit =
            app.revision(run.target).map_or(Duration::from_secs(600), |it| it.settings.command_timeout);
        let outcome = match self.begin_or_find(app, &id, effect, run, limit).await {
            Ok(outcome) => outcome,
            Err(error) => Outcome::Failed { reason: crate::chain(&error), tail: None },
        };
        let mut under_way = self.under_way();
        under_way.running.remove(&id);
        under_way.given_up.remove(&id);
        drop(under_way);
        self.prune_logs(&app.name);
        outcome
    }

    async fn begin_or_find(
        &self,
        app: &App,
        id: &ShimId,
        effect: EffectId,
        run: &Run,
        limit: Duration,
    ) -> Result<Outcome, LaunchError> {
        let shims = &self.instances.shims;
        match shims.examine(id, 0, ANSWER).await? {
            Found::Alive(connected) => {
                info!(shim = %id, "a command that an earlier daemon began");
                let waiting = connected.welcome.status.state == State::Waiting;
                if waiting {
                    connected.handle.start(self.prepare(app, effect, run).await?).await?;
                }
                self.wait(*connected, limit, run).await
            }
            Found::Dead(dead) => match dead.task_outcome() {
                TaskOutcome::Ended(exited) => Ok(ended(&exited, None)),
                TaskOutcome::Unknown => {
                    shims.clean_up(&dead, ANSWER).await?;
                    Ok(Outcome::Unknown { reason: "its runner was cut off".into() })
                }
                TaskOutcome::NeverBegan => {
                    shims.forget(id)?;
                    let start = self.prepare(app, effect, run).await?;
                    let connected = shims.spawn(id).await?;
                    connected.handle.start(start).await?;
                    self.wait(connected, limit, run).await
                }
            },
            Found::Unknown { why, .. } => Err(why.into()),
        }
    }

    async fn wait(
        &self,
        mut connected: Connected,
        limit: Duration,
        run: &Run,
    ) -> Result<Outcome, LaunchError> {
        let id = connected.handle.id().clone();
        if self.is_given_up(&connected) {
            connected.handle.stop(Duration::ZERO).await?;
        }
        let exited = async {
            while let Some(event) = connected.events.next().await {
                if let ShimEvent::Happened(event) = event
                    && let Some(Happening::Exited(exited)) = event.what
                {
                    return Some(exited);
                }
            }
            None
        };
        let late =
            |_| ShimError::TimedOut { id: id.to_string(), doing: "end its command", within: limit + TO_KILL };
        let Some(exited) = timeout(limit + TO_KILL, exited).await.map_err(late)? else {
            return match self.instances.shims.read_dead(&id)?.task_outcome() {
                TaskOutcome::Ended(exited) => Ok(ended(&exited, None)),
                _ => Ok(Outcome::Unknown { reason: format!("its runner died ({})", run.kind) }),
            };
        };
        let tail = connected.handle.tail(TAIL).await.ok();
        Ok(ended(&exited, tail.as_deref()))
    }

    /// From here on it can be ended by [`Self::halt`], which may have been asked for before.
    fn is_given_up(&self, connected: &Connected) -> bool {
        let id = connected.handle.id();
        let mut under_way = self.under_way();
        under_way.running.insert(id.clone(), connected.handle.clone());
        under_way.given_up.contains(id)
    }

    /// Ends a command that an operator gave up: now, or as soon as it runs.
    pub async fn halt(&self, app: &App, run: EffectId) -> Outcome {
        if app.has_ended(run) {
            return Outcome::Ok { detail: None };
        }
        let id = runner_id(&app.name, run);
        let handle = {
            let mut under_way = self.under_way();
            under_way.given_up.insert(id.clone());
            under_way.running.get(&id).cloned()
        };
        match handle {
            None => Outcome::Ok { detail: None },
            Some(handle) => match handle.stop(Duration::ZERO).await {
                Ok(()) => Outcome::Ok { detail: None },
                Err(error) => Outcome::Failed { reason: crate::chain(&error), tail: None },
            },
        }
    }

    /// Dismisses the runners, and removes the trees, of an app's commands whose outcome is durable.
    pub async fn tidy_up(&self, app: &App) {
        let _one_at_a_time = self.tidying.lock().await;
        let prefix = format!("run-{}-", app.name);
        let has_ended = |name: &str| {
            let number = name.strip_prefix('e').and_then(|number| number.parse().ok());
            number.is_some_and(|number| app.has_ended(EffectId(number)))
        };
        for id in self.instances.shims.ids().unwrap_or_default() {
            if !id.as_str().strip_prefix(&prefix).is_some_and(has_ended) {
                continue;
            }
            if let Err(error) = self.dismiss(&id).await {
                warn!(shim = %id, error = crate::chain(&error), "could not dismiss a command's runner");
            }
        }
        let trees = self.instances.site.paths.commands(&app.name);
        for tree in fs_err::read_dir(&trees).into_iter().flatten().flatten() {
            if !tree.file_name().to_str().is_some_and(has_ended) {
                continue;
            }
            let path = tree.path();
            if let Ok(Err(error)) = tokio::task::spawn_blocking(move || remove_tree(&path)).await {
                warn!(%error, "could not remove a command's tree");
            }
        }
    }

    async fn dismiss(&self, id: &ShimId) -> Result<(), ShimError> {
        let shims = &self.instances.shims;
        match shims.examine(id, 0, ANSWER).await? {
            Found::Alive(connected) => {
                connected.handle.stop(Duration::ZERO).await?;
                connected.handle.ack(u64::MAX).await?;
                connected.handle.release().await?;
            }
            Found::Dead(dead) => {
                shims.clean_up(&dead, ANSWER).await?;
            }
            Found::Unknown { why, .. } => return Err(why),
        }
        shims.forget(id)
    }

    async fn prepare(&self, app: &App, effect: EffectId, run: &Run) -> Result<Start, LaunchError> {
        let site = &self.instances.site;
        let unpacked = site.unpacked(app, run.target)?;
        let settings = app.revision(run.target).ok_or(SiteError::NoVersion)?.settings.clone();
        // Prepare commands install what the app needs: they have the daemon's rights.
        let account = match run.kind {
            RunKind::Prepare => None,
            _ => site.account(&settings)?,
        };
        let tree = self.tree(app, effect, run, &unpacked, account.as_ref()).await?;
        let environment = self.environment(app, run, &tree)?;
        let argv = match &run.command {
            CommandLine::Program(command) => {
                let program =
                    crate::program::find(command.executable(), &tree, &environment).into_os_string();
                std::iter::once(program).chain(command.arguments().iter().map(OsString::from)).collect()
            }
            CommandLine::Release(command) => {
                release_argv(command, &unpacked, &tree, &site.erlang_bin(&unpacked, &settings)?)
            }
        };
        let environment = with_erlang(environment, &run.command, &unpacked, &tree);
        let logs = site.paths.command_logs(&app.name);
        fs_err::create_dir_all(&logs)?;
        let log = |stream: &str| {
            let deployment = run.deployment.map(|id| format!("d{id}-")).unwrap_or_default();
            log_file(&logs.join(format!("{deployment}{effect}-{stream}.log")), &settings)
        };
        Ok(Start {
            id: runner_id(&app.name, effect).to_string(),
            kind: Kind::Task,
            argv,
            cwd: tree,
            stdout: log("stdout"),
            stderr: log("stderr"),
            restart: RestartPolicy { mode: RestartMode::Never, ..RestartPolicy::standard() },
            time_limit_ms: Some(u64::try_from(settings.command_timeout.as_millis()).unwrap_or(u64::MAX)),
            cgroup_parent: self.instances.cgroups.clone(),
            ..process(environment, account.as_ref(), &settings)
        })
    }

    /// A tree of its own, removed afterwards; an init command runs in its instance's.
    async fn tree(
        &self,
        app: &App,
        effect: EffectId,
        run: &Run,
        unpacked: &Unpacked,
        account: Option<&crate::users::Account>,
    ) -> Result<PathBuf, LaunchError> {
        let site = &self.instances.site;
        if let RunKind::Init { instance } = run.kind
            && let Some(instance) = app.instances.get(&instance)
        {
            return Ok(site.tree(&app.name, instance));
        }
        let tree = site.paths.commands(&app.name).join(effect.to_string());
        let owner = account.map(|it| package::tree::Owner { uid: it.uid, gid: it.gid });
        let (version, dest) = (unpacked.path.clone(), tree.clone());
        tokio::task::spawn_blocking(move || {
            fs_err::create_dir_all(dest.parent().unwrap_or(Path::new("/")))?;
            instance_tree(&version, &dest, owner)?;
            Ok::<_, LaunchError>(())
        })
        .await??;
        Ok(tree)
    }

    /// The environment of the instance that it is run for, or of the first place.
    fn environment(&self, app: &App, run: &Run, tree: &Path) -> Result<Environment, LaunchError> {
        let site = &self.instances.site;
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

    fn prune_logs(&self, app: &AppName) {
        let Ok(entries) = fs_err::read_dir(self.instances.site.paths.command_logs(app)) else { return };
        let mut logs: Vec<(std::time::SystemTime, PathBuf)> = entries
            .flatten()
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        logs.sort();
        for (_, path) in logs.iter().rev().skip(MOST_LOGS) {
            let _ = fs_err::remove_file(path);
        }
    }
}

/// `eval` and `rpc` by the release's own means; for releases whose script has no `eval` in a VM of its own, that VM
/// is started here.
fn release_argv(command: &PreCommand, unpacked: &Unpacked, tree: &Path, erlang_bin: &Path) -> Vec<OsString> {
    let facts = &unpacked.facts;
    let script = tree.join(&facts.start.path).into_os_string();
    match command {
        PreCommand::Executable { path, argument } => std::iter::once(tree.join(path).into_os_string())
            .chain(argument.iter().map(OsString::from))
            .collect(),
        PreCommand::Eval(expression) if facts.kind == PackageKind::MixRelease => {
            vec![script, "eval".into(), expression.into()]
        }
        PreCommand::Rpc(expression) => vec![script, "rpc".into(), expression.into()],
        PreCommand::Eval(expression) => erl_eval(expression, unpacked, tree, erlang_bin),
    }
}

/// A VM that evaluates an Erlang expression with the release's code and configuration: status 0 when it returns,
/// 1 with the exception on standard error when it raises.
fn erl_eval(expression: &str, unpacked: &Unpacked, tree: &Path, erlang_bin: &Path) -> Vec<OsString> {
    const EVALUATE: &str = "[Text] = init:get_plain_arguments(), \
        try {ok, Tokens, _} = erl_scan:string(Text ++ \".\"), {ok, Expressions} = erl_parse:parse_exprs(Tokens), \
        erl_eval:exprs(Expressions, erl_eval:new_bindings()) of _ -> erlang:halt(0) \
        catch Class:Reason:Stack -> io:format(standard_error, \"~ts~n\", \
        [erl_error:format_exception(Class, Reason, Stack)]), erlang:halt(1) end.";
    let facts = &unpacked.facts;
    let mut argv: Vec<OsString> = Vec::new();
    match &facts.erts {
        Some(erts) => {
            let root = tree.to_owned();
            argv.push(root.join(format!("erts-{erts}/bin/erlexec")).into_os_string());
            let version = facts.boot_version.as_deref().unwrap_or(&facts.version);
            let boot = root.join(format!("releases/{version}/start_clean"));
            if boot.with_extension("boot").is_file() {
                argv.extend(["-boot".into(), boot.into_os_string()]);
            }
            let config = root.join(format!("releases/{version}/sys.config"));
            if config.is_file() {
                argv.extend(["-config".into(), config.into_os_string()]);
            }
        }
        None => argv.push(erlang_bin.join("erl").into_os_string()),
    }
    argv.extend(["-noshell", "-noinput"].map(OsString::from));
    for folder in code_paths(unpacked, tree) {
        argv.extend(["-pa".into(), folder.into_os_string()]);
    }
    argv.extend(["-eval".into(), EVALUATE.into(), "-extra".into(), expression.into()]);
    argv
}

/// The `ebin` folders of a release (`lib/*/ebin`) or of a shipment (beside its script, `*/ebin`).
fn code_paths(unpacked: &Unpacked, tree: &Path) -> Vec<PathBuf> {
    let applications = match unpacked.facts.kind {
        PackageKind::MixRelease | PackageKind::RebarRelease => tree.join("lib"),
        PackageKind::GleamShipment => tree.join(&unpacked.facts.start.path).with_file_name(""),
    };
    let entries = fs_err::read_dir(applications).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> =
        entries.map(|entry| entry.path().join("ebin")).filter(|ebin| ebin.is_dir()).collect();
    found.sort();
    found
}

/// `erlexec`, started without the `erl` script, is told by variables where it belongs.
fn with_erlang(
    mut environment: Environment,
    command: &CommandLine,
    unpacked: &Unpacked,
    tree: &Path,
) -> Environment {
    let evaluates = matches!(command, CommandLine::Release(PreCommand::Eval(_)));
    if let (true, Some(erts), false) =
        (evaluates, &unpacked.facts.erts, unpacked.facts.kind == PackageKind::MixRelease)
    {
        environment.insert("ROOTDIR".into(), tree.into());
        environment.insert("BINDIR".into(), tree.join(format!("erts-{erts}/bin")).into());
        environment.insert("EMU".into(), "beam".into());
        environment.insert("PROGNAME".into(), "erl".into());
    }
    if evaluates {
        // A node of its own name must not be in the way of the instances': it gets none.
        environment.insert("RELEASE_DISTRIBUTION".into(), "none".into());
        environment.remove(std::ffi::OsStr::new("ERL_AFLAGS"));
    }
    environment
}

fn ended(exited: &Exited, tail: Option<&[u8]>) -> Outcome {
    let took = human::duration(Duration::from_millis(exited.uptime_ms));
    if exited.status == Some(0) && exited.how == How::ByItself {
        return Outcome::Ok { detail: Some(took) };
    }
    let tail = tail.and_then(|tail| crate::log_tail::last_lines(&String::from_utf8_lossy(tail), false));
    let reason = match (exited.how, &exited.reason) {
        (How::TimeLimit, _) => {
            format!("did not end within {took} and was killed with all it had started (command_timeout)")
        }
        (How::NotStarted, Some(reason)) => format!("could not be started: {reason}"),
        (How::Killed | How::KilledAfterTimeout | How::StoppedOrderly, _) => format!("was ended after {took}"),
        _ => format!("ended with {} after {took}", crate::instances::exit_how(exited)),
    };
    Outcome::Failed { reason, tail }
}
