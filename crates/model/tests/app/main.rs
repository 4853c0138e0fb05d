//! The state machine of an app, driven from outside through its public types only.

mod invariants;
mod states;
mod table;
mod walk;
mod walks;
mod world;

mod broken;
mod commands;
mod first;
mod superseding;
mod supervision;
mod variables;
mod versions;
