//! Executes the child: everything is prepared before the fork, the rest is a short list of system calls.

#![allow(unsafe_code)]

use crate::listen;
use crate::sys::{self, Fork, Pointers};
use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{self, Pid, Resource, Rlimit, Signal};
use rustix::thread::{self, Gid, Uid};
use std::ffi::{CString, OsStr};
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use wire::shim::{ResourceLimit, Start};

/// A child that was executed.
pub(crate) struct Child {
    pub(crate) pid: Pid,
    pub(crate) pidfd: OwnedFd,
    /// Our ends of its output, non-blocking.
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
}

/// Executes `start` with these additional or replaced variables and these sockets, inside the cgroup whose
/// `cgroup.procs` is given.
///
/// Must be called by the main thread: the parent-death signal fires when the forking *thread* ends.
pub(crate) fn execute(
    start: &Start,
    more_env: &[(String, Vec<u8>)],
    sockets: &[OwnedFd],
    cgroup: Option<BorrowedFd<'_>>,
) -> Result<Child, String> {
    let plan = Plan::new(start, more_env)?;
    let pipe = || pipe_with(PipeFlags::CLOEXEC).map_err(|error| format!("could not make a pipe: {error}"));
    let ((stdout, child_stdout), (stderr, child_stderr), (failure, child_failure)) =
        (pipe()?, pipe()?, pipe()?);
    let child_failure =
        listen::above(child_failure).map_err(|error| format!("could not duplicate a pipe: {error}"))?;
    let null = fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .map_err(|error| format!("could not open /dev/null: {error}"))?;
    let inside = Inside {
        null: null.as_fd(),
        stdout: child_stdout.as_fd(),
        stderr: child_stderr.as_fd(),
        sockets,
        cgroup,
        parent: process::getpid(),
    };
    // SAFETY: the child only runs `become_child` and `report`, which make system calls on prepared values:
    // rustix calls the kernel directly, nothing allocates or takes a lock.
    match unsafe { sys::fork() } {
        Ok(Fork::Child) => {
            let (stage, error) = become_child(&plan, &inside);
            report(&child_failure, stage, error);
            sys::exit_now(127)
        }
        Ok(Fork::Parent(pid)) => {
            drop((child_stdout, child_stderr, child_failure));
            if let Some(text) = read_failure(&failure) {
                let _ = process::waitpid(Some(pid), process::WaitOptions::empty());
                return Err(text);
            }
            own(pid, stdout, stderr)
        }
        Err(error) => Err(format!("could not fork: {error}")),
    }
}

/// The parent's view of a child that runs. Without a pidfd it could not be signalled safely, so it is ended.
fn own(pid: Pid, stdout: OwnedFd, stderr: OwnedFd) -> Result<Child, String> {
    let pidfd = process::pidfd_open(pid, process::PidfdFlags::empty());
    let nonblocking = |pipe: &OwnedFd| fs::fcntl_setfl(pipe, OFlags::NONBLOCK);
    let prepared = nonblocking(&stdout).and_then(|()| nonblocking(&stderr)).and(pidfd);
    prepared.map(|pidfd| Child { pid, pidfd, stdout, stderr }).map_err(|error| {
        // It is our child and not reaped, so its number is its own.
        let _ = process::kill_process(pid, Signal::KILL);
        let _ = process::waitpid(Some(pid), process::WaitOptions::empty());
        format!("could not watch the child: {error}")
    })
}

/// What the child needs, in the form the kernel wants it.
struct Plan {
    program: CString,
    argv: Pointers,
    env: Pointers,
    cwd: CString,
    limits: Vec<(Resource, Rlimit)>,
    groups: Vec<Gid>,
    owner: Option<(Uid, Gid)>,
    umask: Mode,
    no_new_privs: bool,
}

impl Plan {
    fn new(start: &Start, more_env: &[(String, Vec<u8>)]) -> Result<Self, String> {
        let argv: Vec<CString> = start.argv.iter().map(|text| c_string(text)).collect::<Result<_, _>>()?;
        let program = argv.first().cloned().ok_or("no program is given")?;
        let groups =
            start.owner.iter().flat_map(|owner| &owner.groups).map(|gid| Gid::from_raw(*gid)).collect();
        Ok(Self {
            program,
            argv: Pointers::new(argv),
            env: Pointers::new(environment(start, more_env)?),
            cwd: c_string(start.cwd.as_os_str())?,
            limits: start.limits.iter().map(limit).collect(),
            groups,
            owner: start.owner.as_ref().map(|owner| (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid))),
            umask: Mode::from_raw_mode(start.umask.unwrap_or(0o022)),
            no_new_privs: start.no_new_privs,
        })
    }
}

/// The given variables without those that are replaced, then ours.
fn environment(start: &Start, more: &[(String, Vec<u8>)]) -> Result<Vec<CString>, String> {
    let replaced = |name: &OsStr| more.iter().any(|(ours, _)| OsStr::new(ours) == name);
    // heart would restart a BEAM behind our back with this; see `tree::is_heart`.
    let given = start.env.iter().filter(|given| given.name != "HEART_COMMAND" && !replaced(&given.name));
    let given = given.map(|variable| pair(variable.name.as_bytes(), variable.value.as_bytes()));
    given.chain(more.iter().map(|(name, value)| pair(name.as_bytes(), value))).collect()
}

fn pair(name: &[u8], value: &[u8]) -> Result<CString, String> {
    if name.is_empty() || name.contains(&b'=') {
        return Err(format!("{:?} cannot be a variable's name", String::from_utf8_lossy(name)));
    }
    CString::new([name, b"=", value].concat())
        .map_err(|_| format!("the value of {} holds a zero byte", String::from_utf8_lossy(name)))
}

fn c_string(text: &OsStr) -> Result<CString, String> {
    CString::new(text.as_bytes()).map_err(|_| format!("{text:?} holds a zero byte"))
}

fn limit(limit: &wire::shim::Limit) -> (Resource, Rlimit) {
    let resource = match limit.resource {
        ResourceLimit::Nofile => Resource::Nofile,
        ResourceLimit::Core => Resource::Core,
        ResourceLimit::Nproc => Resource::Nproc,
        ResourceLimit::As => Resource::As,
        ResourceLimit::Memlock => Resource::Memlock,
        ResourceLimit::Fsize => Resource::Fsize,
        ResourceLimit::Stack => Resource::Stack,
        ResourceLimit::Cpu => Resource::Cpu,
        ResourceLimit::Data => Resource::Data,
    };
    (resource, Rlimit { current: limit.soft, maximum: limit.hard })
}

/// Descriptors and facts that the child uses after the fork.
struct Inside<'a> {
    null: BorrowedFd<'a>,
    stdout: BorrowedFd<'a>,
    stderr: BorrowedFd<'a>,
    sockets: &'a [OwnedFd],
    cgroup: Option<BorrowedFd<'a>>,
    parent: Pid,
}

/// What the child was doing when it failed.
const STAGES: [&str; 8] = [
    "connect its output",
    "set its limits",
    "change its user and groups",
    "bind its life to the shim",
    "set no_new_privs",
    "enter its working folder",
    "hand over its listening sockets",
    "execute its program",
];

/// Runs in the child. Nothing but its listening sockets is inherited: every other descriptor is close-on-exec.
fn become_child(plan: &Plan, inside: &Inside<'_>) -> (u8, Errno) {
    let _ = process::setsid();
    join_cgroup(inside);
    if let Err(error) = connect_output(inside) {
        return (0, error);
    }
    for (resource, limit) in &plan.limits {
        if let Err(error) = process::setrlimit(*resource, *limit) {
            return (1, error);
        }
    }
    if let Err(error) = change_owner(plan) {
        return (2, error);
    }
    // After the change of user, which clears it; then look whether the shim is gone already.
    if let Err(error) = process::set_parent_process_death_signal(Some(Signal::KILL)) {
        return (3, error);
    }
    if process::getppid() != Some(inside.parent) {
        return (3, Errno::SRCH);
    }
    if plan.no_new_privs
        && let Err(error) = thread::set_no_new_privs(true)
    {
        return (4, error);
    }
    process::umask(plan.umask);
    if let Err(error) = process::chdir(plan.cwd.as_c_str()) {
        return (5, error);
    }
    if let Err(error) = hand_over(inside.sockets) {
        return (6, error);
    }
    sys::reset_signals();
    (7, sys::execute(&plan.program, &plan.argv, &plan.env))
}

/// Best effort, both: without a cgroup the tree is ended process by process; the shim checks afterwards.
fn join_cgroup(inside: &Inside<'_>) {
    if let Some(members) = inside.cgroup {
        let _ = rustix::io::write(members, b"0");
    }
    if let Ok(file) = fs::open(c"/proc/self/oom_score_adj", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()) {
        let _ = rustix::io::write(&file, b"0");
    }
}

fn connect_output(inside: &Inside<'_>) -> Result<(), Errno> {
    rustix::stdio::dup2_stdin(inside.null)?;
    rustix::stdio::dup2_stdout(inside.stdout)?;
    rustix::stdio::dup2_stderr(inside.stderr)
}

/// Puts the sockets at 3, 4 …, over whatever was there: what is still needed, and the sockets themselves, lie above.
fn hand_over(sockets: &[OwnedFd]) -> Result<(), Errno> {
    for (number, socket) in (listen::FIRST..).zip(sockets) {
        // SAFETY: the child is a copy that only goes on to execute a program: nobody else uses the number, and
        // `ManuallyDrop` leaves it open for the program.
        let mut place = ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(number) });
        rustix::io::dup2(socket, &mut place)?;
    }
    Ok(())
}

fn change_owner(plan: &Plan) -> Result<(), Errno> {
    let Some((uid, gid)) = plan.owner else { return Ok(()) };
    thread::set_thread_groups(&plan.groups)?;
    thread::set_thread_res_gid(gid, gid, gid)?;
    thread::set_thread_res_uid(uid, uid, uid)
}

/// Child's last words: the stage and the error number.
fn report(failure: &OwnedFd, stage: u8, error: Errno) {
    let number = error.raw_os_error().to_ne_bytes();
    let _ = rustix::io::write(failure, &[stage, number[0], number[1], number[2], number[3]]);
}

/// `None` once the program is executed, which closes the child's end.
fn read_failure(failure: &OwnedFd) -> Option<String> {
    let mut words = [0; 5];
    loop {
        match rustix::io::read(failure, &mut words) {
            Ok(5) => break,
            Err(Errno::INTR) => {}
            _ => return None,
        }
    }
    let [stage, number @ ..] = words;
    let doing = STAGES.get(usize::from(stage)).copied().unwrap_or("start");
    let error = std::io::Error::from_raw_os_error(i32::from_ne_bytes(number));
    Some(format!("could not {doing}: {error}"))
}
