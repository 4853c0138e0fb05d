//! Where cgroups of instances can be made: below our own, in the unified (v2) hierarchy.

use std::io;
use std::path::{Path, PathBuf};

use model::settings::Resources;
use wire::shim::CgroupFile;

/// What the names of our groups begin with.
const GROUP: &str = "bellrock";

/// What limits need.
const CONTROLLERS: [&str; 2] = ["memory", "cpu"];

/// A daemon in a group of this name, which systemd makes for `DelegateSubgroup=`, makes others beside it: a group that
/// hands controllers on must not hold processes itself.
const SUBGROUP: &str = "bellrockd";

/// Why instances get no cgroup of their own.
#[derive(Debug, thiserror::Error)]
pub enum NoCgroup {
    /// There is no unified hierarchy.
    #[error("no cgroup2 file system is mounted")]
    NotMounted,
    /// The kernel does not say which group is ours.
    #[error("/proc/self/cgroup names no group in the unified hierarchy")]
    NoGroup,
    /// This user may not make one.
    #[error("a cgroup cannot be made")]
    NotMade(#[from] io::Error),
    /// The kernel is older than 5.14.
    #[error("{0} has no cgroup.kill: the kernel is older than 5.14")]
    NoKill(PathBuf),
}

/// A folder in which shims can make cgroups, if this user may make one.
pub(crate) fn parent(root: &Path) -> Option<PathBuf> {
    make_parent(root).ok()
}

/// Makes a cgroup as a shim would and removes it again; gives the folder that shims make theirs in.
///
/// # Errors
/// [`NoCgroup`].
pub fn rehearse(root: &Path) -> Result<PathBuf, NoCgroup> {
    let parent = make_parent(root)?;
    let group = parent.join(format!("rehearsal-{}", std::process::id()));
    fs_err::create_dir(&group)?;
    let can_kill = group.join("cgroup.kill").exists();
    fs_err::remove_dir(&group)?;
    if can_kill { Ok(parent) } else { Err(NoCgroup::NoKill(parent)) }
}

fn make_parent(root: &Path) -> Result<PathBuf, NoCgroup> {
    let mount = mount_point(&fs_err::read_to_string("/proc/self/mountinfo")?).ok_or(NoCgroup::NotMounted)?;
    let own = own_group(&fs_err::read_to_string("/proc/self/cgroup")?).ok_or(NoCgroup::NoGroup)?;
    let own = mount.join(own.trim_start_matches('/'));
    let group = delegated(&own).join(group_name(root));
    fs_err::create_dir_all(&group)?;
    Ok(group)
}

/// Why limits of memory and CPU do not hold here.
#[derive(Debug, thiserror::Error)]
pub enum NoLimits {
    /// There are no cgroups at all.
    #[error(transparent)]
    NoCgroup(#[from] NoCgroup),
    /// A controller is not there: not delegated, or in the hands of cgroup v1.
    #[error(
        "{folder} has no {controller} controller: it is not delegated, or cgroup v1 has it",
        folder = folder.display()
    )]
    NoController {
        /// The group.
        folder: PathBuf,
        /// `memory` or `cpu`.
        controller: &'static str,
    },
    /// It cannot be handed on to the groups below.
    #[error(
        "the controllers of {folder} cannot be handed on (a group with processes in it must not: under systemd say DelegateSubgroup={SUBGROUP})",
        folder = folder.display()
    )]
    NotHandedOn {
        /// The group.
        folder: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// Hands the controllers that limits need on to the groups of instances. Done twice, it finds them there.
///
/// # Errors
/// [`NoLimits`].
pub fn enable_limits(parent: &Path) -> Result<(), NoLimits> {
    // From the group that was delegated to us down to the one that instances have theirs in.
    for folder in [parent.parent().unwrap_or(parent), parent] {
        hand_on(folder)?;
    }
    Ok(())
}

fn hand_on(folder: &Path) -> Result<(), NoLimits> {
    let words = |file: &str| -> io::Result<Vec<String>> {
        let text = fs_err::read_to_string(folder.join(file))?;
        Ok(text.split_whitespace().map(str::to_owned).collect())
    };
    let has = words("cgroup.controllers").map_err(NoCgroup::from)?;
    if let Some(controller) = CONTROLLERS.into_iter().find(|name| !has.iter().any(|it| it == name)) {
        return Err(NoLimits::NoController { folder: folder.to_owned(), controller });
    }
    let on = words("cgroup.subtree_control").map_err(NoCgroup::from)?;
    if CONTROLLERS.iter().all(|name| on.iter().any(|it| it == name)) {
        return Ok(());
    }
    let wanted = CONTROLLERS.map(|name| format!("+{name}")).join(" ");
    fs_err::write(folder.join("cgroup.subtree_control"), wanted)
        .map_err(|source| NoLimits::NotHandedOn { folder: folder.to_owned(), source })
}

/// What a shim writes into an instance's group for these limits (cgroups(7); `cpu.max` is quota and period in µs).
pub(crate) fn files(resources: &Resources) -> Vec<CgroupFile> {
    let file = |name: &str, value: String| CgroupFile { name: name.to_owned(), value };
    let memory = resources.memory.map(|most| file("memory.max", most.bytes().to_string()));
    // A limit that swap widens is none: the app would crawl where it should be started again.
    let swap = resources.memory.map(|_| file("memory.swap.max", "0".to_owned()));
    // All of an instance or nothing of it: a BEAM without its ports, or ports without it, is of no use.
    let together = resources.memory.map(|_| file("memory.oom.group", "1".to_owned()));
    let cpu = resources.cpu.map(|percent| file("cpu.max", format!("{} 100000", u64::from(percent) * 1000)));
    [memory, swap, together, cpu].into_iter().flatten().collect()
}

/// The cgroup that a process is in, if a shim made it: one below a folder of [`make_parent`].
pub(crate) fn of_instance(pid: u32) -> Option<PathBuf> {
    let group = own_group(&fs_err::read_to_string(format!("/proc/{pid}/cgroup")).ok()?)?;
    let parent = Path::new(&group).parent()?.file_name()?.to_str()?;
    // A unit of systemd that is called like us has a dot in its name, and a group of ours never.
    if !parent.starts_with(GROUP) || parent.contains('.') {
        return None;
    }
    let mount = mount_point(&fs_err::read_to_string("/proc/self/mountinfo").ok()?)?;
    Some(mount.join(group.trim_start_matches('/')))
}

/// The group that we may divide: our own, or the one above where we sit in a subgroup of it.
fn delegated(own: &Path) -> &Path {
    match own.parent() {
        Some(above) if own.file_name().is_some_and(|name| name == SUBGROUP) => above,
        _ => own,
    }
}

/// One group per root, so that the groups of two daemons of one user stay apart.
fn group_name(root: &Path) -> String {
    let plain = |c: char| if c.is_alphanumeric() { c } else { '-' };
    let name: String = root.to_string_lossy().chars().map(plain).collect();
    format!("{GROUP}{}", name.trim_end_matches('-'))
}

/// proc(5), mountinfo: the fifth field is the mount point; the type follows the separator `-`.
fn mount_point(mountinfo: &str) -> Option<PathBuf> {
    let line = mountinfo
        .lines()
        .find(|line| line.split(" - ").nth(1).is_some_and(|rest| rest.starts_with("cgroup2 ")))?;
    line.split(' ').nth(4).map(PathBuf::from)
}

/// cgroups(7): the line of the unified hierarchy is `0::/path`.
fn own_group(cgroup: &str) -> Option<String> {
    cgroup.lines().find_map(|line| line.strip_prefix("0::")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        let mountinfo = "25 30 0:23 / /sys rw - sysfs sysfs rw\n42 25 0:39 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";
        assert_eq!(mount_point(mountinfo), Some("/sys/fs/cgroup/unified".into()));
        assert_eq!(
            own_group("9:name=systemd:/\n0::/system.slice/bellrock.service\n").as_deref(),
            Some("/system.slice/bellrock.service")
        );
    }

    #[test]
    fn a_host_without_the_unified_hierarchy_has_none() {
        let version_1 = "31 25 0:27 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n";
        assert_eq!(mount_point(version_1), None);
        assert_eq!(own_group("9:name=systemd:/\n4:pids:/user\n"), None);
    }

    #[test]
    fn every_root_has_a_group_of_its_own() {
        assert_eq!(group_name(Path::new("/")), "bellrock");
        assert_eq!(group_name(Path::new("/home/ann/demo.1/")), "bellrock-home-ann-demo-1");
    }

    /// Plain files stand for a delegated tree: what is written where is what counts.
    #[test]
    fn controllers_are_handed_on_from_the_delegated_group_down() {
        let folder = tempfile::tempdir().unwrap();
        let parent = folder.path().join("bellrock-root");
        fs_err::create_dir(&parent).unwrap();
        let write = |folder: &Path, file: &str, text: &str| fs_err::write(folder.join(file), text).unwrap();
        for group in [folder.path(), &parent] {
            write(group, "cgroup.controllers", "cpuset cpu io memory pids\n");
            write(group, "cgroup.subtree_control", "\n");
        }
        enable_limits(&parent).unwrap();
        for group in [folder.path(), &parent] {
            let handed_on = fs_err::read_to_string(group.join("cgroup.subtree_control")).unwrap();
            assert_eq!(handed_on, "+memory +cpu");
        }
        // What is on already is left alone: another write could be refused.
        write(&parent, "cgroup.subtree_control", "memory cpu\n");
        write(folder.path(), "cgroup.subtree_control", "cpu memory\n");
        enable_limits(&parent).unwrap();
        assert_eq!(fs_err::read_to_string(parent.join("cgroup.subtree_control")).unwrap(), "memory cpu\n");
        write(&parent, "cgroup.controllers", "memory\n");
        let refused = enable_limits(&parent).unwrap_err().to_string();
        assert!(refused.contains("bellrock-root has no cpu controller"), "{refused}");
        fs_err::remove_file(parent.join("cgroup.controllers")).unwrap();
        assert!(matches!(enable_limits(&parent), Err(NoLimits::NoCgroup(_))));
    }

    #[test]
    fn limits_are_written_as_the_kernel_reads_them() {
        let resources = Resources { memory: Some(model::units::Size(512_000_000)), cpu: Some(150) };
        let written: Vec<String> =
            files(&resources).into_iter().map(|it| format!("{} {}", it.name, it.value)).collect();
        assert_eq!(
            written,
            ["memory.max 512000000", "memory.swap.max 0", "memory.oom.group 1", "cpu.max 150000 100000"]
        );
        assert_eq!(files(&Resources::default()), []);
    }

    #[test]
    fn a_subgroup_of_ours_is_not_divided_but_what_it_is_in() {
        let unit = Path::new("/sys/fs/cgroup/system.slice/bellrock.service");
        assert_eq!(delegated(&unit.join("bellrockd")), unit);
        assert_eq!(delegated(unit), unit);
    }

    /// Whether one can be made here depends on the host, but either way nothing of the rehearsal stays.
    #[test]
    fn a_rehearsal_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let Ok(parent) = rehearse(root.path()) else { return };
        let left = fs_err::read_dir(&parent).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir());
        assert_eq!(left.count(), 0);
        fs_err::remove_dir(parent).unwrap();
    }
}
