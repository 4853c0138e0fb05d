//! Who may export what, and where to: what an init runs must belong to whom it runs as.
//!
//! Root's init runs scripts as root, so that they, and every folder on the way to them, must be root's alone. An ordinary
//! user's own supervision runs them as that user, who may as well own them.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use api::standalone::{Standalone, StandaloneUser};

use crate::failure::Failure;
use crate::units::Init;

/// Whoever runs this command.
#[derive(Debug)]
pub(super) struct Caller {
    uid: u32,
    /// All of their groups.
    groups: Vec<u32>,
}

impl Caller {
    pub(super) fn us() -> std::io::Result<Self> {
        let mut groups: Vec<u32> = rustix::process::getgroups()?.iter().map(|group| group.as_raw()).collect();
        groups.push(rustix::process::getegid().as_raw());
        Ok(Caller { uid: rustix::process::geteuid().as_raw(), groups })
    }

    pub(super) fn is_root(&self) -> bool {
        self.uid == 0
    }

    /// Root's init must run nothing that an app's user may change.
    pub(super) fn check_init(&self, init: Init) -> Result<(), Failure> {
        let is_roots = matches!(init, Init::Openrc | Init::Sysv);
        if self.is_root() || !is_roots {
            return Ok(());
        }
        Err(Failure::Usage(format!(
            "{} runs scripts as root, so they must be root's: run this command as root",
            init.name()
        )))
    }

    /// Only root gives files to somebody else.
    pub(super) fn check_app(&self, told: &Standalone) -> Result<(), Failure> {
        let StandaloneUser { uid, gid, user, group } = &told.user;
        if self.is_root() || (self.uid == *uid && self.groups.contains(gid)) {
            return Ok(());
        }
        let user = user.clone().unwrap_or_else(|| uid.to_string());
        let group = group.clone().unwrap_or_else(|| gid.to_string());
        Err(Failure::Usage(format!(
            "{} runs as {user} with the group {group}, and its files must be theirs: run this command as {user}, who \
             must be in {group}, or as root",
            told.app
        )))
    }

    /// The folder by its path without links. Who may rename or replace something on the way to it puts files of their own
    /// where root's init runs ours, so for root all of that must be root's.
    pub(super) fn place(&self, folder: &Path) -> Result<PathBuf, Failure> {
        let (Some(around), Some(name)) = (folder.parent(), folder.file_name()) else {
            return Err(Failure::Usage(format!("{} is no folder that could be new", folder.display())));
        };
        let around = fs_err::canonicalize(around).context("the folder around the new one must be there")?;
        if self.is_root() {
            for on_the_way in around.ancestors() {
                let found = fs_err::metadata(on_the_way)?;
                if !is_roots_alone(found.uid(), found.mode()) {
                    return Err(Failure::Usage(format!(
                        "{} is not root's alone: whoever may write there could put something else in the place of what \
                         an init runs as root; name a folder such as /srv/APP/VERSION whose parents belong to root and \
                         are writable by nobody else",
                        on_the_way.display()
                    )));
                }
            }
        }
        Ok(around.join(name))
    }
}

/// Whether nobody but root renames what is root's in a folder; in a sticky one only the owner does.
fn is_roots_alone(uid: u32, mode: u32) -> bool {
    let (is_sticky, others_write) = (mode & 0o1000 != 0, mode & 0o022 != 0);
    uid == 0 && (is_sticky || !others_write)
}

#[cfg(test)]
mod tests {
    use super::*;

    use serde_json::json;

    fn caller(uid: u32, groups: &[u32]) -> Caller {
        Caller { uid, groups: groups.to_vec() }
    }

    fn told(uid: u32, gid: u32) -> Standalone {
        serde_json::from_value(json!({
            "app": "beacon", "version": "1.0.0", "package": "1.0.0", "sha256": "00",
            "settings": api::settings::SettingsJson(Default::default()),
            "user": {"uid": uid, "gid": gid, "user": null, "group": null}, "runtime_bin": null,
            "start": [], "private_files": {}, "places": [],
        }))
        .unwrap()
    }

    #[test]
    fn what_roots_init_runs_is_exported_by_root() {
        for (init, of_users) in
            [(Init::Systemd, true), (Init::Runit, true), (Init::Openrc, false), (Init::Sysv, false)]
        {
            assert!(caller(0, &[0]).check_init(init).is_ok());
            assert_eq!(caller(7, &[7]).check_init(init).is_ok(), of_users, "{init:?}");
        }
    }

    #[test]
    fn others_export_what_is_theirs_by_user_and_group() {
        let told = told(7, 8);
        assert!(caller(0, &[0]).check_app(&told).is_ok());
        assert!(caller(7, &[7, 8]).check_app(&told).is_ok());
        assert!(matches!(caller(7, &[7]).check_app(&told), Err(Failure::Usage(_))));
        assert!(matches!(caller(9, &[8]).check_app(&told), Err(Failure::Usage(_))));
    }

    #[test]
    fn folders_in_which_others_rename_are_not_roots_alone() {
        for (uid, mode, is_roots) in [
            (0, 0o40_755, true),
            (0, 0o41_777, true),
            (0, 0o40_775, false),
            (0, 0o40_757, false),
            (7, 0o40_755, false),
            (7, 0o41_777, false),
        ] {
            assert_eq!(is_roots_alone(uid, mode), is_roots, "{uid} {mode:o}");
        }
    }

    #[test]
    fn root_is_refused_a_folder_that_others_reach_through_a_link_too() {
        let folder = tempfile::tempdir().unwrap();
        let open = folder.path().join("open");
        fs_err::create_dir_all(open.join("srv")).unwrap();
        package::durable::set_mode(&open, 0o777).unwrap();
        let link = folder.path().join("link");
        fs_err::os::unix::fs::symlink(open.join("srv"), &link).unwrap();
        let there = fs_err::canonicalize(open.join("srv")).unwrap().join("new");
        for path in [open.join("srv/new"), link.join("new")] {
            assert_eq!(caller(7, &[7]).place(&path).unwrap(), there);
            assert!(matches!(caller(0, &[0]).place(&path), Err(Failure::Usage(_))), "{}", path.display());
        }
        assert_eq!(caller(0, &[0]).place(Path::new("/usr/new")).unwrap(), Path::new("/usr/new"));
    }
}
