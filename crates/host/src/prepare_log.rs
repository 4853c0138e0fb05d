//! Logs of prepare commands among the papers of versions.
//!
//! A version whose command was run for another version has that run's log too, as hard links: either version may go
//! first. A log is `{effect}-{stream}.log` with what the shim keeps beside it (`.1` …, `.idx`).

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use model::EffectId;

/// Gives a folder the logs of a run that another one keeps, under the number of the effect that did not run it. Says
/// whether there were any; done twice, it finds them there.
///
/// # Errors
/// When a folder cannot be read, or a link cannot be made.
pub(crate) fn keep_too(from: &Path, run: EffectId, to: &Path, effect: EffectId) -> io::Result<bool> {
    let logs = logs(from)?.filter(|(of, _)| *of == run).map(|(_, path)| path).collect::<Vec<_>>();
    if logs.is_empty() {
        return Ok(false);
    }
    fs_err::create_dir_all(to)?;
    for log in logs {
        let name = log.file_name().unwrap_or_default().to_string_lossy();
        let rest = name.strip_prefix(&run.to_string()).unwrap_or_default();
        match fs_err::hard_link(&log, to.join(format!("{effect}{rest}"))) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            done => done?,
        }
    }
    Ok(true)
}

/// Removes the logs of runs that nobody speaks of any more.
///
/// # Errors
/// When a folder cannot be read, or a file cannot be removed.
pub(crate) fn keep_only(folder: &Path, effects: &BTreeSet<EffectId>) -> io::Result<()> {
    for (_, path) in logs(folder)?.filter(|(effect, _)| !effects.contains(effect)) {
        fs_err::remove_file(path)?;
    }
    Ok(())
}

fn logs(folder: &Path) -> io::Result<impl Iterator<Item = (EffectId, PathBuf)>> {
    let entries = match fs_err::read_dir(folder) {
        Ok(entries) => Some(entries),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let entries = entries.into_iter().flatten().flatten();
    Ok(entries.filter_map(|entry| Some((effect_of(entry.file_name().to_str()?)?, entry.path()))))
}

fn effect_of(name: &str) -> Option<EffectId> {
    let (number, _) = name.strip_prefix('e')?.split_once('-')?;
    number.parse().ok().map(EffectId)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs_err::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_log_stays_with_whoever_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("1"), folder.path().join("2"));
        fs_err::create_dir_all(&first).unwrap();
        for name in ["e1-stdout.log", "e1-stdout.log.1", "e1-stderr.log", "e12-stdout.log", "notes"] {
            fs_err::write(first.join(name), name).unwrap();
        }
        for _ in 0..2 {
            assert!(keep_too(&first, EffectId(1), &second, EffectId(30)).unwrap());
        }
        fs_err::remove_dir_all(&first).unwrap();
        assert_eq!(names(&second), ["e30-stderr.log", "e30-stdout.log", "e30-stdout.log.1"]);
        assert_eq!(fs_err::read_to_string(second.join("e30-stdout.log.1")).unwrap(), "e1-stdout.log.1");
        assert!(!keep_too(&first, EffectId(1), &second, EffectId(31)).unwrap(), "it is gone");
    }

    #[test]
    fn logs_of_runs_that_were_replaced_go() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["e1-stdout.log", "e1-stdout.log.idx", "e2-stderr.log", "notes"] {
            fs_err::write(folder.path().join(name), "").unwrap();
        }
        keep_only(folder.path(), &[EffectId(2)].into()).unwrap();
        assert_eq!(names(folder.path()), ["e2-stderr.log", "notes"]);
        keep_only(&folder.path().join("none"), &BTreeSet::new()).unwrap();
    }
}
