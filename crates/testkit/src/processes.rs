//! Processes that belong to a host's root: known by the root in their command line or environment.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// A process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// Its arguments, joined by spaces.
    pub command_line: String,
}

/// Every process that has the root's name in its arguments or its environment; never this one.
pub fn below(root: &Path) -> Vec<Process> {
    let own = i32::try_from(std::process::id()).unwrap_or_default();
    let names = fs_err::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.file_name());
    let pids = names.filter_map(|name| name.to_str()?.parse().ok()).filter(|pid| *pid != own);
    pids.filter(|pid| belongs(*pid, root))
        .map(|pid| Process { pid, command_line: command_line(pid) })
        .collect()
}

/// A process's arguments, joined by spaces; empty when it is gone.
pub fn command_line(pid: i32) -> String {
    let bytes = fs_err::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}

/// A process's environment as `NAME=value`; empty when it is gone or somebody else's.
pub fn environment(pid: i32) -> Vec<String> {
    let bytes = fs_err::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let variables = bytes.split(|byte| *byte == 0).filter(|variable| !variable.is_empty());
    variables.map(|variable| String::from_utf8_lossy(variable).into_owned()).collect()
}

/// The addresses that a process listens on by TCP over IPv4; none of somebody else's process.
pub fn listens(pid: i32) -> Vec<SocketAddr> {
    let descriptors = fs_err::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let sockets: Vec<String> = descriptors
        .filter_map(|descriptor| {
            let target = fs_err::read_link(descriptor.path()).ok()?;
            Some(target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
        })
        .collect();
    // A line of the table of proc(5): `sl local rem st … inode`; state 0A is LISTEN.
    let table = fs_err::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap_or_default();
    let listening = table.lines().filter_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let is_its_own = sockets.iter().any(|socket| Some(&socket.as_str()) == columns.get(9));
        let (address, port) = columns.get(1)?.split_once(':')?;
        let address = Ipv4Addr::from(u32::from_str_radix(address, 16).ok()?.to_be());
        let port = u16::from_str_radix(port, 16).ok()?;
        (is_its_own && columns.get(3) == Some(&"0A")).then(|| SocketAddr::from((address, port)))
    });
    listening.collect()
}

/// The user that a process runs as.
pub fn uid(pid: i32) -> Option<u32> {
    let status = fs_err::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Whether a process is there and is no zombie.
pub fn is_alive(pid: i32) -> bool {
    let stat = fs_err::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
}

/// Sends a signal to a process, if it is (still) one of the root's.
pub fn signal(pid: i32, root: &Path, signal: Signal) -> bool {
    let pidfd = Pid::from_raw(pid).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    pidfd.is_some_and(|pidfd| belongs(pid, root) && pidfd_send_signal(&pidfd, signal).is_ok())
}

/// Kills all of a root's processes; returns those that are left at the deadline.
pub fn end_all(root: &Path, within: Duration) -> Vec<Process> {
    let deadline = Instant::now() + within;
    loop {
        let left: Vec<Process> = below(root).into_iter().filter(|process| is_alive(process.pid)).collect();
        // Before the look at the clock: a machine that stood still for a while is no reason to leave them alone.
        for process in &left {
            signal(process.pid, root, Signal::KILL);
        }
        if left.is_empty() || Instant::now() >= deadline {
            return left;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn belongs(pid: i32, root: &Path) -> bool {
    let root = root.as_os_str().as_encoded_bytes();
    let holds = |file| {
        let bytes = fs_err::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        bytes.windows(root.len()).any(|window| window == root)
    };
    holds("cmdline") || holds("environ")
}
