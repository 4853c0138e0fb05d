//! Files that say how a release is upgraded and configured, as packages bring them.

use beam::{appup, relup, sys_config};

/// Reads the bytes as an appup, a relup and a `sys.config`. What is read is written, read again and is the same.
pub fn upgrade_files(bytes: &[u8]) {
    if let Ok(read) = appup::parse(bytes) {
        assert_eq!(appup::parse(read.print().as_bytes()).expect("what was written can be read"), read);
        for step in read.up_from.iter().chain(&read.down_to) {
            let _ = step.other.matches("1.2.3");
        }
    }
    if let Ok(read) = relup::parse(bytes) {
        assert_eq!(relup::parse(read.print().as_bytes()).expect("what was written can be read"), read);
    }
    if let Ok(read) = sys_config::parse(bytes) {
        let _ = upgrade::survey::environment(&read, "1.0.0");
    }
}
