//! Where cgroups of instances can be made: below our own, in the unified (v2) hierarchy.

use std::path::{Path, PathBuf};

/// A folder in which shims can make cgroups, if this user may make one.
pub(crate) fn parent(root: &Path) -> Option<PathBuf> {
    let mount = mount_point(&fs_err::read_to_string("/proc/self/mountinfo").ok()?)?;
    let own = own_group(&fs_err::read_to_string("/proc/self/cgroup").ok()?)?;
    let name: String =
        root.to_string_lossy().chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
    let group =
        mount.join(own.trim_start_matches('/')).join(format!("bellrock{}", name.trim_end_matches('-')));
    fs_err::create_dir_all(&group).ok()?;
    Some(group)
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
        assert_eq!(own_group("9:name=systemd:/\n"), None);
    }
}
