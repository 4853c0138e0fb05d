//! The few calls that no safe wrapper offers.

#![allow(unsafe_code)]

use rustix::io::Errno;
use std::ffi::{CString, c_char, c_int};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

/// Which side of a fork this is.
pub(crate) enum Fork {
    Child,
    Parent(rustix::process::Pid),
}

/// fork(2).
///
/// # Safety
/// If the process has other threads, the child may only make async-signal-safe calls (no allocation, no lock)
/// until it executes a program or exits.
pub(crate) unsafe fn fork() -> Result<Fork, Errno> {
    // SAFETY: the caller keeps the child to async-signal-safe calls.
    match unsafe { libc::fork() } {
        -1 => Err(last_error()),
        0 => Ok(Fork::Child),
        pid => rustix::process::Pid::from_raw(pid).map(Fork::Parent).ok_or(Errno::SRCH),
    }
}

/// Ends the process at once, without running anything.
pub(crate) fn exit_now(status: c_int) -> ! {
    // SAFETY: _exit has no preconditions.
    unsafe { libc::_exit(status) }
}

/// Closes every descriptor from 3 on: the caller may have left some open for us.
pub(crate) fn close_inherited() {
    // SAFETY: called first thing in `main`, before this process has opened a descriptor of its own.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, 3, c_int::MAX, 0) };
    if closed != 0 {
        for descriptor in 3..4096 {
            // SAFETY: as above.
            unsafe { libc::close(descriptor) };
        }
    }
}

/// Takes an OFD lock on the whole file, without waiting; `false`: somebody else has it.
pub(crate) fn lock(file: impl AsFd) -> Result<bool, Errno> {
    // SAFETY: flock is plain data, for which zeros are valid.
    let mut lock: libc::flock = unsafe { MaybeUninit::zeroed().assume_init() };
    lock.l_type = libc::F_WRLCK as _;
    lock.l_whence = libc::SEEK_SET as _;
    // SAFETY: the descriptor is open and `lock` outlives the call.
    let result = unsafe { libc::fcntl(file.as_fd().as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) };
    match result {
        0 => Ok(true),
        _ => match last_error() {
            Errno::AGAIN | Errno::ACCESS => Ok(false),
            error => Err(error),
        },
    }
}

const OUR_SIGNALS: [c_int; 5] = [libc::SIGCHLD, libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT];

/// Blocks the signals that we handle, in this thread and those it starts, and returns the signalfd(2) that
/// reports them.
pub(crate) fn signal_descriptor() -> Result<OwnedFd, Errno> {
    // SAFETY: sigset_t is plain data that sigemptyset initialises; the pointers are valid for the calls; the
    // returned descriptor is new and nobody else's.
    unsafe {
        let mut set: libc::sigset_t = MaybeUninit::zeroed().assume_init();
        libc::sigemptyset(&raw mut set);
        for signal in OUR_SIGNALS {
            libc::sigaddset(&raw mut set, signal);
        }
        libc::sigprocmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut());
        match libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) {
            -1 => Err(last_error()),
            descriptor => Ok(OwnedFd::from_raw_fd(descriptor)),
        }
    }
}

/// Owns a descriptor that the program before left open for us.
pub(crate) fn own(number: u32) -> OwnedFd {
    // SAFETY: the numbers come from the record of the program that executed this one in its place, which left them open
    // for us alone; each is owned once, in `Shim::go_on` and `renewal::take_over`, before anything else is opened.
    unsafe { OwnedFd::from_raw_fd(number as c_int) }
}

/// Uses a descriptor by its number.
pub(crate) fn borrow<T>(
    number: u32,
    with: impl FnOnce(BorrowedFd<'_>) -> Result<T, Errno>,
) -> Result<T, Errno> {
    if number > c_int::MAX as u32 {
        return Err(Errno::BADF);
    }
    // SAFETY: `with` only asks for flags or sets them, which fails on a number that is not open and harms nobody.
    with(unsafe { BorrowedFd::borrow_raw(number as c_int) })
}

/// Bytes of one report of a signalfd.
pub(crate) const SIGNAL_REPORT: usize = size_of::<libc::signalfd_siginfo>();

/// Whether a report (its first field is the signal's number) asks us to end.
pub(crate) fn asks_to_end(report: &[u8]) -> bool {
    let number = report.first_chunk::<4>().map_or(0, |bytes| c_int::from_ne_bytes(*bytes));
    number == libc::SIGTERM || number == libc::SIGINT
}

/// Gives every signal its default action and unblocks all: for a child, before it executes a program.
/// Async-signal-safe.
pub(crate) fn reset_signals() {
    // SAFETY: signal and sigprocmask are async-signal-safe; numbers that libc keeps to itself are refused.
    unsafe {
        for signal in 1..=64 {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut set: libc::sigset_t = MaybeUninit::zeroed().assume_init();
        libc::sigemptyset(&raw mut set);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const set, ptr::null_mut());
    }
}

/// execve(2); returns only on failure. Async-signal-safe.
pub(crate) fn execute(program: &CString, argv: &Pointers, env: &Pointers) -> Errno {
    // SAFETY: `Pointers` are null-terminated arrays of strings that live as long as they.
    unsafe { libc::execve(program.as_ptr(), argv.as_ptr(), env.as_ptr()) };
    last_error()
}

/// A null-terminated array of C strings, made before the fork because the child must not allocate.
pub(crate) struct Pointers {
    pointers: Vec<*const c_char>,
    _strings: Vec<CString>,
}

impl Pointers {
    pub(crate) fn new(strings: Vec<CString>) -> Self {
        let pointers = strings.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect();
        Self { pointers, _strings: strings }
    }

    fn as_ptr(&self) -> *const *const c_char {
        self.pointers.as_ptr()
    }
}

fn last_error() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}
