//! The moment from which a release serves.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// Between two attempts: fine enough for figures in milliseconds, and a small part of a core.
const AGAIN: Duration = Duration::from_micros(500);

/// How long a boot may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Milliseconds from `since` until `GET /health` on this port is answered with 200.
pub fn ms_until_serving(port: u16, since: Instant) -> Result<f64> {
    let deadline = since + PATIENCE;
    loop {
        if get(port, "/health").is_ok() {
            return Ok(ms(since.elapsed()));
        }
        if Instant::now() > deadline {
            bail!("nothing serves on port {port} after {} s", PATIENCE.as_secs());
        }
        std::thread::sleep(AGAIN);
    }
}

/// A restart after a crash, in milliseconds since the crash.
#[derive(Debug, Clone, Copy)]
pub struct Restart {
    /// The kernel has taken down the old process, memory and all, and says so.
    pub ended_ms: f64,
    /// Its supervisor has a new child.
    pub started_ms: f64,
    /// The port is served again.
    pub serving_ms: f64,
}

/// SIGKILL to the process that says it serves on a port, then how long its supervisor takes to have it back.
pub fn ms_from_crash(port: u16) -> Result<Restart> {
    let process = serving_process(port)?;
    let supervisor = parent(process)?;
    let before = children(supervisor);
    let pidfd = pidfd_open(process, PidfdFlags::empty()).context("could not open the app's process")?;
    let since = Instant::now();
    pidfd_send_signal(&pidfd, Signal::KILL).context("could not kill the app")?;
    // Until the kernel has closed its sockets the old one could be mistaken for the new one.
    wait_for_end(&pidfd)?;
    let ended_ms = ms(since.elapsed());
    while children(supervisor).iter().all(|child| before.contains(child)) {
        if since.elapsed() > PATIENCE {
            bail!("nothing was started again after {} s", PATIENCE.as_secs());
        }
        std::thread::sleep(AGAIN);
    }
    let started_ms = ms(since.elapsed());
    Ok(Restart { ended_ms, started_ms, serving_ms: ms_until_serving(port, since)? })
}

fn parent(process: Pid) -> Result<i32> {
    let stat = fs_err::read_to_string(format!("/proc/{process}/stat"))?;
    // behind the name, which may hold anything: state, parent
    let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok());
    parent.context("the kernel tells no parent")
}

/// Children of a process's main thread, which is the one that supervisors fork in.
pub fn children(of: i32) -> Vec<i32> {
    let listed = fs_err::read_to_string(format!("/proc/{of}/task/{of}/children")).unwrap_or_default();
    listed.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// The process that serves on a port, by its own word.
pub fn serving_process(port: u16) -> Result<Pid> {
    let page: serde_json::Value = serde_json::from_str(&get(port, "/")?)?;
    // one sample says it as text
    let pid = page["pid"].as_i64().or_else(|| page["pid"].as_str()?.parse().ok());
    let pid = pid.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    pid.with_context(|| format!("the page on port {port} tells no pid"))
}

/// A page's body; an error unless its status is 200.
pub fn get(port: u16, path: &str) -> Result<String> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("an incomplete answer")?;
    if head.split(' ').nth(1) != Some("200") {
        bail!("port {port} answers {}", head.lines().next().unwrap_or_default());
    }
    Ok(body.to_owned())
}

/// Waits until the kernel has taken down a killed process.
pub fn wait_for_end(pidfd: &impl rustix::fd::AsFd) -> Result<()> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let within = Timespec { tv_sec: 20, tv_nsec: 0 };
    match poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&within)) {
        Ok(0) => bail!("a killed process did not end"),
        other => other.map(drop).context("could not wait for a process"),
    }
}

/// A duration as milliseconds with their fraction.
pub fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
