//! The inside of the machine: process 1, which makes a host of it, runs one program and powers it off.
//!
//! The root is the outer host's, read-only; what a host writes to lies in memory.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use rustix::process::{WaitOptions, WaitStatus, wait};
use rustix::system::RebootCommand;

use super::orders::{DISK, ENDED, Orders};

/// File systems of every Linux host, in this order: type, where, options. Devices are there: the kernel sees to that.
const MOUNTS: [(&str, &str, &str); 7] = [
    ("proc", "/proc", "defaults"),
    ("sysfs", "/sys", "defaults"),
    ("cgroup2", "/sys/fs/cgroup", "defaults"),
    ("devpts", "/dev/pts", "defaults"),
    ("tmpfs", "/dev/shm", "mode=1777"),
    ("tmpfs", "/run", "mode=755"),
    ("tmpfs", "/tmp", "mode=1777"),
];

/// Does what the file says, says how that ended, and powers the machine off whatever went wrong.
pub(super) fn run(orders: &Path) -> Result<()> {
    if std::process::id() != 1 {
        bail!("this is the init of a virtual machine, which cargo xtask test-vm boots");
    }
    match live(orders) {
        Ok(ended) => println!("{ENDED}{ended}"),
        Err(error) => println!("{ENDED}an error: {error:#}"),
    }
    rustix::fs::sync();
    rustix::system::reboot(RebootCommand::PowerOff).context("could not power off")
}

/// Returns how the program ended: `status 0`.
fn live(orders: &Path) -> Result<String> {
    // First: they may lie in the outer host's /tmp, which is about to be covered.
    let orders = Orders::read(orders)?;
    for (kind, place, options) in MOUNTS {
        // That of devices comes without folders.
        fs_err::create_dir_all(place)?;
        succeeds("mount", &["-t", kind, "-o", options, kind, place])?;
    }
    rustix::system::sethostname(b"localhost")?;
    succeeds("ip", &["link", "set", "lo", "up"])?;
    let mut command = Command::new(&orders.program);
    command.args(&orders.arguments).env_clear().envs(orders.environment).current_dir("/");
    if orders.has_disk {
        succeeds("mount", &["-t", "ext4", "/dev/ubda", DISK])?;
        command.env("BELLROCK_VM_DISK", DISK);
    }
    let child = command.spawn().with_context(|| format!("could not run {}", orders.program.display()))?;
    reap_until(child.id())
}

/// Takes every orphan that ends, as an init does, until this child has ended.
fn reap_until(child: u32) -> Result<String> {
    loop {
        let Some((pid, status)) = wait(WaitOptions::empty())? else { continue };
        if pid.as_raw_nonzero().get().unsigned_abs() == child {
            return Ok(word(status));
        }
    }
}

fn word(status: WaitStatus) -> String {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(status), _) => format!("status {status}"),
        (None, signal) => format!("signal {}", signal.unwrap_or_default()),
    }
}

fn succeeds(program: &str, arguments: &[&str]) -> Result<()> {
    let line = format!("{program} {}", arguments.join(" "));
    let path = "/usr/sbin:/usr/bin:/sbin:/bin";
    let status = Command::new(program).args(arguments).env("PATH", path).status();
    let status = status.with_context(|| format!("could not run {line}"))?;
    if !status.success() {
        bail!("{line}: {status}");
    }
    Ok(())
}
