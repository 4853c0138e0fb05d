//! Measures what we claim to be fast, beside what others use for the same: `make bench-proxy`.

mod child;
mod client;
mod contender;
mod cores;
mod figures;
mod ports;
mod rounds;
mod upstream;

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "bench-proxy")]
struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// bellrock-proxy, nginx and haproxy in front of the same server, in turns
    Run(rounds::Args),
    /// The server that proxies stand in front of; the bench starts it itself
    Upstream {
        /// Where it listens
        address: SocketAddr,
    },
}

fn main() -> ExitCode {
    let result: Result<()> = match Args::parse().what {
        What::Run(args) => rounds::run(&args),
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
