//! How a node is: what it has of each thing whose number is limited, and how busy it is.

use std::time::Duration;

use beam::Term;

use crate::answer::{Part, Unexpected};
use crate::probe::{Probe, ProbeError, millis};
use crate::question::{BUSIEST, PROCESS, Question};

static SAMPLE: Question = Question::new("how the node is", &[PROCESS, BUSIEST, include_str!("sample.txt")]);

/// What is wanted of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SamplePlan {
    /// How many of the longest mailboxes are told. With 0 processes are not looked at.
    pub mailboxes: u16,
    /// How many connected nodes of each kind are told.
    pub nodes: u16,
    /// Over how long the schedulers' load is measured; it is not when this is nothing.
    pub window: Duration,
    /// For how long processes are looked at. With 100,000 it takes some 30 ms.
    pub looking: Duration,
}

impl Default for SamplePlan {
    fn default() -> Self {
        Self { mailboxes: 5, nodes: 100, window: Duration::ZERO, looking: Duration::from_secs(1) }
    }
}

/// How a node is.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Atoms. The node ends when it has as many as it may.
    pub atoms: Used,
    /// Processes.
    pub processes: Used,
    /// Ports: open files, sockets and programs.
    pub ports: Used,
    /// ETS tables. Their limit is nominal since OTP 21: there may be more while there is memory.
    pub ets_tables: Used,
    /// Memory by what it is for; none where the node's allocators do not count.
    pub memory: Option<Memory>,
    /// Processes and ports that wait for a scheduler.
    pub run_queue: u64,
    /// Schedulers that are online.
    pub schedulers: u64,
    /// Reductions since the node was started; those of what runs now are not counted yet.
    pub reductions: u64,
    /// How busy the schedulers are, if that was asked for.
    pub load: Option<Load>,
    /// The longest mailboxes that are not empty, the longest first.
    pub mailboxes: Vec<Mailbox>,
    /// How many processes were looked at for them.
    pub processes_seen: u64,
    /// Nodes that it is connected to.
    pub nodes: Nodes,
    /// Hidden nodes that it is connected to, as we are one.
    pub hidden_nodes: Nodes,
}

/// A number and its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// How many there are.
    pub count: u64,
    /// How many there may be.
    pub limit: u64,
}

/// Memory that the node has taken, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// All of it.
    pub total_bytes: u64,
    /// For processes.
    pub processes_bytes: u64,
    /// For everything else: what follows, and more.
    pub system_bytes: u64,
    /// For atoms.
    pub atom_bytes: u64,
    /// For binaries that processes share.
    pub binary_bytes: u64,
    /// For code.
    pub code_bytes: u64,
    /// For ETS tables.
    pub ets_bytes: u64,
}

/// How busy schedulers were.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// Over how long it was measured.
    pub window: Duration,
    /// The part of the window, 0 to 1, in which each online scheduler did work.
    pub schedulers: Vec<f64>,
    /// Reductions in a second.
    pub reductions_per_sec: u64,
}

/// A process's mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// The process, as `<0.84.0>`.
    pub pid: String,
    /// Its registered name.
    pub name: Option<String>,
    /// How many messages wait.
    pub messages: u64,
}

/// Connected nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nodes {
    /// How many there are.
    pub count: u64,
    /// Names of some.
    pub names: Vec<String>,
}

impl Used {
    /// How much of the limit is used, percent.
    pub fn percent(&self) -> u64 {
        self.count.saturating_mul(100) / self.limit.max(1)
    }

    fn read(part: Part<'_>) -> Result<Self, Unexpected> {
        let [count, limit] = part.tuple()?;
        Ok(Self { count: count.number()?, limit: limit.number()? })
    }
}

impl Load {
    /// How busy all schedulers were together, 0 to 1.
    pub fn mean(&self) -> f64 {
        let schedulers = u32::try_from(self.schedulers.len().max(1)).unwrap_or(u32::MAX);
        self.schedulers.iter().sum::<f64>() / f64::from(schedulers)
    }

    fn read(part: Part<'_>) -> Result<Self, Unexpected> {
        let window_us = part.field("window_us")?.number()?.max(1);
        let reductions = u128::from(part.field("reductions")?.number()?);
        let per_sec = reductions * 1_000_000 / u128::from(window_us);
        Ok(Self {
            window: Duration::from_micros(window_us),
            schedulers: part.field("schedulers")?.each(busy)?,
            reductions_per_sec: u64::try_from(per_sec).unwrap_or(u64::MAX),
        })
    }
}

/// `{Active, Total}` of a scheduler.
#[allow(clippy::cast_precision_loss, reason = "a share needs few digits")]
fn busy(part: Part<'_>) -> Result<f64, Unexpected> {
    let [active, total] = part.tuple()?;
    let (active, total) = (active.number()?, total.number()?);
    Ok((active as f64 / total.max(1) as f64).clamp(0.0, 1.0))
}

impl Memory {
    /// A property list of `erlang:memory/0`.
    fn read(part: Part<'_>) -> Result<Self, Unexpected> {
        let of = |kind| part.property(kind)?.number();
        Ok(Self {
            total_bytes: of("total")?,
            processes_bytes: of("processes")?,
            system_bytes: of("system")?,
            atom_bytes: of("atom")?,
            binary_bytes: of("binary")?,
            code_bytes: of("code")?,
            ets_bytes: of("ets")?,
        })
    }
}

impl Mailbox {
    fn read(part: Part<'_>) -> Result<Self, Unexpected> {
        let [pid, name, messages] = part.tuple()?;
        Ok(Self {
            pid: pid.pid()?,
            name: name.optional(Part::atom)?.map(str::to_owned),
            messages: messages.number()?,
        })
    }
}

impl Nodes {
    fn read(part: Part<'_>) -> Result<Self, Unexpected> {
        let [count, names] = part.tuple()?;
        let names = names.each(|name| name.atom().map(str::to_owned))?;
        Ok(Self { count: count.number()?, names })
    }
}

impl Sample {
    fn read(answer: Part<'_>) -> Result<Self, Unexpected> {
        let used = |what| Used::read(answer.field(what)?);
        Ok(Self {
            atoms: used("atoms")?,
            processes: used("processes")?,
            ports: used("ports")?,
            ets_tables: used("ets_tables")?,
            memory: answer.field("memory")?.optional(Memory::read)?,
            run_queue: answer.field("run_queue")?.number()?,
            schedulers: answer.field("schedulers")?.number()?,
            reductions: answer.field("reductions")?.number()?,
            load: answer.field("load")?.optional(Load::read)?,
            mailboxes: answer.field("mailboxes")?.each(Mailbox::read)?,
            processes_seen: answer.field("processes_seen")?.number()?,
            nodes: Nodes::read(answer.field("nodes")?)?,
            hidden_nodes: Nodes::read(answer.field("hidden_nodes")?)?,
        })
    }
}

impl Probe {
    /// Asks how the node is; within this time, and the plan's window in addition.
    ///
    /// # Errors
    /// When there is no connection, or no answer within the time.
    pub async fn sample(&self, plan: &SamplePlan, within: Duration) -> Result<Sample, ProbeError> {
        let variables = [
            ("Mailboxes", Term::Integer(plan.mailboxes.into())),
            ("Nodes", Term::Integer(plan.nodes.into())),
            ("Window", millis(plan.window)),
            ("Millis", millis(if plan.mailboxes == 0 { Duration::ZERO } else { plan.looking })),
        ];
        self.ask(&SAMPLE, variables, within + plan.window, Sample::read).await
    }
}
