//! The simulator: the real engine, model and journal in a simulated host, under a clock that is turned.
//!
//! A [`Scenario`] is a seed and a list of disturbances: commands of operators, deaths of daemon, shims and processes,
//! effects that fail or are done twice, commits that fail. [`run`] plays it: lives of the daemon follow each other, each in
//! a runtime of its own with paused time, which is dropped where the daemon dies; the host goes on without it. What must
//! hold is looked at after each turn and each change of the host. At the end all goes well, and everything must come to
//! rest. The same scenario runs the same way each time, so one that fails can be shrunk ([`shrink`]).
//!
//! Owner of everything simulated is the [`world`], behind one lock that is never held across an await.

#![allow(clippy::missing_panics_doc, reason = "locks are not poisoned: nobody panics while holding one")]

mod chance;
mod clock;
mod disturbance;
mod doer;
mod gremlin;
mod journal;
mod life;
mod nature;
mod play;
mod scenario;
mod shared;
mod shrink;
mod witness;
mod world;

pub use chance::Chance;
pub use disturbance::{Ask, Disturbance, What};
pub use gremlin::Action;
pub use nature::{Nature, Versions};
pub use play::{Report, run};
pub use scenario::{Scenario, Storage};
pub use shrink::{Shrunk, shrink};
