//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::commands::{
    activate, backup, config, deploy, deployments, doctor, env, eval, events, exits, export, freeze, ghosts,
    info, logs, maintenance, mode, package, pause, promote, restart, resume, rollback, routes, rpc, run,
    scale, shell, start, status, stop, tasks, tls, top, trace, tree, upgrade, version, versions,
};
use crate::exit::Exit;

/// Runs, replaces and watches BEAM applications on this host.
#[derive(Debug, Parser)]
#[command(name = "bellrock", bin_name = "bellrock", version, max_term_width = 110, after_help = Exit::help(), disable_help_subcommand = true,
    subcommand_required = true, arg_required_else_help = true)]
pub struct Args {
    /// Folder that everything of the daemon is below.
    #[arg(
        long,
        global = true,
        help_heading = "For every command",
        value_name = "DIR",
        env = "BELLROCK_ROOT",
        default_value = "/"
    )]
    pub root: PathBuf,

    /// Prints data as JSON; streams as one JSON text a line. Failures are problem details (RFC 9457) on stderr.
    #[arg(long, global = true, help_heading = "For every command")]
    pub json: bool,

    /// Does not ask before something is lost.
    #[arg(long, short, global = true, help_heading = "For every command")]
    pub yes: bool,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
#[allow(missing_docs, reason = "each has its help where its arguments are")]
pub enum Command {
    Deploy(deploy::Args),
    Status(status::Args),
    Routes(routes::Args),
    Version(version::Args),
    Versions(versions::Args),
    Activate(activate::Args),
    Rollback(rollback::Args),
    Promote(promote::Args),
    Mode(mode::Args),
    Package(package::Args),
    Upgrade(upgrade::Args),
    Restart(restart::Args),
    Stop(stop::Args),
    Start(start::Args),
    Scale(scale::Args),
    Freeze(freeze::Args),
    Unfreeze(freeze::UnfreezeArgs),
    Run(run::Args),
    Tasks(tasks::Args),
    Eval(eval::Args),
    Rpc(rpc::Args),
    Shell(shell::Args),
    Top(top::Args),
    Tree(tree::Args),
    Info(info::Args),
    Trace(trace::Args),
    Pause(pause::Args),
    Resume(resume::Args),
    Maintenance(maintenance::Args),
    Logs(logs::Args),
    Env(env::Args),
    Ghosts(ghosts::Args),
    Deployments(deployments::Args),
    Events(events::Args),
    Exits(exits::Args),
    Backup(backup::Args),
    Tls(tls::Args),
    Doctor(doctor::Args),
    Export(export::Args),
    Config(config::Args),
    /// Prints completions for a shell, e.g. `bellrock completions bash > /etc/bash_completion.d/bellrock`.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Prints the reference of all commands.
    #[command(hide = true)]
    Reference,
}

/// Shells that completions are made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[allow(missing_docs, reason = "they are names")]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl From<Shell> for clap_complete::Shell {
    fn from(shell: Shell) -> Self {
        match shell {
            Shell::Bash => clap_complete::Shell::Bash,
            Shell::Zsh => clap_complete::Shell::Zsh,
            Shell::Fish => clap_complete::Shell::Fish,
        }
    }
}
