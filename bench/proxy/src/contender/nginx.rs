//! nginx, as an operator would set it up for speed.

use std::net::SocketAddr;

use anyhow::Result;
use fs_err as fs;

use super::{Site, find};
use crate::child::Program;
use crate::cores;

pub(super) fn start(site: &Site<'_>, address: SocketAddr) -> Result<Program> {
    let folder = site.folder.join("nginx");
    fs::create_dir(&folder)?;
    let path = folder.display().to_string();
    let file = format!("{path}/nginx.conf");
    fs::write(&file, configuration(&path, site.upstream, address))?;
    Program::start(&find("nginx")?, &["-p", &path, "-e", "stderr", "-c", &file], address)
}

fn configuration(folder: &str, upstream: SocketAddr, address: SocketAddr) -> String {
    // as root its workers would become another user, who may not look into our folder
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    format!(
        "\
{user}
daemon off;
worker_processes {cores};
pid {folder}/pid;
error_log stderr;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_timeout 600s;
    keepalive_requests 1000000000;
    tcp_nodelay on;
    upstream server_behind {{
        server {upstream};
        keepalive 256;
        keepalive_requests 1000000000;
    }}
    server {{
        listen {address} backlog=4096;
        location / {{
            proxy_pass http://server_behind;
            proxy_http_version 1.1;
            proxy_set_header Connection \"\";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto $scheme;
            proxy_set_header X-Forwarded-Host $http_host;
            proxy_set_header X-Request-Id $request_id;
            add_header X-Request-Id $request_id always;
        }}
    }}
}}
",
        cores = cores::count()
    )
}
