//! Measures what we claim to be fast, beside what others use for the same: `make bench-proxy`.

mod child;
mod client;
mod contender;
mod cores;
mod figures;
mod ports;
mod proxy;
mod upstream;

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// bellrock-proxy, nginx and haproxy in front of the same server, in turns
    Proxy(proxy::Args),
    /// The server that proxies stand in front of; the bench starts it itself
    Upstream {
        /// Where it listens
        address: SocketAddr,
    },
}

fn main() -> ExitCode {
    let result: Result<()> = match Args::parse().what {
        What::Proxy(args) => proxy::run(&args),
        What::Upstream { address } => upstream::serve(address),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
