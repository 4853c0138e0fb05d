//! A part of cgroup v2 that is handed to a daemon, as an init does.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use testkit::{HostPlan, TempHost};

/// Where systemd puts the daemon with `DelegateSubgroup=bellrockd`.
const SUBGROUP: &str = "bellrockd";

/// How long the kernel may take to let a group go whose last process has ended.
const GONE: Duration = Duration::from_secs(20);

/// A group of this test's own. Dropped after the hosts in it, it is removed with all that is below.
pub(super) struct Delegated {
    path: PathBuf,
}

impl Delegated {
    /// A group with the controllers of memory and CPU, if this kernel has them in cgroup v2 and lets us; else a line says
    /// why there is none. In the virtual machine of `make test-vm` there always is one.
    pub(super) fn new(name: &str) -> Option<Self> {
        let made = Self::make(name);
        let in_vm = std::env::var_os("BELLROCK_VM").is_some();
        match made {
            Ok(group) => Some(group),
            Err(why) if in_vm => panic!("{why}"),
            Err(why) => {
                eprintln!("not tested here, but by make test-vm: {why}");
                None
            }
        }
    }

    fn make(name: &str) -> Result<Self, String> {
        let mounts = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(Path::new);
        let root = mounts.into_iter().find(|mount| mount.join("cgroup.controllers").exists());
        let root = root.ok_or("no cgroup2 file system is mounted")?;
        let has = fs_err::read_to_string(root.join("cgroup.controllers")).map_err(|it| it.to_string())?;
        if !["memory", "cpu"].iter().all(|name| has.split_whitespace().any(|it| it == *name)) {
            return Err(format!(
                "{} has not the controllers of memory and cpu: \"{}\"",
                root.display(),
                has.trim()
            ));
        }
        fs_err::write(root.join("cgroup.subtree_control"), "+memory +cpu").map_err(|it| it.to_string())?;
        let path = root.join(format!("bellrock-test-{name}-{}", std::process::id()));
        fs_err::create_dir_all(path.join(SUBGROUP)).map_err(|it| it.to_string())?;
        Ok(Delegated { path })
    }

    /// The group itself.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The group in which the daemon of a root makes those of its instances.
    pub(super) fn of_instances(&self, host: &TempHost) -> PathBuf {
        let plain = |c: char| if c.is_alphanumeric() { c } else { '-' };
        let name: String = host.root().to_string_lossy().chars().map(plain).collect();
        self.path.join(format!("bellrock{name}"))
    }

    /// A host whose daemon sits as systemd puts it.
    pub(super) async fn host(&self) -> TempHost {
        self.host_in(SUBGROUP).await
    }

    /// A host whose daemon sits in a group below, which is made if it is not there; "" is the group itself.
    pub(super) async fn host_in(&self, below: &str) -> TempHost {
        let group = self.path.join(below);
        fs_err::create_dir_all(&group).unwrap();
        let enter = format!("echo 0 > '{}/cgroup.procs' && exec \"$@\"", group.display());
        let wrapper = ["/bin/sh", "-c", &enter, "sh"].map(str::to_owned).into();
        HostPlan { wrapper, ..HostPlan::default() }.start().await
    }
}

impl Drop for Delegated {
    fn drop(&mut self) {
        let deadline = Instant::now() + GONE;
        while remove(&self.path).is_err() {
            if Instant::now() >= deadline {
                eprintln!("could not remove the cgroup {}", self.path.display());
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Removes a group with those below; its files go with it.
pub(super) fn remove(group: &Path) -> std::io::Result<()> {
    for entry in fs_err::read_dir(group)? {
        let below = entry?.path();
        if below.is_dir() {
            remove(&below)?;
        }
    }
    fs_err::remove_dir(group)
}
