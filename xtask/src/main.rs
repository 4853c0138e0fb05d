//! Project automation: `cargo xtask help` lists it.

mod bench;
mod binaries;
mod coverage;
mod demo;
mod docs;
mod otp;
mod samples;
mod tidy;
mod vm;

use std::env;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Project automation")]
pub(crate) struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build optimised programs and measure them: restart, deploy, dist, memory, package, soak
    Bench(bench::Options),
    /// Build bellrock, bellrockd and bellrock-shim into target/bellrock/bin
    Build(binaries::Options),
    /// List the lines of engine and journal that no test reaches
    Coverage(coverage::Options),
    /// Run a daemon and a sample app in a folder: deploy, deploy, roll back, activate
    Demo(demo::Options),
    /// Stop what the demo left running
    DemoStop(demo::Place),
    /// Write the generated references in docs/reference, or check that they and all links are right
    Docs(docs::Options),
    /// Build the sample applications and write samples.json beside their packages
    Samples(samples::Options),
    /// Check what neither rustc nor clippy checks: dependencies between crates, sizes, purity
    Tidy,
    /// Run the tests that need a node on other OTPs, fetched from Debian: 27 and 29
    TestOtp(otp::Options),
    /// Boot virtual machines for tests that need a kernel of their own: limits, reboots, power cuts
    TestVm(vm::Options),
    /// The init of such a machine
    #[command(hide = true)]
    VmGuest(vm::GuestOptions),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().task {
        Task::Bench(options) => bench::run(&root(), &options),
        Task::Build(options) => binaries::run(&root(), &options),
        Task::Coverage(options) => coverage::run(&root(), &options),
        Task::Demo(options) => demo::run(&root(), &options),
        Task::DemoStop(place) => demo::stop(&root(), &place),
        Task::Docs(options) => docs::run(&root(), &options),
        Task::Samples(options) => samples::run(&root(), &options),
        Task::Tidy => tidy::run(&root()),
        Task::TestOtp(options) => otp::run(&root(), &options),
        Task::TestVm(options) => vm::run(&root(), &options),
        Task::VmGuest(options) => vm::guest(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The workspace's folder.
fn root() -> PathBuf {
    // What cargo says now comes first: a target folder that clones share may hold a program built in another one.
    let xtask =
        env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    xtask.parent().map(Path::to_owned).unwrap_or_default()
}
