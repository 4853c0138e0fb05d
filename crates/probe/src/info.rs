//! What can be told of one process without harming it.

use std::time::Duration;

use beam::Term;

use crate::answer::{Part, Unexpected};
use crate::mfa::Mfa;
use crate::probe::{Probe, ProbeError};
use crate::question::{PROCESS, Question};

static INFO: Question = Question::new("the process", &[PROCESS, include_str!("info.txt")]);

/// How much of a process is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InfoPlan {
    /// Most links, monitors and words of its dictionary.
    pub most: u16,
    /// Most characters of each term.
    pub chars: u16,
    /// Most messages that wait; they may hold what is secret.
    pub messages: u16,
}

impl Default for InfoPlan {
    fn default() -> Self {
        Self { most: 50, chars: 300, messages: 0 }
    }
}

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// The process, as `<0.84.0>`.
    pub pid: String,
    /// Its registered name.
    pub name: Option<String>,
    /// How its program has labelled it (OTP 27), as Erlang text.
    pub label: Option<String>,
    /// What it was begun with; for one of `proc_lib` what that calls.
    pub initial_call: Option<Mfa>,
    /// Where it is.
    pub current_function: Option<Mfa>,
    /// How it came there, the innermost call first; at most as many as the node keeps (8 by default).
    pub stack: Vec<Frame>,
    /// `running`, `runnable`, `waiting`, `suspended`, `garbage_collecting` or `exiting`.
    pub status: String,
    /// `low`, `normal`, `high` or `max`.
    pub priority: String,
    /// Whether exits of what it is linked to come as messages.
    pub traps_exits: bool,
    /// Where what it prints goes, as `<0.84.0>`.
    pub group_leader: String,
    /// All memory that it takes, bytes.
    pub memory_bytes: u64,
    /// Its heap and stack, bytes.
    pub heap_bytes: u64,
    /// Minor garbage collections since the last full one.
    pub minor_gcs: u64,
    /// Its reductions since it was begun.
    pub reductions: u64,
    /// Messages that wait.
    pub messages: u64,
    /// What it is linked to.
    pub links: Several<String>,
    /// What it monitors.
    pub monitors: Several<String>,
    /// What monitors it.
    pub monitored_by: Several<String>,
    /// Its dictionary, keys with values; none of a process that is large, as all of it would be copied.
    pub dictionary: Option<Several<(String, String)>>,
    /// The first messages that wait, when they were asked for and are not too many to be copied.
    pub queue: Option<Vec<String>>,
}

/// Some of several things, as Erlang text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Several<T> {
    /// How many there are.
    pub count: u64,
    /// The first of them.
    pub some: Vec<T>,
}

/// A call that has not returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Of which function.
    pub function: Mfa,
    /// In which file, if that is known.
    pub file: Option<String>,
    /// In which line, if that is known.
    pub line: Option<u32>,
}

impl Frame {
    fn read(part: Part<'_>) -> Result<Self, Unexpected> {
        let [function, file, line] = part.tuple()?;
        Ok(Self {
            function: Mfa::read(function)?,
            file: Some(file.text()?).filter(|file| !file.is_empty()),
            line: Some(line.small()?).filter(|line| *line > 0),
        })
    }
}

impl<T> Several<T> {
    fn read(part: Part<'_>, read: impl FnMut(Part<'_>) -> Result<T, Unexpected>) -> Result<Self, Unexpected> {
        let [count, some] = part.tuple()?;
        Ok(Self { count: count.number()?, some: some.each(read)? })
    }
}

fn pair(part: Part<'_>) -> Result<(String, String), Unexpected> {
    let [key, value] = part.tuple()?;
    Ok((key.text()?, value.text()?))
}

impl Info {
    fn read(answer: Part<'_>) -> Result<Self, Unexpected> {
        let texts = |part: &'static str| Several::read(answer.field(part)?, |part| part.text());
        let name = |part: &'static str| Ok::<_, Unexpected>(answer.field(part)?.atom()?.to_owned());
        Ok(Self {
            pid: answer.field("pid")?.pid()?,
            name: answer.field("name")?.optional(Part::atom)?.map(str::to_owned),
            label: answer.field("label")?.optional(Part::text)?,
            initial_call: answer.field("initial_call")?.optional(Mfa::read)?,
            current_function: answer.field("current_function")?.optional(Mfa::read)?,
            stack: answer.field("stack")?.each(Frame::read)?,
            status: name("status")?,
            priority: name("priority")?,
            traps_exits: answer.field("trap_exit")?.truth()?,
            group_leader: answer.field("group_leader")?.pid()?,
            memory_bytes: answer.field("memory")?.number()?,
            heap_bytes: answer.field("heap_bytes")?.number()?,
            minor_gcs: answer.field("minor_gcs")?.number()?,
            reductions: answer.field("reductions")?.number()?,
            messages: answer.field("messages")?.number()?,
            links: texts("links")?,
            monitors: texts("monitors")?,
            monitored_by: texts("monitored_by")?,
            dictionary: answer.field("dictionary")?.optional(|part| Several::read(part, pair))?,
            queue: answer.field("queue")?.optional(|part| part.each(|part| part.text()))?,
        })
    }
}

impl Probe {
    /// Asks for one process: by its pid as it is shown (`<0.84.0>`, `#PID<0.84.0>`) or its registered name (`logger`,
    /// `MyApp.Repo`).
    ///
    /// # Errors
    /// When there is no such process in the node itself, no connection, or no answer within the time.
    pub async fn info(&self, process: &str, plan: &InfoPlan, within: Duration) -> Result<Info, ProbeError> {
        let wanted = process.strip_prefix("#PID").unwrap_or(process);
        let variables = [
            // as a binary: the name of a process that is not there must not become an atom
            ("Process", Term::binary(wanted.to_owned())),
            ("Most", Term::Integer(plan.most.into())),
            ("Chars", Term::Integer(plan.chars.into())),
            ("Messages", Term::Integer(plan.messages.into())),
        ];
        let info = self.ask(&INFO, variables, within, |answer| answer.optional(Info::read)).await?;
        info.ok_or_else(|| ProbeError::NoProcess(process.to_owned()))
    }
}
