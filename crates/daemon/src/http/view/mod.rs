//! The model's state as the API shows it: pure translation, one function for each noun.

mod app;
mod deployment;
mod event;
mod prepare;
mod routes;
mod traffic;
mod variable;
mod version;

pub(super) use app::{app, exit};
pub(super) use deployment::{deployment, of_record, queued};
pub(super) use event::event;
pub(super) use prepare::prepare_command;
pub(super) use routes::routes;
pub(super) use variable::variables;
pub(super) use version::{by, ghosts, revisions, version, versions};
