//! Where a run's `erl_crash.dump` goes, and how few are kept.

use rustix::fs::{self, AtFlags, Dir, Mode, OFlags};
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use wire::shim::CrashDump;

/// The file of run `run`.
pub(crate) fn path(dump: &CrashDump, id: &str, run: u64) -> PathBuf {
    dump.folder.join(format!("{id}-{run}.dump"))
}

/// The variables that make a BEAM write it there, within bounds.
pub(crate) fn variables(dump: &CrashDump, id: &str, run: u64) -> Vec<(String, Vec<u8>)> {
    let file = path(dump, id, run).into_os_string().as_bytes().to_vec();
    let seconds = dump.seconds.to_string().into_bytes();
    let mut variables =
        vec![("ERL_CRASH_DUMP".to_owned(), file), ("ERL_CRASH_DUMP_SECONDS".to_owned(), seconds)];
    if dump.max_bytes > 0 {
        variables.push(("ERL_CRASH_DUMP_BYTES".to_owned(), dump.max_bytes.to_string().into_bytes()));
    }
    variables
}

/// The dump that run `run` left, if it did.
pub(crate) fn left_by(dump: &CrashDump, id: &str, run: u64) -> Option<PathBuf> {
    let file = path(dump, id, run);
    fs::lstat(&file).ok().map(|_| file)
}

/// Removes all but the newest. The app can write to this folder, so nothing is followed out of it.
pub(crate) fn prune(dump: &CrashDump) {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(folder) = fs::open(&dump.folder, flags, Mode::empty()) else { return };
    let Ok(entries) = Dir::read_from(&folder) else { return };
    let names = entries.filter_map(|entry| Some(entry.ok()?.file_name().to_owned()));
    let dumps = names.filter(|name| name.as_bytes().ends_with(b".dump"));
    let mut dumps: Vec<(i64, CString)> = dumps
        .filter_map(|name| {
            let stat = fs::statat(&folder, &name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
            Some((stat.st_mtime as i64 * 1_000_000_000 + stat.st_mtime_nsec as i64, name))
        })
        .collect();
    dumps.sort_unstable();
    let excess = dumps.len().saturating_sub(dump.keep as usize);
    for (_, name) in &dumps[..excess] {
        let _ = fs::unlinkat(&folder, name, AtFlags::empty());
    }
}
