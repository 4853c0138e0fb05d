//! What is in the way of an install in a node, and what it would touch.

use std::time::Duration;

use beam::Term;
use probe::{Part, ProbeError, Question, Unexpected, millis};

use crate::installer::Installer;
use crate::instructions::Instructions;
use crate::outcome::Finding;

static PREFLIGHT: Question = Question::new(
    "the preflight of an upgrade",
    &[
        include_str!("node/shared.txt"),
        include_str!("node/find.txt"),
        include_str!("node/use.txt"),
        include_str!("node/preflight.txt"),
    ],
);

/// How long a process stands still while it is suspended and resumed, as one of very many, on two slow cores. Measured
/// with 10,000 processes.
const PAUSE_OF_SUSPENDED: Duration = Duration::from_micros(20);
/// How much longer while its state is kept and converted.
const PAUSE_OF_CONVERTED: Duration = Duration::from_micros(40);
/// How long it takes with no process at all.
const LEAST_PAUSE: Duration = Duration::from_millis(5);

/// What was found before an install.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preflight {
    /// Why it would be refused, or would not do what it shall.
    pub in_the_way: Vec<Finding>,
    /// What does not keep it from being done, but the next one, or its undo.
    pub care: Vec<Finding>,
    /// The processes of the modules.
    pub processes: Vec<Affected>,
    /// The supervisors whose children would change.
    pub supervisors: Vec<Supervised>,
    /// How many processes would stand still, supervisors included.
    pub suspended: u64,
    /// How many would convert their state.
    pub converted: u64,
    /// Memory of those, bytes: so much more it may take meanwhile.
    pub converted_bytes: u64,
    /// Memory of the whole node, bytes.
    pub total_bytes: u64,
    /// Modules that are not loaded, though the version that runs has them.
    pub not_loaded: Vec<String>,
}

/// Processes of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Affected {
    /// The callback module.
    pub module: String,
    /// How many there are.
    pub processes: u64,
    /// How many of them no supervisor has started: OTP's own upgrade does not find them.
    pub unsupervised: u64,
}

/// A supervisor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Supervised {
    /// Its callback module.
    pub module: String,
    /// Its process, as `<0.84.0>`.
    pub pid: String,
    /// How many children it knows.
    pub known: u64,
    /// Some of them.
    pub children: Vec<KnownChild>,
}

/// A child that a supervisor knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownChild {
    /// Its id, as Erlang text of at most 100 characters.
    pub id: String,
    /// Whether it has a process.
    pub is_running: bool,
}

impl Preflight {
    /// How long processes would stand still, by what was measured elsewhere: a guess of the order.
    pub fn estimated_pause(&self) -> Duration {
        let times =
            |each: Duration, number: u64| each.saturating_mul(u32::try_from(number).unwrap_or(u32::MAX));
        LEAST_PAUSE + times(PAUSE_OF_SUSPENDED, self.suspended) + times(PAUSE_OF_CONVERTED, self.converted)
    }

    fn read(part: Part<'_>) -> Result<Self, Unexpected> {
        Ok(Self {
            in_the_way: part.field("in_the_way")?.each(Finding::read)?,
            care: part.field("care")?.each(Finding::read)?,
            processes: part.field("processes")?.each(Affected::read)?,
            supervisors: part.field("supervisors")?.each(Supervised::read)?,
            suspended: part.field("suspended")?.number()?,
            converted: part.field("converted")?.number()?,
            converted_bytes: part.field("bytes")?.number()?,
            total_bytes: part.field("total")?.number()?,
            not_loaded: part.field("absent")?.each(|name| name.atom().map(str::to_owned))?,
        })
    }
}

impl Affected {
    fn read(part: Part<'_>) -> Result<Self, Unexpected> {
        let [module, processes, unsupervised] = part.tuple()?;
        let (processes, unsupervised) = (processes.number()?, unsupervised.number()?);
        Ok(Self { module: module.atom()?.to_owned(), processes, unsupervised })
    }
}

impl Supervised {
    fn read(part: Part<'_>) -> Result<Self, Unexpected> {
        let [module, pid, known, children] = part.tuple()?;
        let children = children.each(|child| {
            let [id, is_running] = child.tuple()?;
            Ok(KnownChild { id: id.text()?, is_running: is_running.truth()? })
        })?;
        Ok(Self { module: module.atom()?.to_owned(), pid: pid.pid()?, known: known.number()?, children })
    }
}

impl Installer {
    /// Looks at the node for what is in the way of an install and what it would touch. It changes nothing: each process
    /// that would be suspended is asked whether it answers, and states and tables are looked at for stored functions,
    /// within the [bounds](crate::Bounds).
    ///
    /// # Errors
    /// When there is no connection, or no answer within the time.
    pub async fn preflight(
        &self,
        instructions: &Instructions,
        within: Duration,
    ) -> Result<Preflight, ProbeError> {
        let patience = within.mul_f64(0.8);
        let variables: [(&str, Term); 2] = [("Plan", instructions.plan()), ("Millis", millis(patience))];
        self.probe().ask(&PREFLIGHT, variables, within, Preflight::read).await
    }
}
