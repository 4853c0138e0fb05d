//! What is executed for a release's `eval` and `rpc`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use model::app::CommandLine;
use model::settings::PreCommand;
use package::Kind as PackageKind;
use package::tree::Unpacked;

use crate::environment::Environment;
use crate::start::Starter;

/// `eval` and `rpc` by the release's own means; for releases whose script has no `eval` in a VM of its own, that VM
/// is started here.
pub(crate) fn release_argv(
    command: &PreCommand,
    unpacked: &Unpacked,
    tree: &Path,
    erlang_bin: &Path,
    starter: &Starter,
) -> Vec<OsString> {
    let facts = &unpacked.facts;
    let script = tree.join(&starter.script.path).into_os_string();
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
    let version = unpacked.facts.boot_version.as_deref().unwrap_or(&unpacked.facts.version);
    let config = tree.join(format!("releases/{version}/sys.config"));
    let config = Some(config).filter(|config| unpacked.facts.erts.is_some() && config.is_file());
    let mut argv = vm(unpacked, tree, erlang_bin, config.as_deref());
    for folder in code_paths(unpacked, tree) {
        argv.extend(["-pa".into(), folder.into_os_string()]);
    }
    argv.extend(["-eval".into(), EVALUATE.into(), "-extra".into(), expression.into()]);
    argv
}

/// A VM by a release's own runtime, or the host's for one without, that starts none of its applications.
pub(crate) fn vm(
    unpacked: &Unpacked,
    tree: &Path,
    erlang_bin: &Path,
    config: Option<&Path>,
) -> Vec<OsString> {
    let facts = &unpacked.facts;
    let mut argv: Vec<OsString> = Vec::new();
    match &facts.erts {
        Some(erts) => {
            argv.push(tree.join(format!("erts-{erts}/bin/erlexec")).into_os_string());
            let version = facts.boot_version.as_deref().unwrap_or(&facts.version);
            let boot = tree.join(format!("releases/{version}/start_clean"));
            if boot.with_extension("boot").is_file() {
                argv.extend(["-boot".into(), boot.into_os_string()]);
            }
        }
        None => argv.push(erlang_bin.join("erl").into_os_string()),
    }
    if let Some(config) = config {
        argv.extend(["-config".into(), config.into()]);
    }
    argv.extend(["-noshell", "-noinput"].map(OsString::from));
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
pub(crate) fn with_erlang(
    mut environment: Environment,
    command: &CommandLine,
    unpacked: &Unpacked,
    tree: &Path,
    starter: &Starter,
) -> Environment {
    let evaluates = matches!(command, CommandLine::Release(PreCommand::Eval(_)));
    if matches!(command, CommandLine::Release(PreCommand::Eval(_) | PreCommand::Rpc(_))) {
        starter.adapt(&mut environment);
    }
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
