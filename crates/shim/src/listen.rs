//! Listening sockets that outlive each run of the child: connections wait in their queues meanwhile.

use crate::sys;
use rustix::fd::AsFd;
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};
use std::net::SocketAddr;
use std::os::fd::{OwnedFd, RawFd};
use wire::shim::Listen;

/// Most sockets of a child.
pub(crate) const MOST: usize = 16;

/// The child's first: after standard input, output and error.
pub(crate) const FIRST: RawFd = 3;

/// From here on no descriptor is one that the child gets its sockets at.
const ABOVE: RawFd = FIRST + MOST as RawFd;

/// Sockets in the order of the settings, each at a descriptor that no child uses.
#[derive(Default)]
pub(crate) struct Listeners {
    sockets: Vec<OwnedFd>,
    /// Another shim's, with their addresses, until ours are bound.
    lent: Vec<(String, OwnedFd)>,
}

impl Listeners {
    /// Sockets of another shim, for those that are wanted at the same addresses.
    pub(crate) fn borrowed(lent: Vec<(Listen, OwnedFd)>) -> Result<Self, Errno> {
        let lent = lent.into_iter().map(|(listen, socket)| Ok((listen.address, above(socket)?)));
        Ok(Self { sockets: Vec::new(), lent: lent.collect::<Result<_, Errno>>()? })
    }

    /// As the program before has handed them over.
    pub(crate) fn handed(sockets: Vec<u32>) -> Self {
        Self { sockets: sockets.into_iter().map(sys::own).collect(), lent: Vec::new() }
    }

    /// Binds those that are not yet bound, in order; what was bound stays so when a later one fails.
    pub(crate) fn bind(&mut self, wanted: &[Listen]) -> Result<(), String> {
        for listen in wanted.iter().skip(self.sockets.len()) {
            let socket = match self.lent.iter().position(|(address, _)| *address == listen.address) {
                Some(place) => self.lent.swap_remove(place).1,
                None => address(listen).and_then(|address| {
                    listen_on(address, listen.backlog).map_err(|error| why(&listen.address, error))
                })?,
            };
            self.sockets.push(socket);
        }
        self.lent.clear();
        Ok(())
    }

    pub(crate) fn sockets(&self) -> &[OwnedFd] {
        &self.sockets
    }
}

/// What is wrong with what shall be listened on, if anything.
pub(crate) fn check(wanted: &[Listen]) -> Result<(), String> {
    if wanted.len() > MOST {
        return Err(format!("{} listening sockets are more than {MOST}", wanted.len()));
    }
    wanted.iter().try_for_each(|listen| address(listen).map(drop))
}

/// A duplicate that [`pass`] does not overwrite.
pub(crate) fn above(descriptor: impl AsFd) -> Result<OwnedFd, Errno> {
    rustix::io::fcntl_dupfd_cloexec(descriptor, ABOVE)
}

fn address(listen: &Listen) -> Result<SocketAddr, String> {
    let text = &listen.address;
    text.parse().map_err(|_| format!("{text:?} is no address to listen on: it must be ip:port"))
}

fn listen_on(address: SocketAddr, backlog: u32) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = above(net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        // So that 0.0.0.0 and [::] do not exclude each other.
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    net::bind(&socket, &address)?;
    let queue = if backlog == 0 { i32::MAX } else { i32::try_from(backlog).unwrap_or(i32::MAX) };
    net::listen(&socket, queue)?;
    Ok(socket)
}

fn why(address: &str, error: Errno) -> String {
    format!("could not listen on {address}: {}", std::io::Error::from(error))
}
