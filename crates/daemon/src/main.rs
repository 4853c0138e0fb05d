//! `bellrockd`: decides, records, asks the others to act. Everything it starts outlives it.

#![allow(unreachable_pub, reason = "nothing is outside of a program")]

mod allocator;
mod autoscaler;
mod certificate_keeper;
mod config_reload;
mod control;
mod doctor;
mod health_restarts;
mod http;
mod intake;
mod node_samples;
mod node_watch;
mod partners;
mod root_lock;
mod settings;
mod shutdown;
mod startup;
mod store_poll;
#[cfg(debug_assertions)]
mod wanted_fault;
mod watchdog_restarts;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tokio::runtime::{Builder, Runtime};
use tracing_subscriber::EnvFilter;

/// Runs Elixir, Erlang and Gleam releases on this machine.
#[derive(Debug, Parser)]
#[command(name = "bellrockd", version, about)]
struct Arguments {
    /// Everything lives below this folder; the default are the system's own places.
    #[arg(long, value_name = "DIR", default_value = "/", env = "BELLROCK_ROOT")]
    root: PathBuf,

    /// The host's settings, instead of {root}/etc/bellrock/config.toml.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// The program that runs instances, instead of the bellrock-shim beside this program.
    #[arg(long, value_name = "FILE", env = "BELLROCK_SHIM")]
    shim: Option<PathBuf>,

    /// The program that serves HTTP, instead of the bellrock-proxy beside this program.
    #[arg(long, value_name = "FILE", env = "BELLROCK_PROXY")]
    proxy: Option<PathBuf>,

    /// Restores what `bellrock backup` saved into this root, which must have no state, and ends.
    #[arg(long, value_name = "FILE")]
    restore: Option<PathBuf>,

    /// Ends all instances and the proxy in order, and ends; for a host that goes down, when the daemon has ended. The next
    /// daemon starts them again.
    #[arg(long)]
    stop_all: bool,

    /// Prints the OpenAPI document of the API, and ends.
    #[arg(long)]
    openapi: bool,

    /// Prints the points at which a test may have this daemon die or fail, and ends; not in a release.
    #[cfg(debug_assertions)]
    #[arg(long, hide = true)]
    fault_points: bool,
}

fn main() -> ExitCode {
    allocator::keep_little();
    // Whoever started us may have left any mask; what holds secrets gets its own mode besides.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    let arguments = Arguments::parse();
    if arguments.openapi {
        print!("{}", http::document());
        return ExitCode::SUCCESS;
    }
    #[cfg(debug_assertions)]
    if arguments.fault_points {
        print!("{}", wanted_fault::list());
        return ExitCode::SUCCESS;
    }
    if let Some(backup) = &arguments.restore {
        return match startup::restore(&arguments.root, backup) {
            Ok(told) => {
                println!("{told}");
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("{error:#}");
                ExitCode::FAILURE
            }
        };
    }
    let filter = EnvFilter::try_from_env("BELLROCK_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let plain =
        std::env::var_os("NO_COLOR").is_some() || !std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(!plain)
        .with_target(false)
        .init();
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!("could not start its threads: {error}");
            return ExitCode::FAILURE;
        }
    };
    let plan = startup::Plan {
        root: arguments.root,
        config: arguments.config,
        shim: arguments.shim,
        proxy: arguments.proxy,
    };
    let ended = runtime.block_on(async {
        if arguments.stop_all { shutdown::stop_all(plan).await } else { startup::run(plan).await }
    });
    // A thread may hang in a store or a name service that does not answer; nothing that counts is left to it.
    runtime.shutdown_background();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Threads that wait for files go soon when there is nothing for them: each keeps a stack and memory of its own.
fn runtime() -> std::io::Result<Runtime> {
    const KEEP_ALIVE: Duration = Duration::from_secs(2);
    Builder::new_multi_thread().enable_all().thread_name("bellrockd").thread_keep_alive(KEEP_ALIVE).build()
}
