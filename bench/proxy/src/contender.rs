//! Those that are measured: each stands in front of the same server and does the same work. It passes the host on, adds
//! the client's address to `X-Forwarded-For`, sets `X-Forwarded-Proto` and `-Host`, makes an `X-Request-Id` for the
//! server and tells it to the client, keeps connections to the server, and writes no line per request.

mod haproxy;
mod nginx;
mod ours;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::child::Program;
use crate::upstream::HEADERS;

/// Who can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Name {
    Bellrock,
    Nginx,
    Haproxy,
}

impl Name {
    pub(crate) const ALL: [Name; 3] = [Name::Nginx, Name::Bellrock, Name::Haproxy];

    pub(crate) fn text(self) -> &'static str {
        match self {
            Name::Bellrock => "bellrock-proxy",
            Name::Nginx => "nginx",
            Name::Haproxy => "haproxy",
        }
    }
}

/// One of them, running.
#[derive(Debug)]
pub(crate) struct Contender {
    pub(crate) name: Name,
    pub(crate) address: SocketAddr,
    pub(crate) program: Program,
}

/// Where things are.
#[derive(Debug)]
pub(crate) struct Site<'a> {
    /// For their files.
    pub(crate) folder: &'a Path,
    pub(crate) upstream: SocketAddr,
    /// `bellrock-proxy`.
    pub(crate) proxy: &'a Path,
}

impl Contender {
    /// Starts one, and sees that it does its work.
    pub(crate) fn start(name: Name, site: &Site<'_>) -> Result<Contender> {
        let address = crate::ports::free()?;
        let program = match name {
            Name::Bellrock => ours::start(site, address),
            Name::Nginx => nginx::start(site, address),
            Name::Haproxy => haproxy::start(site, address),
        };
        let contender = Contender { name, address, program: program? };
        contender.check().with_context(|| format!("{} does not do the same work", name.text()))?;
        Ok(contender)
    }

    /// What the server is told, and what the client is.
    fn check(&self) -> Result<()> {
        let answer = self.ask(HEADERS)?;
        let (head, told) = answer.split_once("\r\n\r\n").context("half an answer")?;
        for wanted in [
            "x-forwarded-for: \"127.0.0.1\"",
            "x-forwarded-proto: \"http\"",
            "x-forwarded-host: \"bench.example\"",
            "x-request-id: \"",
            "host: \"bench.example\"",
        ] {
            ensure!(told.contains(wanted), "the server is not told {wanted}, but\n{told}");
        }
        ensure!(!told.contains("connection: \"close\""), "the connection to the server is not kept");
        let head = head.to_ascii_lowercase();
        ensure!(head.contains("\r\nx-request-id: "), "the client is not told the request's id, but\n{head}");
        Ok(())
    }

    /// One request over a connection of its own; the whole answer.
    fn ask(&self, path: &str) -> Result<String> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: bench.example\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

/// A program of the system; `sbin` is on no ordinary user's PATH.
fn find(program: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let found = folders.map(|folder| folder.join(program)).find(|candidate| candidate.is_file());
    found.with_context(|| format!("there is no {program}: `make setup` installs it"))
}
