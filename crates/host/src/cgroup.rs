//! Where cgroups of instances can be made: below our own, in the unified (v2) hierarchy.

use std::io;
use std::path::{Path, PathBuf};

/// What the names of our groups begin with.
const GROUP: &str = "bellrock";

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
    let group = mount.join(own.trim_start_matches('/')).join(group_name(root));
    fs_err::create_dir_all(&group)?;
    Ok(group)
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
