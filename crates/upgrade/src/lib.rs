//! Hot upgrades, thought out: what a release is, how two differ, and what follows from it.
//!
//! Pure: `package` reads the files of a version into an [`inventory::Release`], with [`survey`] for each module; all
//! that is decided about two of them is decided here, from these alone: [`plan()`] makes a [`plan::Plan`] of what was
//! [found](finding) and what is done on the node, [`report`] writes it for people and machines, [`relup`] for OTP's own
//! release handler.

pub mod difference;
pub mod digest;
pub mod finding;
pub mod function;
pub mod inventory;
pub mod plan;
mod planner;
pub mod policy;
mod reach;
pub mod relup;
pub mod report;
mod role;
pub mod survey;

pub use difference::Difference;
pub use digest::Digest;
pub use function::FunctionName;
pub use planner::plan;
