//! The `bellrock` command as a library, so that tests can drive it in their own process.
//!
//! [`main`] reads the arguments, runs one command against the daemon's API and turns what became of it into an
//! [`Exit`]. Data goes to stdout, everything else to stderr.

mod args;
mod client;
mod commands;
mod exit;
mod failure;
mod nodes;
mod output;
mod progress;
mod reference;
mod shell;
mod standalone;
mod table;
mod task;
mod time;
mod traffic;
mod units;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

pub use args::Args;
pub use client::{Client, Route};
pub use exit::Exit;
pub use failure::Failure;

use output::Output;

/// Runs the command with the process's arguments.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = match Args::try_parse_from(arguments) {
        Ok(args) => args,
        Err(error) => {
            // Nowhere else to say it.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Ok }.into();
        }
    };
    let output = Output::new(args.json);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(commands::run(args, &output)),
        Err(error) => Err(Failure::Here(anyhow::Error::new(error).context("could not start"))),
    };
    match ended {
        Ok(exit) => exit.into(),
        Err(failure) => {
            output.failure(&failure);
            failure.exit().into()
        }
    }
}
