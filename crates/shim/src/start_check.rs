//! Whether a Start can be obeyed at all.

use crate::listen;
use std::ffi::OsString;
use std::path::Path;
use wire::shim::{SetRun, Start};

/// What is wrong with it, if anything.
pub(crate) fn check(start: &Start, id: &str) -> Result<(), String> {
    if start.id != id {
        return Err(format!("this is the shim of {id}, not of {}", start.id));
    }
    check_run(&start.argv, &start.cwd)?;
    for log in [&start.stdout, &start.stderr] {
        if !log.path.as_os_str().is_empty() {
            absolute("log", &log.path)?;
        }
    }
    listen::check(&start.listen)
}

/// What is wrong with what is to be started later, if anything.
pub(crate) fn check_later(run: &SetRun) -> Result<(), String> {
    check_run(&run.argv, &run.cwd)
}

fn check_run(argv: &[OsString], cwd: &Path) -> Result<(), String> {
    let program = argv.first().ok_or("no program is given")?;
    absolute("program", program.as_ref())?;
    absolute("working folder", cwd)
}

fn absolute(what: &str, path: &Path) -> Result<(), String> {
    match path.is_absolute() {
        true => Ok(()),
        false => Err(format!("{what} {:?} is not an absolute path", path.display())),
    }
}
