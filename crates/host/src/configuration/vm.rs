//! What is started to evaluate a configuration.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use model::app::{App, CommandLine};
use model::settings::{AppSettings, LogSettings, PreCommand};
use package::Kind as PackageKind;
use package::tree::Unpacked;
use wire::shim::{Kind, RestartMode, RestartPolicy, Start};

use super::folder::Folder;
use super::host_file::HostFile;
use super::rendering::{Rendering, version};
use super::{EvaluateError, LIMIT, NextStart};
use crate::commands::{release_argv, vm, with_erlang};
use crate::instances::{log_file, process};
use crate::shim::ShimId;
use crate::site::{Site, SiteError};
use crate::start::Starter;
use crate::users::Account;

/// Names the file that it evaluates.
const EVALUATE: &str = "BELLROCK_EVALUATE";
/// Names the file that it writes.
const ANSWER: &str = "BELLROCK_ANSWER";
/// Bytes of each of its outputs that are kept, twice: the end of them is shown when it fails.
const MOST_OUTPUT: u64 = 256 << 10;

/// Only under this name may it include other files.
const SYS_CONFIG: &str = "sys.config";

/// What the VM of a mix release evaluates, in Elixir.
const BY_MIX: &str = ":ok = :file.eval(System.fetch_env!(\"BELLROCK_EVALUATE\"))";
/// What any other evaluates.
const BY_ERL: &str = "case file:eval(os:getenv(\"BELLROCK_EVALUATE\")) of ok -> halt(0); _ -> halt(1) end.";

/// One evaluation.
pub(super) struct Vm<'a> {
    pub(super) site: &'a Site,
    pub(super) app: &'a App,
    pub(super) start: &'a NextStart,
    pub(super) settings: &'a AppSettings,
    pub(super) account: Option<&'a Account>,
}

impl Vm<'_> {
    /// Puts what it needs into its folder, and says how it is started.
    pub(super) fn start(
        &self,
        folder: &mut Folder,
        id: &ShimId,
        cgroups: Option<PathBuf>,
    ) -> Result<Start, EvaluateError> {
        let NextStart { target, place, slot, tree } = self.start;
        let unpacked = self.site.unpacked(self.app, *target)?;
        let starter = self.site.starter(self.app, *target, &unpacked, tree)?;
        let mut environment = self.site.environment(self.app, *target, *place, *slot, tree)?;
        let command = match unpacked.facts.kind {
            PackageKind::MixRelease => PreCommand::Eval(BY_MIX.to_owned()),
            _ => PreCommand::Eval(BY_ERL.to_owned()),
        };
        let rendering = Rendering { tree, unpacked: &unpacked, environment: &environment };
        let own = HostFile::read(self.settings, &rendering).map_err(SiteError::from)?;
        let path = folder.own();
        let config = self.sys_config(folder, &rendering, own.as_ref());
        let config = config.map_err(|source| EvaluateError::Folder { path, source })?;
        let argv = self.argv(&command, &unpacked, config.as_deref(), &starter)?;
        if let Some(own) = config.filter(|_| unpacked.facts.kind == PackageKind::MixRelease) {
            environment.insert("RELEASE_SYS_CONFIG".into(), own.with_extension("").into());
        }
        environment.insert(EVALUATE.into(), folder.own().join("evaluate").into());
        environment.insert(ANSWER.into(), folder.own().join("answer").into());
        // A VM that does not boot would write its configuration into a dump.
        environment.insert("ERL_CRASH_DUMP_SECONDS".into(), "0".into());
        let environment = with_erlang(environment, &CommandLine::Release(command), &unpacked, tree, &starter);
        let log = |stream| log_file(&folder.log(stream), &short_log(self.settings));
        Ok(Start {
            id: id.to_string(),
            kind: Kind::Task,
            argv,
            cwd: tree.clone(),
            stdout: log("stdout"),
            stderr: log("stderr"),
            restart: RestartPolicy { mode: RestartMode::Never, ..RestartPolicy::standard() },
            time_limit_ms: Some(u64::try_from(LIMIT.as_millis()).unwrap_or(u64::MAX)),
            cgroup_parent: cgroups,
            ..process(environment, self.account, self.settings)
        })
    }

    fn argv(
        &self,
        command: &PreCommand,
        unpacked: &Unpacked,
        config: Option<&Path>,
        starter: &Starter,
    ) -> Result<Vec<OsString>, EvaluateError> {
        let tree = &self.start.tree;
        let erlang_bin = self.site.erlang_bin(unpacked, self.settings)?;
        if unpacked.facts.kind == PackageKind::MixRelease {
            return Ok(release_argv(command, unpacked, tree, &erlang_bin, starter));
        }
        let mut argv = vm(unpacked, tree, &erlang_bin, config);
        argv.extend(["-eval".into(), BY_ERL.into()]);
        Ok(argv)
    }

    /// Where the VM finds its `sys.config`, when that is not the one in its tree: the operator's, or that of a release of
    /// rebar3, with the environment in it.
    fn sys_config(
        &self,
        folder: &mut Folder,
        rendering: &Rendering<'_>,
        own: Option<&HostFile>,
    ) -> std::io::Result<Option<PathBuf>> {
        match (own, rendering.unpacked.facts.kind) {
            (Some(own), _) => folder.put(SYS_CONFIG, &rendering.render(own.text().as_bytes())).map(Some),
            (None, PackageKind::RebarRelease) => packed(folder, rendering),
            (None, _) => Ok(None),
        }
    }
}

/// Its logs do not grow for long.
fn short_log(settings: &AppSettings) -> AppSettings {
    let max_size = model::units::Size(MOST_OUTPUT);
    let log = LogSettings { max_size, max_age: Duration::from_secs(3600), keep: 1 };
    AppSettings { log, ..settings.clone() }
}

/// The `sys.config` of a release of rebar3, with the environment in it; `None`: it has none.
///
/// It is made from what the package brought. What lies in an instance's tree may have been written by the app, which must
/// not choose a file that we read.
fn packed(folder: &mut Folder, rendering: &Rendering<'_>) -> std::io::Result<Option<PathBuf>> {
    let Rendering { tree, unpacked, environment } = rendering;
    if let Some(said) = environment.get(OsStr::new("RELX_CONFIG_PATH")).filter(|path| !path.is_empty()) {
        return Ok(Some(tree.join(said)));
    }
    let version = format!("releases/{}", version(unpacked));
    let brought = unpacked.tree().join(&unpacked.facts.root);
    // At its top first, as the script looks; a template counts more than what it would be rendered to.
    let found = ["", &version].into_iter().find_map(|below| {
        let path = ["sys.config.src", "sys.config"].map(|name| brought.join(below).join(name));
        Some((below, path.into_iter().find(|path| path.is_file())?))
    });
    let Some((below, source)) = found else { return Ok(None) };
    // Files that it includes may stand beside it.
    let path = folder.put(SYS_CONFIG, &rendering.render(&fs_err::read(source)?))?;
    folder.show(&tree.join(below))?;
    Ok(Some(path))
}
