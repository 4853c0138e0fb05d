//! haproxy, as an operator would set it up for speed.

use std::net::SocketAddr;

use anyhow::Result;
use fs_err as fs;

use super::{Site, find};
use crate::child::Program;
use crate::cores;

pub(super) fn start(site: &Site<'_>, address: SocketAddr) -> Result<Program> {
    let folder = site.folder.join("haproxy");
    fs::create_dir(&folder)?;
    let file = folder.join("haproxy.cfg").display().to_string();
    fs::write(&file, configuration(site.upstream, address))?;
    Program::start(&find("haproxy")?, &["-db", "-f", &file], address)
}

fn configuration(upstream: SocketAddr, address: SocketAddr) -> String {
    format!(
        "\
global
    nbthread {cores}
    maxconn 4096
defaults
    mode http
    timeout connect 5s
    timeout client 600s
    timeout server 600s
    timeout http-keep-alive 600s
    option http-keep-alive
    http-reuse always
frontend in
    bind {address}
    unique-id-format %{{+X}}o%ci%cp%fi%fp%Ts%rt%pid
    http-request set-header X-Request-Id %[unique-id]
    http-request set-header X-Forwarded-Proto http
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    http-response set-header X-Request-Id %[unique-id]
    option forwardfor
    default_backend behind
backend behind
    server one {upstream} pool-max-conn 256
",
        cores = cores::count()
    )
}
