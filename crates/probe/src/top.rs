//! The processes of a node that have most of something.

use std::time::Duration;

use beam::Term;

use crate::answer::{Part, Unexpected};
use crate::mfa::Mfa;
use crate::probe::{Probe, ProbeError, millis};
use crate::question::{BUSIEST, PROCESS, Question};

static TOP: Question = Question::new("the busiest processes", &[PROCESS, BUSIEST, include_str!("top.txt")]);

/// Of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Work done.
    Reductions,
    /// Memory taken.
    Memory,
    /// Messages that wait.
    Mailbox,
}

impl By {
    fn item(self) -> &'static str {
        match self {
            Self::Reductions => "reductions",
            Self::Memory => "memory",
            Self::Mailbox => "message_queue_len",
        }
    }
}

/// Which processes are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopPlan {
    /// Of what they have most.
    pub by: By,
    /// How many.
    pub most: u16,
    /// With a window those are told in which it rises most within that time, of those that live all of it; with none,
    /// those that have most.
    pub window: Duration,
    /// For how long processes are looked at. With 100,000 it takes some 30 ms on two idle
    /// cores, twice that with a window.
    pub looking: Duration,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Top {
    /// The processes, that with most first. Those without any are not told, nor the one that looks.
    pub processes: Vec<Process>,
    /// How many were looked at, the one that looks included: fewer than there are when there was no time for all.
    pub seen: u64,
    /// How many there are.
    pub count: u64,
}

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// The process, as `<0.84.0>`.
    pub pid: String,
    /// What it was chosen by.
    pub number: u64,
    /// Its registered name.
    pub name: Option<String>,
    /// How its program has labelled it (OTP 27), as Erlang text of at most 100 characters.
    pub label: Option<String>,
    /// What it was begun with; for one of `proc_lib` what that calls: `init` of the callback module.
    pub initial_call: Option<Mfa>,
    /// Where it is.
    pub current_function: Option<Mfa>,
    /// `running`, `runnable`, `waiting`, `suspended`, `garbage_collecting` or `exiting`.
    pub status: String,
    /// Memory that it takes, bytes.
    pub memory_bytes: u64,
    /// Messages that wait.
    pub messages: u64,
    /// Its reductions since it was begun.
    pub reductions: u64,
}

impl Process {
    fn read(part: Part<'_>) -> Result<Self, Unexpected> {
        Ok(Self {
            pid: part.field("pid")?.pid()?,
            number: part.field("number")?.number()?,
            name: part.field("name")?.optional(Part::atom)?.map(str::to_owned),
            label: part.field("label")?.optional(Part::text)?,
            initial_call: part.field("initial_call")?.optional(Mfa::read)?,
            current_function: part.field("current_function")?.optional(Mfa::read)?,
            status: part.field("status")?.atom()?.to_owned(),
            memory_bytes: part.field("memory")?.number()?,
            messages: part.field("messages")?.number()?,
            reductions: part.field("reductions")?.number()?,
        })
    }
}

impl Top {
    fn read(answer: Part<'_>) -> Result<Self, Unexpected> {
        Ok(Self {
            processes: answer.field("processes")?.each(Process::read)?,
            seen: answer.field("seen")?.number()?,
            count: answer.field("count")?.number()?,
        })
    }
}

impl Probe {
    /// Asks which processes have most of something; within this time, and the plan's window in addition.
    ///
    /// # Errors
    /// When there is no connection, or no answer within the time.
    pub async fn top(&self, plan: &TopPlan, within: Duration) -> Result<Top, ProbeError> {
        let variables = [
            ("Item", Term::atom(plan.by.item())),
            ("Most", Term::Integer(plan.most.into())),
            ("Window", millis(plan.window)),
            ("Millis", millis(plan.looking)),
        ];
        self.ask(&TOP, variables, within + plan.window, Top::read).await
    }
}
