//! `bellrock upgrade` on releases that erlc makes: exit codes, formats, files.
#![allow(clippy::unwrap_used, reason = "clippy knows tests by their attribute, not their helpers")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const SERVER: &str = "-module(till).\n-behaviour(gen_server).\n-export([init/1, handle_call/3, handle_cast/2]).\n\
    init([]) -> {ok, STATE}.\nhandle_call(_, _, #{n := N} = S) -> {reply, REPLY, S}.\n\
    handle_cast(_, S) -> {noreply, S}.\n";

/// A release of rebar3's form with one application of one module.
fn release(folder: &Path, version: &str, state: &str, reply: &str) -> PathBuf {
    let root = folder.join(version);
    let ebin = root.join(format!("lib/shop-{version}/ebin"));
    let releases = root.join("releases").join(version);
    for folder in [&ebin, &releases, &root.join("bin")] {
        fs_err::create_dir_all(folder).unwrap();
    }
    let source = folder.join("till.erl");
    fs_err::write(&source, SERVER.replace("STATE", state).replace("REPLY", reply)).unwrap();
    let compiled = Command::new("erlc").arg("-o").arg(&ebin).arg(&source).output().unwrap();
    assert!(compiled.status.success(), "{compiled:?}");
    let app = format!(
        "{{application, shop, [{{vsn, \"{version}\"}}, {{modules, [till]}}, {{applications, []}}]}}."
    );
    fs_err::write(ebin.join("shop.app"), app).unwrap();
    let rel =
        format!("{{release, {{\"shop\", \"{version}\"}}, {{erts, \"13.1.5\"}}, [{{shop, \"{version}\"}}]}}.");
    fs_err::write(releases.join("shop.rel"), rel).unwrap();
    fs_err::write(releases.join("sys.config"), "[].").unwrap();
    fs_err::write(root.join("releases/start_erl.data"), format!("13.1.5 {version}")).unwrap();
    let script = root.join("bin/shop");
    fs_err::write(&script, "#!/bin/sh\n# foreground\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs_err::set_permissions(&script, mode).unwrap();
    root
}

fn bellrock(arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bellrock"));
    let Output { status, stdout, stderr } = command.args(arguments).env("NO_COLOR", "1").output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[test]
fn exit_codes_and_formats_for_pipelines() {
    let folder = tempfile::tempdir().unwrap();
    let path = |root: PathBuf| root.to_str().unwrap().to_owned();
    let old = path(release(folder.path(), "1.0.0", "#{n => 0}", "N"));
    let fixed = path(release(folder.path(), "1.0.1", "#{n => 0}", "N + 1"));
    let other = path(release(folder.path(), "2.0.0", "#{n => 0, max => 9}", "{N, maps:get(max, S)}"));
    let check = |arguments: &[&str]| bellrock(&[&["upgrade", "check"], arguments].concat());

    let (code, said, _) = check(&[&old, &fixed]);
    assert_eq!(code, 0, "{said}");
    assert!(said.starts_with("shop  1.0.0 → 1.0.1  hot  load code"), "{said}");
    let (code, said, _) = check(&[&old, &other]);
    assert_eq!(code, 11, "{said}");
    assert!(said.contains("BR-H020"), "{said}");
    let (code, said, _) = check(&[&old, &other, "--force", "br-h020"]);
    assert_eq!((code, said.contains("(forced)")), (10, true), "{said}");
    let (code, said, _) = check(&[&old, &other, "--module", "till=restart"]);
    assert_eq!((code, said.contains("restart processes of")), (10, true), "{said}");
    assert_eq!(check(&[&old, &fixed, "--upgrade", "never"]).0, 11);

    let (code, _, said) = check(&[&old, "/nowhere.tar.gz"]);
    assert_eq!((code, said.contains("/nowhere.tar.gz")), (12, true), "{said}");
    assert_eq!(check(&[&old, &fixed, "--force", "BR-X1"]).0, 2);

    let json: Value = serde_json::from_str(&check(&[&old, &fixed, "--format", "json"]).1).unwrap();
    assert_eq!((&json["verdict"], &json["level"]), (&"hot".into(), &"load".into()));
    assert_eq!(json["steps"]["load"][0]["functions"], serde_json::json!(["handle_call/3"]));
    let file = folder.path().join("upgrade.sarif");
    let (code, said, _) = check(&[&old, &other, "--format", "sarif", "--output", file.to_str().unwrap()]);
    assert_eq!((code, said.as_str()), (11, ""));
    let sarif: Value = serde_json::from_slice(&fs_err::read(&file).unwrap()).unwrap();
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "BR-H020");
    assert!(check(&[&old, &other, "--format", "markdown"]).1.starts_with("### shop 1.0.0 → 2.0.0: full"));
}

#[test]
fn relups_are_written_where_they_are_wanted_and_refused_where_they_would_break() {
    let folder = tempfile::tempdir().unwrap();
    let path = |root: PathBuf| root.to_str().unwrap().to_owned();
    let old = path(release(folder.path(), "1.0.0", "#{n => 0}", "N"));
    let fixed = path(release(folder.path(), "1.0.1", "#{n => 0}", "N + 1"));
    let other = path(release(folder.path(), "2.0.0", "#{n => 0, max => 9}", "{N, maps:get(max, S)}"));
    let into = path(folder.path().join("made"));

    let (code, said, problem) = bellrock(&["upgrade", "relup", &old, &fixed, "--into", &into]);
    assert_eq!(code, 0, "{said}{problem}");
    let appup = fs_err::read_to_string(format!("{into}/shop.appup")).unwrap();
    assert!(appup.contains("{load_module,till,soft_purge,soft_purge,[]}"), "{appup}");
    let relup = fs_err::read_to_string(format!("{into}/relup")).unwrap();
    assert_eq!(relup.matches("point_of_no_return").count(), 2, "both ways: {relup}");

    let (code, _, problem) = bellrock(&["upgrade", "relup", &old, &other, "--into", &into]);
    assert_eq!((code, problem.contains("BR-H020")), (11, true), "{problem}");
    let (code, _, problem) = bellrock(&["upgrade", "relup", &old, &old, "--into", &into]);
    assert_eq!(code, 2, "{problem}");
}
