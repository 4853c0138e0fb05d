//! Who a node is.

use std::time::Duration;

use crate::answer::{Part, Unexpected};
use crate::probe::{Probe, ProbeError};
use crate::question::Question;

static FACTS: Question = Question::new("who the node is", &[include_str!("facts.txt")]);

/// What does not change while a node runs, but for its uptime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// OTP's release, as `"25"`.
    pub otp: String,
    /// The version of ERTS, as `"13.1.5"`.
    pub erts: String,
    /// The version of Elixir, if it is loaded.
    pub elixir: Option<String>,
    /// Schedulers that run Erlang code.
    pub schedulers: u32,
    /// Schedulers for native code that computes for long.
    pub dirty_cpu_schedulers: u32,
    /// Schedulers for native code that waits for files and the like.
    pub dirty_io_schedulers: u32,
    /// How long it has run.
    pub uptime: Duration,
    /// Its full name.
    pub node: String,
    /// Its process on its host.
    pub os_pid: u32,
}

impl Probe {
    /// Asks who the node is.
    ///
    /// # Errors
    /// When there is no connection, or no answer within the time.
    pub async fn facts(&self, within: Duration) -> Result<Facts, ProbeError> {
        self.ask(&FACTS, [], within, Facts::read).await
    }
}

impl Facts {
    fn read(answer: Part<'_>) -> Result<Self, Unexpected> {
        let os_pid = answer.field("os_pid")?.text()?.parse();
        Ok(Self {
            otp: answer.field("otp")?.text()?,
            erts: answer.field("erts")?.text()?,
            elixir: answer.field("elixir")?.optional(Part::text)?,
            schedulers: answer.field("schedulers")?.small()?,
            dirty_cpu_schedulers: answer.field("dirty_cpu_schedulers")?.small()?,
            dirty_io_schedulers: answer.field("dirty_io_schedulers")?.small()?,
            uptime: Duration::from_millis(answer.field("uptime_ms")?.number()?),
            node: answer.field("node")?.text()?,
            os_pid: os_pid.map_err(|_| Unexpected { part: "os_pid", wanted: "a number" })?,
        })
    }
}
