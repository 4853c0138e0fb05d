//! Going on as another program: everything that the shim knows is handed to the program that it executes in its own
//! place, and everything that stays open stays so. The process is the same, so its child stays its child.
//!
//! ```text
//! old: output flushed → record in a memory file → execve ─▶ new: record read, all descriptors there → goes on
//!      ▲                                 └ failed: goes on        └ otherwise: execve of the old one, whose file it has
//!      └──────────────────────────────────────────────────────────┘
//! ```

use crate::shim::Shim;
use crate::sys::{self, Pointers};
use rustix::fs::{self, MemfdFlags, Mode, OFlags};
use rustix::io::{Errno, FdFlags};
use std::ffi::{CString, OsStr, OsString};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use wire::shim::renewal::{FORMAT, Renewal, TAKE_OVER};

/// In the place of the descriptor of the program before, when there is no way back.
const NO_WAY_BACK: &str = "-";

/// Executes the program; returns why it could not.
pub(crate) fn execute(renewal: &Renewal, program: &Path) -> String {
    match try_execute(renewal, program) {
        Ok(never) => match never {},
        Err(error) => {
            for_each_descriptor(renewal, FdFlags::CLOEXEC);
            format!("could not go on as {}: {}", program.display(), std::io::Error::from(error))
        }
    }
}

fn try_execute(renewal: &Renewal, program: &Path) -> Result<std::convert::Infallible, Errno> {
    let record = renewal.to_record();
    if Renewal::from_record(&record).as_ref() != Ok(renewal) {
        return Err(Errno::MSGSIZE); // longer than a record can be
    }
    let memory = fs::memfd_create(c"bellrock-shim", MemfdFlags::CLOEXEC)?;
    let mut rest = record.as_slice();
    while !rest.is_empty() {
        let written = rustix::io::write(&memory, rest)?;
        rest = &rest[written..];
    }
    let own = fs::open("/proc/self/exe", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    for_each_descriptor(renewal, FdFlags::empty());
    for descriptor in [&memory, &own] {
        rustix::io::fcntl_setfd(descriptor, FdFlags::empty())?;
    }
    let (memory, own) = (memory.as_raw_fd().to_string(), own.as_raw_fd().to_string());
    let state = format!("/proc/self/fd/{}", renewal.folders.state);
    let state = fs::readlink(state.as_str(), Vec::new())?;
    let words = [
        program.as_os_str().as_bytes(),
        renewal.folders.path.as_os_str().as_bytes(),
        state.as_bytes(),
        TAKE_OVER.as_bytes(),
        memory.as_bytes(),
        own.as_bytes(),
    ];
    Err(execute_words(program.as_os_str().as_bytes(), &words))
}

/// Goes on as what the program before handed over; returns only if that is not possible, and there is no way back.
pub(crate) fn take_over(arguments: &[OsString; 5]) -> Result<(), String> {
    let [run, state, _, memory, own] = arguments;
    let (renewal, shim) = match read(memory).and_then(|renewal| Ok((Shim::parts()?, renewal))) {
        Ok((parts, renewal)) => (renewal, parts),
        Err(text) => {
            go_back(run, state, memory, own);
            return Err(text);
        }
    };
    // All that could fail has not: from here on there is no way back, and none is needed.
    for number in [memory, own] {
        drop(number.to_str().and_then(|text| text.parse().ok()).map(sys::own));
    }
    for_each_descriptor(&renewal, FdFlags::CLOEXEC);
    shim.go_on(renewal).run();
    Ok(())
}

fn read(memory: &OsStr) -> Result<Renewal, String> {
    let number = memory.to_str().and_then(|text| text.parse::<u32>().ok());
    let number = number.ok_or("the record's descriptor is no number")?;
    let record = crate::processes::read_file(&format!("/proc/self/fd/{number}"));
    let record = record.map_err(|error| format!("could not read what was handed over: {error}"))?;
    let renewal = Renewal::from_record(&record);
    let renewal = renewal.map_err(|error| format!("what was handed over is no record: {error}"))?;
    if renewal.format != FORMAT {
        return Err(format!("what was handed over has format {}, this is {FORMAT}", renewal.format));
    }
    match renewal.descriptors().into_iter().find(|number| !is_open(*number)) {
        Some(number) => Err(format!("descriptor {number} was not handed over")),
        None => Ok(renewal),
    }
}

fn go_back(run: &OsStr, state: &OsStr, memory: &OsStr, own: &OsStr) {
    let Some(number) = own.to_str().and_then(|text| text.parse::<u32>().ok()) else { return };
    let words = ["bellrock-shim".as_ref(), run, state, TAKE_OVER.as_ref(), memory, NO_WAY_BACK.as_ref()];
    let words = words.map(OsStr::as_bytes);
    execute_words(format!("/proc/self/fd/{number}").as_bytes(), &words);
}

fn execute_words(program: &[u8], words: &[&[u8]]) -> Errno {
    let strings: Result<Vec<CString>, _> = words.iter().map(|word| CString::new(*word)).collect();
    match (CString::new(program), strings) {
        (Ok(program), Ok(argv)) => sys::execute(&program, &Pointers::new(argv), &Pointers::new(Vec::new())),
        _ => Errno::INVAL,
    }
}

fn for_each_descriptor(renewal: &Renewal, flags: FdFlags) {
    for number in renewal.descriptors() {
        // What is not open is found missing by whoever needs it.
        let _ = sys::borrow(number, |descriptor: BorrowedFd<'_>| rustix::io::fcntl_setfd(descriptor, flags));
    }
}

fn is_open(number: u32) -> bool {
    sys::borrow(number, |descriptor: BorrowedFd<'_>| rustix::io::fcntl_getfd(descriptor)).is_ok()
}

/// The number of a descriptor, for the record.
pub(crate) fn number(descriptor: &OwnedFd) -> u32 {
    descriptor.as_raw_fd().unsigned_abs()
}
