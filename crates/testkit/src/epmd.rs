//! One epmd for all hosts of a test run: a host that started its own would take it from the others when it ends.

use std::net::{Ipv4Addr, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Once;

/// Erlang's port mapper's port.
const PORT: u16 = 4369;

/// Starts Debian's epmd unless one listens. It goes on after the tests, as an epmd does: other programs' nodes
/// may have registered with it meanwhile.
///
/// # Panics
/// When there is none and none can be started.
pub fn ensure() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if TcpStream::connect((Ipv4Addr::LOCALHOST, PORT)).is_ok() {
            return;
        }
        let status = Command::new("epmd")
            .args(["-daemon", "-address", "127.0.0.1"])
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .expect("epmd is there; sudo apt-get install erlang");
        // With -daemon it answers when it listens.
        assert!(status.success(), "epmd -daemon ended with {status}");
    });
}
