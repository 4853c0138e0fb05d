//! Whom apps run as, and whether they can reach their folders.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use api::doctor::Check;
use host::Paths;
use host::users::Account;
use model::app::App;
use model::settings::AppSettings;

use super::findings::Findings;
use super::scene::Scene;

pub(super) const NAME: &str = "users";

struct Facts {
    /// The name of the user that the daemon runs as.
    daemon: String,
    /// One for each way to say a user.
    wanted: Vec<Wanted>,
}

/// What apps want to run as.
struct Wanted {
    apps: Vec<String>,
    /// `None`: as the daemon.
    account: Result<Option<Account>, String>,
    /// The folders down to the apps' instances.
    folders: Vec<Folder>,
}

struct Folder {
    path: PathBuf,
    mode: u32,
    uid: u32,
    gid: u32,
}

pub(super) fn check(scene: &Scene) -> Check {
    let uid = rustix::process::geteuid().as_raw();
    let daemon = host::users::name_of(uid).unwrap_or_else(|| format!("uid {uid}"));
    judge(&Facts { daemon, wanted: wanted(scene) })
}

fn wanted(scene: &Scene) -> Vec<Wanted> {
    let mut by_user: BTreeMap<_, Vec<(&App, &AppSettings)>> = BTreeMap::new();
    for (app, settings) in scene.settings() {
        by_user.entry((&settings.user, &settings.group)).or_default().push((app, settings));
    }
    let account = |settings: &AppSettings| scene.site.account(settings).map_err(|error| host::chain(&error));
    if by_user.is_empty() {
        let apps = vec!["apps".to_owned()];
        let folders = folders([scene.site.paths.state().join("service")]);
        return vec![Wanted { apps, account: account(&AppSettings::default()), folders }];
    }
    let of_user = |apps: Vec<(&App, &AppSettings)>| Wanted {
        account: account(apps[0].1),
        folders: folders(apps.iter().flat_map(|(app, _)| leaves(&scene.site.paths, app))),
        apps: apps.into_iter().map(|(app, _)| app.name.to_string()).collect(),
    };
    by_user.into_values().map(of_user).collect()
}

/// Where an app's trees, data and crash dumps are.
fn leaves(paths: &Paths, app: &App) -> Vec<PathBuf> {
    let of_place = |place| [paths.service(&app.name, place), paths.data(&app.name, place)];
    let of_places = app.places.keys().flat_map(|place| of_place(*place));
    of_places.chain([paths.crash_dumps(&app.name), paths.commands(&app.name)]).collect()
}

/// The folders and all that they are in, as far as they are there.
fn folders(leaves: impl IntoIterator<Item = PathBuf>) -> Vec<Folder> {
    let all: BTreeSet<PathBuf> = leaves
        .into_iter()
        .flat_map(|leaf| leaf.ancestors().map(Path::to_owned).collect::<Vec<_>>())
        .collect();
    let there = all.into_iter().filter_map(|path| {
        let found = fs_err::metadata(&path).ok()?;
        Some(Folder { mode: found.mode(), uid: found.uid(), gid: found.gid(), path })
    });
    there.collect()
}

fn judge(facts: &Facts) -> Check {
    let mut findings = Findings::new(NAME);
    let mut said = Vec::new();
    for Wanted { apps, account, folders } in &facts.wanted {
        let apps = apps.join(", ");
        match account {
            Err(why) => findings.wrong(
                format!("{apps}: {why}"),
                "useradd --system --shell /usr/sbin/nologin bellrock-apps, then app_user = \"bellrock-apps\" in config.toml",
            ),
            Ok(None) => said.push(format!("{apps}: as {}, like bellrockd", facts.daemon)),
            Ok(Some(account)) => {
                for folder in folders.iter().filter(|folder| !may_enter(account, folder)) {
                    let path = folder.path.display();
                    findings.wrong(
                        format!("{apps}: uid {} may not pass through {path} (mode {:04o}) to its instances", account.uid, folder.mode & 0o7777),
                        format!("chmod o+x {path}"),
                    );
                }
                said.push(format!("{apps}: as uid {}", account.uid));
            }
        }
    }
    findings.or_fine(said.join(", "))
}

/// By owner, group and mode, as path_resolution(7) has it; access control lists are not looked at.
fn may_enter(account: &Account, folder: &Folder) -> bool {
    let bit = match () {
        () if account.uid == 0 => return true,
        () if account.uid == folder.uid => 0o100,
        () if account.gid == folder.gid || account.groups.contains(&folder.gid) => 0o010,
        () => 0o001,
    };
    folder.mode & bit != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: Account = Account { uid: 900, gid: 900, groups: Vec::new() };

    fn folder(path: &str, mode: u32, uid: u32, gid: u32) -> Folder {
        Folder { path: path.into(), mode, uid, gid }
    }

    fn judged(account: Result<Option<Account>, String>, folders: Vec<Folder>) -> Check {
        judge(&Facts {
            daemon: "root".into(),
            wanted: vec![Wanted { apps: vec!["beacon".into()], account, folders }],
        })
    }

    #[test]
    fn a_user_that_is_not_there() {
        let check = judged(Err("there is no user \"web\" on this host".into()), vec![]);
        assert!(!check.ok && check.detail.starts_with("beacon: there is no user"));
        assert!(check.remedy.unwrap().contains("useradd"));
    }

    #[test]
    fn a_folder_on_the_way_that_only_root_may_enter() {
        let way =
            vec![folder("/root/x", 0o755, 0, 0), folder("/root", 0o40700, 0, 0), folder("/", 0o755, 0, 0)];
        let check = judged(Ok(Some(APP)), way);
        assert!(!check.ok);
        assert_eq!(check.detail, "beacon: uid 900 may not pass through /root (mode 0700) to its instances");
        assert_eq!(check.remedy.as_deref(), Some("chmod o+x /root"));
    }

    #[test]
    fn who_may_enter() {
        let enters = |account: &Account, mode, uid, gid| may_enter(account, &folder("/x", mode, uid, gid));
        assert!(enters(&APP, 0o100, 900, 0));
        assert!(!enters(&APP, 0o011, 900, 900), "the owner's bits alone count for the owner");
        assert!(enters(&APP, 0o010, 0, 900));
        assert!(!enters(&APP, 0o001, 0, 900), "the group's bits alone count for its members");
        assert!(enters(&Account { groups: vec![42], ..APP }, 0o010, 0, 42));
        assert!(enters(&APP, 0o001, 0, 0));
        assert!(!enters(&APP, 0o006, 0, 0), "to read a folder is not to enter it");
        assert!(enters(&Account { uid: 0, ..APP }, 0, 5, 5));
    }

    #[test]
    fn the_daemons_own_user_needs_nothing() {
        let check = judged(Ok(None), vec![folder("/home/ann", 0o700, 1_000, 1_000)]);
        assert!(check.ok && check.remedy.is_none());
        assert_eq!(check.detail, "beacon: as root, like bellrockd");
    }

    #[test]
    fn every_folder_up_to_the_top_is_looked_at() {
        let temporary = tempfile::tempdir().unwrap();
        let found = folders([temporary.path().join("not/yet")]);
        assert_eq!(found.last().unwrap().path, temporary.path());
        assert_eq!(found.first().unwrap().path, Path::new("/"));
    }
}
