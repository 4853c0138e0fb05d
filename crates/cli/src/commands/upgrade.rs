//! `upgrade`

pub(super) mod plan;
mod read;
mod relup;
pub(super) mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use clap::Subcommand;
use package::durable::write_whole;
use upgrade::finding::Code;
use upgrade::plan::{Direction, Plan, Verdict};
use upgrade::policy::{Accepted, Mode, Override, Policy};
use upgrade::report::{markdown::markdown, sarif::sarif};

use super::Context;
use crate::exit::Exit;
use crate::failure::Failure;

/// Hot upgrades: what one would do, and whether it is safe.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Plans the hot upgrade from one package to another, without a daemon and without a node.
    ///
    /// Both are compared by the content of their modules. Ends with 0 when the upgrade is hot, 10 when it is hot with care,
    /// 11 when a full deployment is right, 12 when a package cannot be read. docs/reference/findings.md lists what may be
    /// found.
    Check(Check),
    /// Plans the hot upgrade of what runs to a version that the host has, with a look at each node.
    ///
    /// Nothing is changed: each node is asked whether it runs what is thought, who would stand still, and what is in the way.
    /// An instance whose node cannot be asked needs a full deployment. Ends as `check` does, by the weightiest of its plans.
    Plan(plan::Args),
    /// Writes appups and a relup for those who use OTP's `release_handler` themselves.
    ///
    /// Both ways, up and down. Refused when the upgrade could not be done hot.
    Relup(relup::Args),
}

#[derive(Debug, clap::Args)]
struct Check {
    #[command(flatten)]
    versions: Versions,

    /// How the plan is written.
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    format: Format,

    /// Writes it into this file instead of to standard output.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,

    #[command(flatten)]
    policy: PolicyArgs,
}

/// Two packages.
#[derive(Debug, clap::Args)]
pub(super) struct Versions {
    /// The package that runs: a `.tar.gz`, or a folder with what was in it.
    #[arg(value_name = "OLD")]
    pub(super) old: PathBuf,

    /// The package that is to run.
    #[arg(value_name = "NEW")]
    pub(super) new: PathBuf,
}

/// What the settings of an app say, for those who have none.
#[derive(Debug, clap::Args)]
pub(super) struct PolicyArgs {
    /// When an upgrade may be hot, as `upgrade` in an app's settings.
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto")]
    upgrade: When,

    /// Accepts these findings of care only, by code; all are accepted when it is not given.
    #[arg(long, value_name = "CODES", value_delimiter = ',')]
    accept: Option<Vec<Code>>,

    /// Goes on in spite of these findings, by code.
    #[arg(long, value_name = "CODES", value_delimiter = ',')]
    force: Vec<Code>,

    /// Says what is done about a module: load, convert or restart (its processes, which lose their states).
    #[arg(long = "module", value_name = "MODULE=WHAT", value_parser = Override::of_module)]
    modules: Vec<(String, Override)>,

    /// Has this application stopped and started within the VM when its processes cannot go on: their states and
    /// connections are lost, those of the rest of the node are not.
    #[arg(long, value_name = "APPLICATION")]
    restart_application: Vec<String>,

    /// Ignores the appup of this application.
    #[arg(long, value_name = "APPLICATION")]
    ignore_appup: Vec<String>,
}

/// How a plan is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For machines: all of it.
    Json,
    /// For tools that show findings (SARIF 2.1.0).
    Sarif,
    /// For a comment on a pull request.
    Markdown,
}

/// When an upgrade may be hot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum When {
    /// Never.
    Never,
    /// When the package brings appups for what changes.
    Package,
    /// When the plan says so.
    Auto,
}

impl When {
    fn mode(self) -> Mode {
        match self {
            When::Never => Mode::Never,
            When::Package => Mode::Package,
            When::Auto => Mode::Auto,
        }
    }
}

impl PolicyArgs {
    pub(super) fn policy(&self) -> Policy {
        Policy {
            mode: self.upgrade.mode(),
            way: Direction::Up,
            accepted: match &self.accept {
                None => Accepted::All,
                Some(codes) => Accepted::Only(codes.iter().copied().collect()),
            },
            forced: self.force.iter().copied().collect(),
            overrides: self.modules.iter().cloned().collect::<BTreeMap<_, _>>(),
            restarted: self.restart_application.iter().cloned().collect(),
            ignored_appups: self.ignore_appup.iter().cloned().collect::<BTreeSet<_>>(),
        }
    }
}

pub(super) async fn run(context: &Context<'_>, args: Args) -> Result<Exit, Failure> {
    match args.command {
        Command::Check(args) => check(context, &args),
        Command::Plan(args) => plan::run(context, args).await,
        Command::Relup(args) => relup::run(context, &args),
    }
}

fn check(context: &Context<'_>, args: &Check) -> Result<Exit, Failure> {
    let (old, new) = read::both(&args.versions)?;
    let plan = upgrade::plan(&old, &new, &args.policy.policy());
    let written = written(&plan, if context.output.json { Format::Json } else { args.format });
    match &args.output {
        Some(path) => {
            let text = anstream::adapter::strip_str(&written).to_string() + "\n";
            write_whole(path, text.as_bytes(), 0o644, None)?;
        }
        None => context.output.line(&written),
    }
    Ok(match plan.verdict {
        Verdict::Hot => Exit::Ok,
        Verdict::Care => Exit::HotWithCare,
        Verdict::Full => Exit::NotHot,
    })
}

fn written(plan: &Plan, format: Format) -> String {
    const KEYS: &str = "our data has text keys";
    let text = match format {
        Format::Text => text::plan(plan),
        Format::Json => serde_json::to_string_pretty(plan).expect(KEYS),
        Format::Sarif => serde_json::to_string_pretty(&sarif(plan)).expect(KEYS),
        Format::Markdown => markdown(plan),
    };
    text.trim_end().to_owned()
}
