//! A plan for those who read it: people at a terminal, a pull request, machines.
//!
//! JSON is [`Plan`](crate::plan::Plan) itself; text for a terminal is the command's, from [`steps::lines`].

pub mod markdown;
pub mod sarif;
pub mod steps;
