//! The state machine of an app, driven from outside through its public types only.

mod interruption;
mod invariants;
mod proxy;
mod states;
mod table;
mod walk;
mod walks;
mod world;

mod assets;
mod broken;
mod by_load;
mod canary;
mod clock;
mod commands;
mod first;
mod freezing;
mod hot;
mod members;
mod odd_answers;
mod recorded;
mod simulated;
mod superseding;
mod supervision;
mod taking_back;
mod traffic;
mod variables;
mod versions;
mod watchdogs;
