//! Whether ports are free.

use std::net::{Ipv4Addr, TcpListener};

/// The first of the ports that somebody listens on.
///
/// Binding to all addresses fails when anybody listens on any of them; `SO_REUSEADDR`, which the standard library
/// sets, lets connections that are closing down not count.
pub fn in_use(ports: impl IntoIterator<Item = u16>) -> Option<u16> {
    ports.into_iter().find(|port| TcpListener::bind((Ipv4Addr::UNSPECIFIED, *port)).is_err())
}

/// Who listens on a port, as `pid 123 (nginx)`, where this user may see it.
pub fn listener(port: u16) -> Option<String> {
    let inodes: Vec<String> =
        ["/proc/net/tcp", "/proc/net/tcp6"].iter().flat_map(|table| listening_inodes(table, port)).collect();
    let processes = fs_err::read_dir("/proc").ok()?;
    processes.flatten().find_map(|process| {
        let pid: u32 = process.file_name().to_str()?.parse().ok()?;
        let descriptors = fs_err::read_dir(process.path().join("fd")).ok()?;
        let holds = descriptors.flatten().any(|descriptor| {
            let target = fs_err::read_link(descriptor.path()).unwrap_or_default();
            inodes.iter().any(|inode| target.as_os_str() == format!("socket:[{inode}]").as_str())
        });
        let name = fs_err::read_to_string(process.path().join("comm")).unwrap_or_default();
        holds.then(|| format!("pid {pid} ({})", name.trim()))
    })
}

/// Inodes of the sockets that listen on a port, from a table of proc(5): `sl local rem st … inode`.
fn listening_inodes(table: &str, port: u16) -> Vec<String> {
    let text = fs_err::read_to_string(table).unwrap_or_default();
    let ending = format!(":{port:04X}");
    text.lines()
        .skip(1)
        .filter_map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let listens = columns.get(1)?.ends_with(&ending) && *columns.get(3)? == "0A";
            listens.then(|| columns.get(9).map(ToString::to_string)).flatten()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_found_and_named() {
        let listener_ = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener_.local_addr().unwrap().port();
        assert_eq!(in_use([port]), Some(port));
        assert!(listener(port).unwrap().starts_with(&format!("pid {} ", std::process::id())));
        drop(listener_);
        assert_eq!(in_use([port]), None);
    }
}
