//! Erlang's port mapper: looking at it, whoever runs it, and keeping one.

mod keeper;

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

pub use keeper::{EpmdKeeper, NoEpmd};
pub use model::settings::ports::EPMD_PORT;

use crate::ports;

/// epmd is on this host: one that needs longer does not answer.
const ANSWERS: Duration = Duration::from_secs(2);

/// The request for the names of all nodes (Erlang distribution protocol, "NAMES_REQ"): length 1, then `n`.
const NAMES: [u8; 3] = [0, 1, b'n'];

/// Largest list of names that is read.
const MOST_NAMES_BYTES: u64 = 1 << 20;

/// What is on epmd's port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Addresses that somebody listens on.
    pub addresses: Vec<IpAddr>,
    /// Who listens, where this user may see it.
    pub by: Option<String>,
    /// Whether an epmd answers on 127.0.0.1; else why not.
    pub answers: Result<(), String>,
}

/// Looks, and asks for the names of the nodes; blocks for two seconds at most.
pub fn look() -> Seen {
    look_at(EPMD_PORT)
}

fn look_at(port: u16) -> Seen {
    Seen {
        addresses: ports::listening_on(port),
        by: ports::listener(port),
        answers: ask(port).map(|_| ()).map_err(|error| error.to_string()),
    }
}

/// Names of the nodes that are registered on this host, without their host; blocks for two seconds at most.
///
/// # Errors
/// When no epmd answers on 127.0.0.1.
pub fn names() -> io::Result<Vec<String>> {
    names_at(EPMD_PORT)
}

fn names_at(port: u16) -> io::Result<Vec<String>> {
    let mut text = Vec::new();
    ask(port)?.take(MOST_NAMES_BYTES).read_to_end(&mut text)?;
    Ok(parse_names(&text))
}

/// The names in an epmd's answer, which follow its port in lines such as `name beacon-1 at port 40123`.
fn parse_names(lines: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(lines);
    text.lines().filter_map(|line| Some(line.strip_prefix("name ")?.split(' ').next()?.to_owned())).collect()
}

/// An epmd repeats its own port before the names, which are left to be read.
fn ask(port: u16) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), ANSWERS)?;
    stream.set_read_timeout(Some(ANSWERS))?;
    stream.set_write_timeout(Some(ANSWERS))?;
    stream.write_all(&NAMES)?;
    let mut answer = [0; 4];
    stream.read_exact(&mut answer)?;
    match u32::from_be_bytes(answer) == u32::from(port) {
        true => Ok(stream),
        false => Err(io::Error::new(io::ErrorKind::InvalidData, "it answers, but it is no epmd")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// Answers one connection after reading a names request.
    fn server<A: AsRef<[u8]>>(answer: impl FnOnce(u16) -> A + Send + 'static) -> u16 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 3];
            stream.read_exact(&mut request).unwrap();
            assert_eq!(request, NAMES);
            stream.write_all(answer(port).as_ref()).unwrap();
        });
        port
    }

    #[test]
    fn an_epmd_tells_its_own_port() {
        let port = server(|port| u32::from(port).to_be_bytes());
        let seen = look_at(port);
        assert_eq!(seen.answers, Ok(()));
        assert_eq!(seen.addresses, [IpAddr::V4(Ipv4Addr::LOCALHOST)]);
        assert!(seen.by.unwrap().starts_with(&format!("pid {}", std::process::id())));
    }

    #[test]
    fn names_are_told_without_their_ports() {
        let lines = b"name beacon-1 at port 40123\nname buoy at port 40124\n";
        let port = server(|port| [&u32::from(port).to_be_bytes()[..], &lines[..]].concat());
        assert_eq!(names_at(port).unwrap(), ["beacon-1", "buoy"]);
    }

    #[test]
    fn something_else_on_its_port_is_no_epmd() {
        let port = server(|_| *b"HTTP");
        assert!(look_at(port).answers.unwrap_err().contains("no epmd"));
    }

    #[test]
    fn nobody_there() {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let seen = look_at(port);
        assert!(seen.answers.is_err());
        assert_eq!((seen.addresses, seen.by), (vec![], None));
    }
}
