//! Modules compiled at the time of the test.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "these tests need files and the installed compilers; the crate does not"
)]
#![allow(dead_code, reason = "no test file needs all of it")]
#![allow(clippy::unwrap_used, reason = "clippy knows tests by their attribute, not their helpers")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use upgrade::inventory::Module;
use upgrade::survey;

/// An empty folder of this name.
pub(crate) fn scratch(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn run(command: &mut Command) {
    let output = command.output().expect("these tests need Debian's erlang and elixir");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// An Erlang module of this text, surveyed.
pub(crate) fn erlang(folder: &Path, name: &str, text: &str) -> Module {
    let source = folder.join(format!("{name}.erl"));
    std::fs::write(&source, text).unwrap();
    run(Command::new("erlc").arg("-o").arg(folder).arg(&source));
    survey_file(&folder.join(format!("{name}.beam"))).1
}

/// A module that was compiled in this folder, stripped and surveyed again.
pub(crate) fn strip(folder: &Path, name: &str) -> Module {
    let path = folder.join(format!("{name}.beam"));
    let script =
        format!("{{ok, [_]}} = beam_lib:strip_files([{path:?}]), halt().", path = path.display().to_string());
    run(Command::new("erl").args(["-noshell", "-eval", &script]));
    survey_file(&path).1
}

/// The modules of a text in Elixir, surveyed, by name.
pub(crate) fn elixir(folder: &Path, text: &str) -> BTreeMap<String, Module> {
    let source = folder.join("source.ex");
    std::fs::write(&source, text).unwrap();
    run(Command::new("elixirc").arg("-o").arg(folder).arg(&source));
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|end| end == "beam"))
        .map(|path| survey_file(&path))
        .collect()
}

pub(crate) fn survey_file(path: &Path) -> (String, Module) {
    let (name, module) = survey::module(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(module.unread, None, "{}", path.display());
    (name, module)
}

/// Every module of the installed OTP and Elixir.
pub(crate) fn installed_modules() -> Vec<PathBuf> {
    let script = "io:put_chars([[F, $\\n] || D <- [code:lib_dir(), \"/usr/lib/elixir/lib\"],
        F <- filelib:wildcard(D ++ \"/*/ebin/*.beam\")]), halt().";
    let output = Command::new("erl").args(["-noshell", "-eval", script]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(PathBuf::from).collect()
}
