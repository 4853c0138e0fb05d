//! What Bellrock asks a node, with nothing installed in it.
//!
//! Each question is an Erlang text, which the node parses once per connection and evaluates with variables
//! ([`dist::Node::eval`]). Its limits hold in the node: so many things, so long, each text so short, so much memory; what
//! is more is counted and not sent. Answers are read strictly: one that is not of the form that is expected is an
//! error, and nothing of it is shown.
//!
//! ```text
//! Probe::facts, sample, top, tree, info, reload_config, restart
//!                │              ┌─ prepared, once per connection
//!                ▼              │
//!        ask: question + variables ─▶ dist::Node::eval ─▶ answer: Part ─▶ a type of ours
//! ```

mod answer;
mod config;
mod facts;
mod info;
mod mfa;
mod probe;
mod question;
mod restart;
mod sample;
mod top;
mod trace;
mod tree;

pub use answer::{Part, Unexpected};
pub use config::{Before, Changed, Config, ConfigError, Reload, ReloadPlan, Told};
pub use facts::Facts;
pub use info::{Frame, Info, InfoPlan, Several};
pub use mfa::Mfa;
pub use probe::{Probe, ProbeError, millis};
pub use question::Question;
pub use restart::{NoRestart, Restarted};
pub use sample::{Load, Mailbox, Memory, Nodes, Sample, SamplePlan, Used};
pub use top::{By, Process, Top, TopPlan};
pub use trace::{LASTING, LIMIT, NoTarget, TraceLimits, TraceLine, TraceTarget};
pub use tree::{Below, Child, ChildState, Tree, TreePlan};
