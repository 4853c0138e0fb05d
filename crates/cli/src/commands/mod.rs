//! The commands: each asks the API and shows the answer.

pub(crate) mod activate;
pub(crate) mod backup;
pub(crate) mod config;
mod config_reload;
pub(crate) mod deploy;
pub(crate) mod deployments;
pub(crate) mod doctor;
pub(crate) mod env;
pub(crate) mod eval;
pub(crate) mod events;
pub(crate) mod exits;
pub(crate) mod export;
pub(crate) mod freeze;
pub(crate) mod ghosts;
mod granted;
pub(crate) mod info;
pub(crate) mod logs;
pub(crate) mod maintenance;
pub(crate) mod mode;
pub(crate) mod package;
mod papers;
pub(crate) mod pause;
pub(crate) mod promote;
pub(crate) mod restart;
pub(crate) mod resume;
pub(crate) mod rollback;
pub(crate) mod routes;
pub(crate) mod rpc;
pub(crate) mod run;
pub(crate) mod scale;
pub(crate) mod shell;
pub(crate) mod start;
pub(crate) mod status;
pub(crate) mod stop;
mod target;
pub(crate) mod tasks;
#[cfg(test)]
mod tests;
pub(crate) mod tls;
pub(crate) mod top;
pub(crate) mod trace;
pub(crate) mod tree;
pub(crate) mod upgrade;
pub(crate) mod version;
pub(crate) mod versions;
mod waiting;
mod way;

use clap::CommandFactory;
use jiff::Timestamp;

use crate::args::{Args, Command};
use crate::client::Client;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;
use crate::reference;

pub(crate) use granted::granted;
pub(crate) use waiting::Waiting;

/// What every command works with.
pub(crate) struct Context<'a> {
    /// The API.
    pub(crate) client: Client,
    /// Where words go.
    pub(crate) output: &'a Output,
    /// Whether nothing is asked.
    pub(crate) yes: bool,
}

impl Context<'_> {
    /// The time, for what is said about times.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Runs one command.
pub(crate) async fn run(args: Args, output: &Output) -> Result<Exit, Failure> {
    let context = Context { client: Client::new(&args.root), output, yes: args.yes };
    let context = &context;
    match args.command {
        Command::Deploy(args) => deploy::run(context, args).await,
        Command::Status(args) => status::run(context, args).await,
        Command::Routes(args) => routes::run(context, args).await,
        Command::Version(args) => version::run(context, args).await,
        Command::Versions(args) => versions::run(context, args).await,
        Command::Activate(args) => activate::run(context, args).await,
        Command::Promote(args) => promote::run(context, args).await,
        Command::Rollback(args) => rollback::run(context, args).await,
        Command::Mode(args) => mode::run(context, args).await,
        Command::Package(args) => package::run(context, args).await,
        Command::Upgrade(args) => upgrade::run(context, args).await,
        Command::Restart(args) => restart::run(context, args).await,
        Command::Stop(args) => stop::run(context, args).await,
        Command::Start(args) => start::run(context, args).await,
        Command::Scale(args) => scale::run(context, args).await,
        Command::Freeze(args) => freeze::run(context, args).await,
        Command::Unfreeze(args) => freeze::unfreeze(context, args).await,
        Command::Run(args) => run::run(context, args).await,
        Command::Tasks(args) => tasks::run(context, args).await,
        Command::Eval(args) => eval::run(context, args).await,
        Command::Rpc(args) => rpc::run(context, args).await,
        Command::Shell(args) => shell::run(context, args).await,
        Command::Top(args) => top::run(context, args).await,
        Command::Tree(args) => tree::run(context, args).await,
        Command::Info(args) => info::run(context, args).await,
        Command::Trace(args) => trace::run(context, args).await,
        Command::Pause(args) => pause::run(context, args).await,
        Command::Resume(args) => resume::run(context, args).await,
        Command::Maintenance(args) => maintenance::run(context, args).await,
        Command::Logs(args) => logs::run(context, args).await,
        Command::Env(args) => env::run(context, args).await,
        Command::Ghosts(args) => ghosts::run(context, args).await,
        Command::Deployments(args) => deployments::run(context, args).await,
        Command::Events(args) => events::run(context, args).await,
        Command::Exits(args) => exits::run(context, args).await,
        Command::Backup(args) => backup::run(context, args).await,
        Command::Tls(args) => tls::run(context, args).await,
        Command::Doctor(args) => doctor::run(context, args).await,
        Command::Export(args) => export::run(context, args).await,
        Command::Config(args) => config::run(context, args).await,
        Command::Completions { shell } => {
            let shell = clap_complete::Shell::from(shell);
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "bellrock", &mut script);
            output.line(String::from_utf8_lossy(&script).trim_end());
            Ok(Exit::Ok)
        }
        Command::Reference => {
            output.line(reference::markdown().trim_end());
            Ok(Exit::Ok)
        }
    }
}
