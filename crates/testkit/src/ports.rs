//! Ports that no two hosts of any test program on this machine have at once.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};

/// Ports of a block: enough for several apps.
pub const BLOCK: u16 = 60;

/// Below the ports that Linux gives to outgoing connections (32768).
const FIRST: u16 = 20_000;
const LAST: u16 = 32_000;

/// Where the blocks' locks lie; the files stay, the locks end with their holder.
const LOCKS: &str = "/tmp/bellrock-test-ports";

/// A block of ports, held until dropped.
#[derive(Debug)]
pub struct PortBlock {
    first: u16,
    given: u16,
    _lock: File,
}

impl PortBlock {
    /// Takes a block of which nobody listens on any port. `sweep` gets the number of each block that was nobody's,
    /// to end what a killed test program may have left on its ports.
    ///
    /// # Panics
    /// When there is none.
    pub fn take(sweep: impl Fn(u16)) -> Self {
        // Everybody may use the locks, whoever made the folder first.
        if std::fs::create_dir(LOCKS).is_ok() {
            let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o1777);
            fs_err::set_permissions(LOCKS, everybody).expect("the folder is ours");
        }
        let mut blocks = (FIRST..LAST).step_by(BLOCK.into());
        let taken = blocks.find_map(|first| {
            let lock = lock(first)?;
            sweep(first);
            let free = (first..first + BLOCK).all(is_free);
            free.then_some(PortBlock { first, given: 0, _lock: lock })
        });
        taken.expect("200 blocks are more than all tests of a machine need")
    }

    /// The first port: a number that no other holder has.
    pub fn number(&self) -> u16 {
        self.first
    }

    /// So many ports in a row; returns the first.
    ///
    /// # Panics
    /// When the block is used up.
    pub fn next(&mut self, count: u16) -> u16 {
        let port = self.first + self.given;
        self.given += count;
        assert!(self.given <= BLOCK, "a host's {BLOCK} ports are used up");
        port
    }
}

fn lock(first: u16) -> Option<File> {
    let path = Path::new(LOCKS).join(first.to_string());
    let mode = Mode::from_raw_mode(0o666);
    let file = open(&path, OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC, mode).ok()?;
    flock(&file, FlockOperation::NonBlockingLockExclusive).ok()?;
    Some(File::from(file))
}

/// Whether nobody listens on a port.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
}
