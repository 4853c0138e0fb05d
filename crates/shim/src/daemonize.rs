//! From a program somebody started to a process of its own: double fork, own session, nothing inherited.
//!
//! The first process lives until the shim listens (or could not), so whoever started it waits for *it*, sees
//! why it failed on its stderr, and never has to wait for the shim itself.

use crate::folders::Folders;
use crate::shim::Shim;
use crate::sys::{self, Fork};
use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use std::os::fd::OwnedFd;
use std::path::Path;

/// Becomes the shim in the background; returns in the process that was started.
pub(crate) fn run(run: &Path, state: &Path) -> Result<(), String> {
    sys::close_inherited();
    let (ready, tell) = pipe_with(PipeFlags::CLOEXEC).map_err(|error| format!("no pipe: {error}"))?;
    match fork()? {
        Fork::Parent(_) => {
            drop(tell);
            wait_until_ready(&ready)
        }
        Fork::Child => {
            drop(ready);
            let _ = rustix::process::setsid();
            match fork() {
                Ok(Fork::Child) => be_the_shim(run, state, tell),
                _ => sys::exit_now(0),
            }
        }
    }
}

#[allow(unsafe_code)]
fn fork() -> Result<Fork, String> {
    // SAFETY: only the main thread exists yet, so the child may do as it likes.
    unsafe { sys::fork() }.map_err(|error| format!("could not fork: {error}"))
}

/// The shim says `+`, or why it ends.
fn wait_until_ready(ready: &OwnedFd) -> Result<(), String> {
    let mut told = Vec::new();
    let mut buffer = [0; 512];
    loop {
        match rustix::io::read(ready, &mut buffer) {
            Ok(0) => break,
            Ok(length) => told.extend_from_slice(&buffer[..length]),
            Err(Errno::INTR) => {}
            Err(error) => return Err(format!("could not hear from the shim: {error}")),
        }
    }
    match told.as_slice() {
        b"+" => Ok(()),
        b"" => Err("the shim ended before it was ready".to_owned()),
        text => Err(String::from_utf8_lossy(text).into_owned()),
    }
}

fn be_the_shim(run: &Path, state: &Path, tell: OwnedFd) -> ! {
    match prepare(run, state) {
        Ok(shim) => {
            let _ = rustix::io::write(&tell, b"+");
            drop(tell);
            shim.run();
            sys::exit_now(0)
        }
        Err(text) => {
            let _ = rustix::io::write(&tell, text.as_bytes());
            sys::exit_now(1)
        }
    }
}

fn prepare(run: &Path, state: &Path) -> Result<Shim, String> {
    let folders = Folders::open(run, state)?;
    detach().map_err(|error| format!("could not detach: {error}"))?;
    Shim::new(folders)
}

/// No terminal, no working folder that keeps a file system busy, private files, orphans come to us.
fn detach() -> Result<(), Errno> {
    let null = fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    rustix::process::chdir("/")?;
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    // The argument is only a flag to the kernel: any process number means yes.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    // Rather an app than the keeper of its history; only root may ask for this.
    if let Ok(file) = fs::open("/proc/self/oom_score_adj", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()) {
        let _ = rustix::io::write(&file, b"-900");
    }
    Ok(())
}
