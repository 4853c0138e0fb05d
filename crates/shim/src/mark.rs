//! The random mark in the environment of everything a shim starts.

use rustix::fs::{Mode, OFlags, open};

/// 128 bits in hexadecimal.
pub(crate) fn random() -> Result<String, String> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let mut bytes = [0u8; 16];
    let source = open("/dev/urandom", flags, Mode::empty());
    let read = source.and_then(|source| rustix::io::read(&source, &mut bytes[..]));
    match read {
        Ok(16) => Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
        _ => Err("could not read /dev/urandom".to_owned()),
    }
}
