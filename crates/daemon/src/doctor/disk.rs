//! Room on the disks that Bellrock and its apps write to.

use std::io;
use std::path::{Path, PathBuf};

use api::doctor::Check;
use model::units::Size;
use rustix::fs::{StatVfsMountFlags, statvfs};

use super::findings::Findings;
use super::scene::Scene;

pub(super) const NAME: &str = "disk";

struct Facts {
    /// Free bytes below which no deployment begins (`min_free_disk`).
    least_bytes: u64,
    folders: Vec<(Folder, Result<Room, String>)>,
}

struct Folder {
    holds: &'static str,
    path: PathBuf,
}

#[derive(Clone, Copy)]
struct Room {
    free_bytes: u64,
    /// `None`: the file system does not count them.
    free_files: Option<u64>,
    read_only: bool,
}

pub(super) fn check(scene: &Scene) -> Check {
    let paths = &scene.site.paths;
    let store = scene.site.settings.store.clone().unwrap_or_else(|| paths.store());
    let folders = [("state", paths.state()), ("logs", paths.logs_root()), ("the store", store)];
    let looked_at = folders.map(|(holds, path)| {
        let room = room(&path).map_err(|error| error.to_string());
        (Folder { holds, path }, room)
    });
    judge(&Facts {
        least_bytes: scene.site.settings.min_free_disk.bytes(),
        folders: looked_at.into_iter().collect(),
    })
}

/// Room where the folder is, or will be when it is made.
fn room(path: &Path) -> io::Result<Room> {
    let existing = path.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    let found = statvfs(existing)?;
    Ok(Room {
        free_bytes: found.f_bavail.saturating_mul(found.f_frsize),
        free_files: (found.f_files > 0).then_some(found.f_favail),
        read_only: found.f_flag.contains(StatVfsMountFlags::RDONLY),
    })
}

fn judge(facts: &Facts) -> Check {
    let mut findings = Findings::new(NAME);
    let mut free = Vec::new();
    for (Folder { holds, path }, room) in &facts.folders {
        let path = path.display();
        match room {
            Err(why) => findings.wrong(
                format!("the disk of {holds} ({path}) cannot be looked at: {why}"),
                format!("see that {path} can be reached by bellrockd"),
            ),
            Ok(room) => {
                complain(&mut findings, facts.least_bytes, &format!("{holds} ({path})"), *room);
                free.push(format!("{} free for {holds}", model::human::bytes(room.free_bytes)));
            }
        }
    }
    findings.or_fine(free.join(", "))
}

fn complain(findings: &mut Findings, least_bytes: u64, folder: &str, room: Room) {
    let least = Size(least_bytes);
    if room.free_bytes < least_bytes {
        findings.wrong(
            format!("only {} are free for {folder}; below {least} no deployment begins", model::human::bytes(room.free_bytes)),
            "free some room: delete versions (bellrock package delete APP VERSION), lower keep_versions or log.keep; or lower min_free_disk in config.toml",
        );
    }
    if room.free_files == Some(0) {
        findings.wrong(
            format!("no more files can be made for {folder}: its file system is out of inodes"),
            "delete files there (df -i shows how many there are)",
        );
    }
    // A store may well be one that this host cannot write.
    if room.read_only && !folder.starts_with("the store") {
        findings.wrong(
            format!("the disk of {folder} is mounted read-only"),
            "look for disk errors (dmesg), then mount it for writing",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOMY: Room = Room { free_bytes: 9_000_000_000, free_files: Some(1_000), read_only: false };

    fn judged(holds: &'static str, room: Result<Room, String>) -> Check {
        let folder = Folder { holds, path: "/var/x".into() };
        judge(&Facts { least_bytes: 500_000_000, folders: vec![(folder, room)] })
    }

    #[test]
    fn too_little_room() {
        let check = judged("state", Ok(Room { free_bytes: 499_999_999, ..ROOMY }));
        assert!(!check.ok && check.detail.contains("state (/var/x)"));
        assert!(check.remedy.unwrap().contains("keep_versions"));
        assert!(judged("state", Ok(Room { free_bytes: 500_000_000, ..ROOMY })).ok);
    }

    #[test]
    fn out_of_inodes() {
        let check = judged("logs", Ok(Room { free_files: Some(0), ..ROOMY }));
        assert!(!check.ok && check.remedy.unwrap().contains("df -i"));
        assert!(judged("logs", Ok(Room { free_files: None, ..ROOMY })).ok, "btrfs counts none");
    }

    #[test]
    fn read_only() {
        let read_only = Room { read_only: true, ..ROOMY };
        assert!(judged("state", Ok(read_only)).remedy.unwrap().contains("dmesg"));
        assert!(judged("the store", Ok(read_only)).ok);
    }

    #[test]
    fn not_to_be_looked_at() {
        let check = judged("state", Err("Stale file handle".into()));
        assert!(!check.ok && check.detail.contains("Stale file handle") && check.remedy.is_some());
    }

    #[test]
    fn room_is_told_for_a_folder_that_is_not_there_yet() {
        let folder = tempfile::tempdir().unwrap();
        let room = room(&folder.path().join("not/yet")).unwrap();
        assert!(room.free_bytes > 0 && !room.read_only);
    }
}
