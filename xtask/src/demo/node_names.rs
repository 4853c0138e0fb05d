//! Names of Erlang nodes that run on this host, as epmd tells them: two nodes cannot have one name.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::{Result, bail};

/// epmd's port, and its request for all names: a length of two bytes, then `n`.
const EPMD: u16 = 4369;
const NAMES: [u8; 3] = [0, 1, b'n'];

/// No node has the name of one of an app's instances.
pub(crate) fn check_free(app: &str) -> Result<()> {
    if let Some(name) = registered(EPMD).iter().find(|name| is_of(app, name)) {
        bail!(
            "another {app} runs on this host: its Erlang node {name} has the name that the demo's would have; stop it first"
        );
    }
    Ok(())
}

/// None when there is no epmd, or none that answers: then no name is taken.
fn registered(port: u16) -> Vec<String> {
    ask(port).map(|text| names(&text)).unwrap_or_default()
}

fn ask(port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    stream.write_all(&NAMES)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    // the first four bytes are epmd's own port
    Ok(String::from_utf8_lossy(answer.get(4..).unwrap_or_default()).into_owned())
}

/// Lines are `name beacon-1 at port 40123`.
fn names(answer: &str) -> Vec<String> {
    answer
        .lines()
        .filter_map(|line| Some(line.strip_prefix("name ")?.split(' ').next()?.to_owned()))
        .collect()
}

/// `{app}-{place}`, with a `b` in slot b.
fn is_of(app: &str, name: &str) -> bool {
    let place = name.strip_prefix(app).and_then(|rest| rest.strip_prefix('-'));
    place.map(|place| place.trim_end_matches('b')).is_some_and(|place| place.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    #[test]
    fn reads_what_epmd_answers() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 3];
            stream.read_exact(&mut request).unwrap();
            assert_eq!(request, NAMES);
            stream.write_all(b"\x00\x00\x11\x11name shop at port 1\nname beacon-2b at port 40123\n").unwrap();
        });
        assert_eq!(registered(port), ["shop", "beacon-2b"]);
        server.join().unwrap();
    }

    #[test]
    fn where_no_epmd_listens_no_name_is_taken() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        assert!(registered(port).is_empty());
    }

    #[test]
    fn knows_the_names_of_an_apps_instances() {
        for name in ["beacon-1", "beacon-12b"] {
            assert!(is_of("beacon", name), "{name}");
        }
        for name in ["beacon", "beacon-x", "beacons-1", "beacon-20000-1"] {
            assert!(!is_of("beacon", name), "{name}");
        }
    }
}
