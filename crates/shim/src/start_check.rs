//! Whether a Start can be obeyed at all.

use crate::listen;
use std::path::Path;
use wire::shim::Start;

/// What is wrong with it, if anything.
pub(crate) fn check(start: &Start, id: &str) -> Result<(), String> {
    if start.id != id {
        return Err(format!("this is the shim of {id}, not of {}", start.id));
    }
    let absolute = |what: &str, path: &Path| match path.is_absolute() {
        true => Ok(()),
        false => Err(format!("{what} {:?} is not an absolute path", path.display())),
    };
    let program = start.argv.first().ok_or("no program is given")?;
    absolute("program", program.as_ref())?;
    absolute("working folder", &start.cwd)?;
    for log in [&start.stdout, &start.stderr] {
        if !log.path.as_os_str().is_empty() {
            absolute("log", &log.path)?;
        }
    }
    listen::check(&start.listen)
}
