//! Whether ports are free, and who has them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};

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
        sockets().filter(|socket| socket.port == port).map(|socket| socket.inode).collect();
    let processes = fs_err::read_dir("/proc").ok()?;
    processes.flatten().find_map(|process| {
        let pid: u32 = process.file_name().to_str()?.parse().ok()?;
        let holds = sockets_of(pid).any(|inode| inodes.contains(&inode));
        let name = fs_err::read_to_string(process.path().join("comm")).unwrap_or_default();
        holds.then(|| format!("pid {pid} ({})", name.trim()))
    })
}

/// The ports that some processes listen on, where this user may see it.
pub fn listened_by(pids: &[u32]) -> BTreeSet<u16> {
    let inodes: BTreeSet<String> = pids.iter().flat_map(|pid| sockets_of(*pid)).collect();
    sockets().filter(|socket| inodes.contains(&socket.inode)).map(|socket| socket.port).collect()
}

/// The inodes of the sockets that a process has.
fn sockets_of(pid: u32) -> impl Iterator<Item = String> {
    let descriptors = fs_err::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    descriptors.filter_map(|descriptor| {
        let target = fs_err::read_link(descriptor.path()).ok()?;
        Some(target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
    })
}

/// Every port that somebody listens on, with the addresses. Only reads: unlike [`in_use`] it never holds a port that
/// an instance is about to take.
pub fn listening() -> BTreeMap<u16, Vec<IpAddr>> {
    let mut ports = BTreeMap::<u16, Vec<IpAddr>>::new();
    for socket in sockets() {
        ports.entry(socket.port).or_default().push(socket.address);
    }
    ports
}

/// The addresses on which somebody listens on this port.
pub fn listening_on(port: u16) -> Vec<IpAddr> {
    sockets().filter(|socket| socket.port == port).map(|socket| socket.address).collect()
}

/// A socket that listens.
struct Listening {
    address: IpAddr,
    port: u16,
    inode: String,
}

fn sockets() -> impl Iterator<Item = Listening> {
    ["/proc/net/tcp", "/proc/net/tcp6"].into_iter().flat_map(|table| {
        let text = fs_err::read_to_string(table).unwrap_or_default();
        text.lines().skip(1).filter_map(socket).collect::<Vec<_>>()
    })
}

/// A line of a table of proc(5): `sl local rem st … inode`; state 0A is LISTEN.
fn socket(line: &str) -> Option<Listening> {
    let columns: Vec<&str> = line.split_whitespace().collect();
    if *columns.get(3)? != "0A" {
        return None;
    }
    let (address, port) = columns.get(1)?.split_once(':')?;
    Some(Listening {
        address: parse_address(address)?,
        port: u16::from_str_radix(port, 16).ok()?,
        inode: (*columns.get(9)?).to_owned(),
    })
}

/// The kernel prints each 32 bits of the address as a number of its own byte order.
fn parse_address(text: &str) -> Option<IpAddr> {
    let words: Vec<[u8; 4]> = (0..text.len() / 8)
        .map(|nth| text.get(nth * 8..nth * 8 + 8).and_then(|word| u32::from_str_radix(word, 16).ok()))
        .map(|word| word.map(u32::to_ne_bytes))
        .collect::<Option<_>>()?;
    match words.as_slice() {
        [word] => Some(IpAddr::V4(Ipv4Addr::from(*word))),
        [_, _, _, _] => {
            let bytes: [u8; 16] = words.concat().try_into().ok()?;
            Some(IpAddr::V6(Ipv6Addr::from(bytes)))
        }
        _ => None,
    }
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
        assert_eq!(listening()[&port], [IpAddr::V4(Ipv4Addr::LOCALHOST)]);
        assert!(listened_by(&[std::process::id()]).contains(&port));
        assert!(listened_by(&[]).is_empty());
        drop(listener_);
        assert_eq!(in_use([port]), None);
        assert_eq!(listening_on(port), [] as [IpAddr; 0]);
    }

    #[test]
    fn a_listener_on_ipv6_is_seen_with_its_address() {
        let Ok(listener_) = TcpListener::bind(("::1", 0)) else { return };
        let port = listener_.local_addr().unwrap().port();
        assert_eq!(listening_on(port), [IpAddr::V6(Ipv6Addr::LOCALHOST)]);
    }

    #[test]
    fn connections_are_no_listeners() {
        let established = "0: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000 0 0 42 1";
        assert!(socket(established).is_none());
        assert!(socket("").is_none());
        assert_eq!(parse_address("zz00007F"), None);
    }
}
