//! Appups and relups on OTP's own: `systools` takes the appups, `release_handler` the relup, up and down, on a real node.

use std::path::Path;
use std::process::Command;

use upgrade::inventory::Release;
use upgrade::policy::Policy;
use upgrade::relup::{RelupError, write};

use crate::pair::Pair;
use crate::{compile, here, release};

#[test]
fn release_handler_goes_up_and_down_and_up() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new, pair) = releases(folder.path());
    let policy = Policy::default();
    let (up, down) = (upgrade::plan(&old, &new, &policy), upgrade::plan(&new, &old, &policy));
    let written = write(&old, &new, &up, &down).unwrap();
    assert_eq!(written.remarks, Vec::<String>::new());

    let root = folder.path().join("root");
    for (side, release) in [("old", &old), ("new", &new)] {
        lay_out(&pair.side(folder.path(), side), &root, release);
    }
    for (name, text) in &written.appups {
        fs_err::write(root.join(format!("lib/{name}-2.0.0/ebin/{name}.appup")), text).unwrap();
    }
    fs_err::write(root.join("releases/2.0.0/relup"), &written.relup).unwrap();
    let program = format!("{{ok, _}} = compile:file({:?}, [{{outdir, {root:?}}}])", here("handler.erl"));
    let build = format!("{program}, code:add_patha({root:?}), handler:build({root:?}).");
    run(&mut erl(&build), "systools refuses the appups");

    take_there_and_back(&root, "release_handler refuses our relup");

    // and by what systools makes of our appups
    run(&mut erl(&build), "systools refuses the appups");
    fs_err::copy(root.join("made/relup"), root.join("releases/2.0.0/relup")).unwrap();
    take_there_and_back(&root, "release_handler refuses systools' relup");
}

fn take_there_and_back(root: &Path, problem: &str) {
    let mut node = erl(&format!("handler:run({root:?})."));
    node.arg("-boot").arg(root.join("releases/1.0.0/shop")).arg("-pa").arg(root);
    node.args(["-sasl", "releases_dir"]).arg(format!("{:?}", root.join("releases")));
    let relup = fs_err::read_to_string(root.join("releases/2.0.0/relup")).unwrap();
    run(&mut node, &format!("{problem}\n{relup}"));
}

#[test]
fn what_is_not_hot_has_no_relup() {
    let folder = tempfile::tempdir().unwrap();
    let (mut old, new, _) = releases(folder.path());
    old.runtime.erts = Some("12.0".to_owned());
    let policy = Policy::default();
    let (up, down) = (upgrade::plan(&old, &new, &policy), upgrade::plan(&new, &old, &policy));
    assert!(
        matches!(write(&old, &new, &up, &down), Err(RelupError::NotHot { codes, .. }) if codes.contains("BR-H001"))
    );
    old.version = new.version.clone();
    assert_eq!(write(&old, &new, &up, &down), Err(RelupError::SameRelease("2.0.0".to_owned())));
}

fn releases(folder: &Path) -> (Release, Release, Pair) {
    let pair = Pair::all(&here("relup")).remove(0);
    pair.lay_out(folder);
    compile(folder);
    let side = |side: &str| release::read(&pair.side(folder, side));
    (side("old"), side("new"), pair)
}

/// The compiled applications as `lib/{name}-{version}` of one root.
fn lay_out(side: &Path, root: &Path, release: &Release) {
    fs_err::create_dir_all(root.join("releases").join(&release.version)).unwrap();
    for (name, application) in &release.applications {
        let ebin = root.join(&application.folder).join("ebin");
        fs_err::create_dir_all(&ebin).unwrap();
        for entry in fs_err::read_dir(side.join(name).join("ebin")).unwrap() {
            let path = entry.unwrap().path();
            fs_err::copy(&path, ebin.join(path.file_name().unwrap())).unwrap();
        }
        let modules: Vec<&str> = application.modules.keys().map(String::as_str).collect();
        let callback = application.callback.as_ref();
        let callback = callback.map(|it| format!("{{mod, {{{}, []}}}},", it.module)).unwrap_or_default();
        let text = format!(
            "{{application, {name}, [{{description, \"\"}}, {{vsn, {:?}}}, {{registered, []}}, {callback} \
             {{modules, [{}]}}, {{applications, [kernel, stdlib]}}]}}.\n",
            application.version,
            modules.join(", ")
        );
        fs_err::write(ebin.join(format!("{name}.app")), text).unwrap();
    }
}

fn erl(expression: &str) -> Command {
    let mut erl = Command::new("erl");
    erl.args(["-noshell", "-eval", expression]).env("ERL_CRASH_DUMP_BYTES", "0");
    erl
}

fn run(command: &mut Command, problem: &str) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{problem}\n{}: {said}", output.status);
}
