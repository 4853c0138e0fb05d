//! The launcher beside the scripts in whose place it stands: both run, and what they execute is compared.
#![allow(clippy::unwrap_used, reason = "clippy knows tests by their attribute, not their helpers")]

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use package::launch::{LAUNCHER, Launcher, NoLauncher, Origin};
use package::tree::install_version;
use package::{Facts, HostPlatform, Limits};
use serde::Deserialize;

#[derive(Deserialize)]
struct Sample {
    name: String,
    path: PathBuf,
}

/// What `cargo xtask samples` has built.
fn samples() -> Vec<Sample> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
    let target = || std::env::var_os("CARGO_TARGET_DIR").map_or(workspace, PathBuf::from).join("samples");
    let folder = std::env::var_os("BELLROCK_SAMPLES").map_or_else(target, PathBuf::from);
    let list = folder.join("samples.json");
    let Ok(text) = fs_err::read(&list) else {
        panic!("{} is missing: build the samples first: cargo xtask samples", list.display());
    };
    let mut samples: Vec<Sample> = serde_json::from_slice(&text).unwrap();
    for sample in &mut samples {
        sample.path = folder.join(sample.path.file_name().unwrap());
    }
    samples
}

/// Writes down each program that a script executes in the VM's place: its arguments and its environment.
const RECORDER: &str = r##"#!/bin/sh
{
  echo "# run"
  for word in "$@"; do printf '%s\n' "$word"; done
  echo "# environment"
  env | sort
} >>"$RECORD"
"##;

/// A release whose VM is a [`RECORDER`].
struct Release {
    folder: tempfile::TempDir,
    facts: Facts,
}

/// What a script has executed once.
#[derive(Debug, PartialEq)]
struct Run {
    arguments: Vec<String>,
    environment: Vec<String>,
}

impl Release {
    fn of(name: &str) -> Self {
        let samples = samples();
        let sample = samples.iter().find(|sample| sample.name == name).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let version = folder.path().join("version");
        let (host, limits) = (HostPlatform::detect(), Limits::default());
        let unpacked = install_version(&sample.path, None, None, &version, &host, &limits).unwrap();
        let release = Release { facts: unpacked.facts.clone(), folder };
        shell(&format!("cp -rL '{}' '{}'", unpacked.tree().display(), release.root().display()));
        shell(&format!("chmod -R u+w '{}' '{}'", version.display(), release.root().display()));
        let erts = release.facts.erts.clone().unwrap();
        for program in ["erl", "erlexec"] {
            release.write(&format!("erts-{erts}/bin/{program}"), RECORDER, 0o755);
        }
        release.write("tmp/.erlang.cookie", "COOKIE", 0o400);
        release.write(LAUNCHER, &Launcher::of(&release.facts, &release.script()).unwrap().text, 0o755);
        release
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("release")
    }

    fn script(&self) -> String {
        fs_err::read_to_string(self.root().join(&self.facts.start.path)).unwrap()
    }

    fn write(&self, path: &str, text: &str, mode: u32) {
        let path = self.root().join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        if path.exists() {
            fs_err::remove_file(&path).unwrap();
        }
        fs_err::write(&path, text).unwrap();
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Runs a script of it in the environment that an instance gets; `cookie` only where it is the release's own.
    fn execute(&self, script: &str, arguments: &[&str], cookie: Option<&str>) -> (Output, Vec<Run>) {
        let record = self.folder.path().join("record");
        let tmp = self.root().join("tmp");
        let mut command = Command::new(self.root().join(script));
        command.args(arguments).current_dir(self.root()).env_clear();
        command
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", &tmp)
            .env("RELEASE_TMP", &tmp)
            .env("RECORD", &record);
        command.env("RELEASE_NODE", "app-1@web1").env("RELEASE_DISTRIBUTION", "sname");
        command.env("RELX_REPLACE_OS_VARS", "true").env("PORT", "4000");
        command.env("ERL_AFLAGS", "-kernel inet_dist_use_interface {127,0,0,1}");
        command.envs(cookie.map(|cookie| ("RELEASE_COOKIE", cookie)));
        let output = command.output().unwrap();
        let text = fs_err::read_to_string(&record).unwrap_or_default();
        let _ = fs_err::remove_file(&record);
        let runs = text.split("# run\n").skip(1).map(|run| {
            let (arguments, environment) = run.split_once("# environment\n").unwrap();
            let lines = |text: &str| text.lines().map(str::to_owned).collect();
            Run { arguments: lines(arguments), environment: lines(environment) }
        });
        (output, runs.collect())
    }

    /// What its own script executes for `command`, and what the launcher does.
    fn both(&self, command: &[&str]) -> (Vec<Run>, Run) {
        let mut own = command.to_vec();
        if command == ["start"] {
            own = self.facts.start.arguments.iter().map(String::as_str).collect();
        }
        let (output, by_script) = self.execute(&self.facts.start.path, &own, Some("COOKIE"));
        assert!(output.status.success(), "{output:?}");
        let (output, mut runs) = self.execute(LAUNCHER, command, None);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(runs.len(), 1, "the launcher executes the VM and nothing else: {runs:?}");
        (by_script, runs.pop().unwrap())
    }
}

fn shell(command: &str) {
    assert!(Command::new("sh").args(["-c", command]).status().unwrap().success(), "{command}");
}

/// Without an option and its value.
fn without(words: &[String], option: &str) -> Vec<String> {
    let at = words.iter().position(|word| word == option).unwrap_or_else(|| panic!("no {option}: {words:?}"));
    [&words[..at], &words[at + 2..]].concat()
}

/// Variables that are only in `some`.
fn beyond<'r>(some: &'r Run, others: &Run) -> Vec<&'r str> {
    let rest = some.environment.iter().filter(|variable| !others.environment.contains(variable));
    let mut rest: Vec<&str> = rest.map(String::as_str).collect();
    // The shell's own.
    rest.retain(|variable| !["_=", "OLDPWD=", "PWD="].iter().any(|own| variable.starts_with(own)));
    rest
}

#[test]
fn what_mix_and_rebar3_write_is_known() {
    for name in ["beacon-base", "raft-renamed", "umbrella-fore", "buoy-base", "echo-base"] {
        let release = Release::of(name);
        let launcher = Launcher::of(&release.facts, &release.script()).unwrap();
        assert_eq!(launcher.instead_of, Origin::Stock, "{name}");
    }
}

#[test]
fn the_launchers_are_good_shell() {
    for name in ["beacon-base", "buoy-base"] {
        let release = Release::of(name);
        let check = Command::new("shellcheck").args(["-s", "sh"]).arg(release.root().join(LAUNCHER)).output();
        let check = check.unwrap_or_else(|error| panic!("shellcheck: {error}; run tools/setup.sh all"));
        assert!(check.status.success(), "{name}: {}", String::from_utf8_lossy(&check.stdout));
    }
}

#[test]
fn a_script_that_somebody_has_changed_is_told() {
    for (name, line) in [("beacon-base", "export RELEASE_TMP"), ("buoy-base", "cd \"$ROOTDIR\"")] {
        let release = Release::of(name);
        let changed = release.script().replace(line, &format!("ulimit -n 65536\n{line}"));
        let launcher = Launcher::of(&release.facts, &changed).unwrap();
        assert_eq!(launcher.instead_of, Origin::Unknown, "{name}");
    }
}

#[test]
fn nothing_is_launched_past_what_a_script_runs_before_the_vm() {
    let release = Release::of("buoy-base");
    let hooked = release.script().replace("PRE_START_HOOKS=\"\"", "PRE_START_HOOKS=\"hooks/fetch_secrets\"");
    assert_eq!(Launcher::of(&release.facts, &hooked), Err(NoLauncher::Hooks));
    let harmless = release.script().replace("\nPOST_STOP_HOOKS=\"\"", "\nPOST_STOP_HOOKS=\"hooks/tell\"");
    let launcher = Launcher::of(&release.facts, &harmless).unwrap();
    assert_eq!(launcher.instead_of, Origin::Stock, "what a project says in it does not change it");
}

#[test]
fn mix_gets_the_arguments_of_its_own_script_but_the_cookie() {
    let release = Release::of("beacon-base");
    for command in [&["start"][..], &["eval", "IO.puts(\"a b\")"], &["rpc", "IO.puts(\"a b\")"]] {
        let (mut by_script, direct) = release.both(command);
        let by_script = by_script.pop().unwrap();
        let mut expected = without(&by_script.arguments, "-setcookie");
        let mut arguments = direct.arguments.clone();
        if command[0] == "rpc" {
            // A random name, and one option earlier.
            for words in [&mut expected, &mut arguments] {
                *words = without(&without(words, "-sname"), "-args_file");
            }
        }
        assert_eq!(arguments, expected, "{command:?}");
        assert_eq!(beyond(&by_script, &direct), ["RELEASE_COOKIE=COOKIE"], "{command:?}");
        assert_eq!(beyond(&direct, &by_script), [""; 0], "{command:?}");
    }
}

#[test]
fn what_env_sh_says_counts() {
    let release = Release::of("beacon-base");
    let env = "export RELEASE_NODE=tower@web1\nexport RELEASE_MODE=interactive\nexport TIDE=high\n\
               RELEASE_COOKIE=${RELEASE_COOKIE:-THEIRS}\nexport ERL_AFLAGS='-proto_dist inet_tcp'\n";
    release.write("releases/1.0.0/env.sh", env, 0o644);
    let (_, direct) = release.both(&["start"]);
    for pair in [["-sname", "tower@web1"], ["-mode", "interactive"]] {
        assert!(direct.arguments.windows(2).any(|two| two == pair), "{pair:?}: {:?}", direct.arguments);
    }
    let flags = "ERL_AFLAGS=-kernel inet_dist_use_interface {127,0,0,1} -proto_dist inet_tcp";
    for variable in ["TIDE=high", flags] {
        assert!(direct.environment.iter().any(|it| it == variable), "{variable}: {:?}", direct.environment);
    }
    let cookie = || fs_err::read_to_string(release.root().join("tmp/.erlang.cookie")).unwrap();
    assert_eq!(cookie(), "COOKIE", "env.sh found the app's cookie and kept it");

    release.write("releases/1.0.0/env.sh", "export RELEASE_COOKIE=THEIRS\n", 0o644);
    let (_, direct) = release.both(&["start"]);
    assert_eq!(cookie(), "THEIRS");
    assert!(!format!("{direct:?}").contains("THEIRS"), "{direct:?}");
    let file = fs_err::metadata(release.root().join("tmp/.erlang.cookie")).unwrap();
    assert_eq!(file.permissions().mode() & 0o777, 0o400);

    release.write("releases/1.0.0/env.sh", "export HOME=/srv/home\n", 0o644);
    let (output, runs) = release.execute(LAUNCHER, &["start"], None);
    assert!(String::from_utf8_lossy(&output.stderr).contains("env.sh sets HOME"), "{output:?}");
    assert_eq!(runs, []);
}

#[test]
fn each_start_of_mix_has_a_copy_of_its_configuration_that_providers_may_change() {
    let release = Release::of("beacon-base");
    let config = "%% coding: utf-8\n%% RUNTIME_CONFIG=true\n[].\n";
    release.write("releases/1.0.0/sys.config", config, 0o644);
    let mut copies = Vec::new();
    for _ in 0..2 {
        let (_, direct) = release.both(&["start"]);
        let at = direct.arguments.iter().position(|word| word == "-config").unwrap();
        let copy = direct.arguments[at + 1].clone();
        assert!(copy.starts_with(release.root().join("tmp").to_str().unwrap()), "{copy}");
        assert_eq!(fs_err::read_to_string(format!("{copy}.config")).unwrap(), config);
        assert!(direct.environment.contains(&format!("RELEASE_SYS_CONFIG={copy}")), "{direct:?}");
        copies.push(copy);
    }
    assert_ne!(copies[0], copies[1]);
}

#[test]
fn relx_gets_the_arguments_of_its_own_script_but_name_and_cookie_from_us() {
    let release = Release::of("buoy-base");
    let (mut by_script, direct) = release.both(&["start"]);
    let by_script = by_script.pop().unwrap();
    let mut expected = without(&by_script.arguments, "-args_file");
    let end = expected.iter().position(|word| word == "--").unwrap();
    expected.splice(end..end, ["-sname", "app-1@web1"].map(str::to_owned));
    assert_eq!(without(&direct.arguments, "-args_file"), expected);
    let flags = release.root().join("tmp/buoy-vm.args");
    let flags = fs_err::read_to_string(flags).unwrap();
    assert_eq!(flags.split_whitespace().collect::<Vec<_>>(), ["+Bd"], "what else vm.args says stays");
    let names = |variables: Vec<&str>| {
        let names = variables.into_iter().map(|it| it.split('=').next().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    // Its own PROGNAME is a path by mistake; the other is for its own commands.
    assert_eq!(names(beyond(&by_script, &direct)), ["PROGNAME", "RELEASE_COOKIE", "RELX_RPC_TIMEOUT"]);
    assert_eq!(names(beyond(&direct, &by_script)), ["PROGNAME"]);
}

#[test]
fn relx_is_not_started_twice_to_ask_for_the_hosts_name() {
    let release = Release::of("buoy-base");
    release.write("releases/1.0.0/vm.args.src", "-sname buoy\n-setcookie buoy_cookie +P 70000\n", 0o644);
    let (by_script, direct) = release.both(&["start"]);
    assert_eq!(by_script.len(), 2, "a VM to ask, then the node: {by_script:?}");
    assert!(by_script[0].arguments.iter().any(|word| word.contains("node()")), "{by_script:?}");
    assert!(direct.arguments.windows(2).any(|two| two == ["-sname", "app-1@web1"]), "{direct:?}");
    let flags = fs_err::read_to_string(release.root().join("tmp/buoy-vm.args")).unwrap();
    assert_eq!(flags.split_whitespace().collect::<Vec<_>>(), ["+P", "70000"]);
}

#[test]
fn relx_gets_its_environment_into_its_files_as_by_its_own_script() {
    let release = Release::of("buoy-base");
    let config = "[{buoy, [{port, ${PORT}}, {tide, \"${TIDE:-low}\"}, {none, \"${NONE}\"}]}].\n";
    release.write("releases/1.0.0/sys.config.src", config, 0o644);
    release.write(
        "releases/1.0.0/vm.args.src",
        "## ${PORT}\n-name ${RELEASE_NODE}\n+A ${THREADS:-8}\n",
        0o644,
    );
    let rendered = || fs_err::read_to_string(release.root().join("releases/1.0.0/sys.config")).unwrap();
    let (own, by_script) = release.execute("bin/buoy", &["foreground"], Some("COOKIE"));
    assert!(own.status.success() && by_script.len() == 1, "{own:?}");
    let expected = rendered();
    release.write("releases/1.0.0/sys.config", "", 0o644);
    let (direct, runs) = release.execute(LAUNCHER, &["start"], None);
    assert!(direct.status.success() && runs.len() == 1, "{direct:?}");
    assert_eq!(rendered(), expected);
    assert!(expected.contains("{port, 4000}"), "{expected}");
    let flags = fs_err::read_to_string(release.root().join("tmp/buoy-vm.args")).unwrap();
    assert!(flags.contains("+A 8") && !flags.contains("-name"), "{flags}");
}

#[test]
fn without_distribution_no_name_is_given() {
    for name in ["beacon-base", "buoy-base"] {
        let release = Release::of(name);
        let script = release.root().join(LAUNCHER);
        let text = fs_err::read_to_string(&script).unwrap();
        let off = text.replacen("set -e\n", "set -e\nexport RELEASE_DISTRIBUTION=none\n", 1);
        release.write(LAUNCHER, &off, 0o755);
        let (output, runs) = release.execute(LAUNCHER, &["start"], None);
        assert!(output.status.success(), "{output:?}");
        let named = runs[0].arguments.iter().find(|word| ["-sname", "-name"].contains(&word.as_str()));
        assert_eq!(named, None, "{name}: {runs:?}");
        if name == "beacon-base" {
            continue;
        }
        let (output, runs) = release.execute(LAUNCHER, &["rpc", "erlang node"], None);
        assert!(String::from_utf8_lossy(&output.stderr).contains("has no name"), "{output:?}");
        assert_eq!(runs, []);
    }
}
