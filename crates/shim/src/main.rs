//! `bellrock-shim RUN_FOLDER STATE_FOLDER`: owns one process tree so that it outlives the daemon.
//!
//! Purpose: start a child when told, keep its output and exit history, restart it by its policy, end the whole
//! tree. Never: tokio, TLS, anything that makes it big or change often; it knows nothing of deployments.
//!
//! Two threads: main ([`shim`]) polls, reaps, answers and always drains the child's pipes, because an undrained
//! pipe hangs a BEAM, its handling of SIGTERM included; the writer ([`log_writer`]) owns the log files, behind
//! rings that drop the oldest output rather than wait. Main may wait for a disk only while no child runs.
//!
//! ```text
//! daemon ⇄ connection ⇄ shim ⇄ supervisor → child, tree        (what runs)
//!                               supervisor → event_log → connection   (what happened: durable, then sent)
//!                        pipes → output → log_writer → log_file       (what it wrote)
//! shim ⇄ lend ⇄ another shim, which takes over the listening sockets
//! shim → renewal → another program in its own place, which goes on with all of it
//! ```

mod cgroup;
mod child;
mod clock;
mod connection;
mod crash_dump;
mod daemonize;
mod event_log;
mod folders;
mod lend;
mod listen;
mod log_file;
mod log_writer;
mod mark;
mod output;
mod processes;
mod renewal;
mod ring;
mod run;
mod shim;
mod start_check;
mod supervisor;
mod sys;
mod tree;

use std::process::ExitCode;
use wire::shim::renewal::{FORMAT, TAKE_OVER, TAKES_OVER};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let outcome = match arguments.as_slice() {
        [flag] if flag == "--version" => {
            println!("bellrock-shim {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
        [flag] if flag == TAKES_OVER => {
            println!("{FORMAT}");
            Ok(())
        }
        [run, state, flag, record, own] if flag == TAKE_OVER => {
            renewal::take_over(&[run, state, flag, record, own].map(Clone::clone))
        }
        [run, state] => daemonize::run(run.as_ref(), state.as_ref()),
        _ => Err("usage: bellrock-shim RUN_FOLDER STATE_FOLDER (Bellrock's daemon starts it)".to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("bellrock-shim: {text}");
            ExitCode::FAILURE
        }
    }
}
