//! Hot upgrades: what is done in a running node, so that it runs another version without a restart.
//!
//! [`Instructions`] say what; an [`Installer`] has it done in the node by two processes of the node, made of text that the
//! node parses, with nothing installed. They need neither us nor the connection once they have begun:
//!
//! ```text
//! Instructions ─▶ Installer::begin ─▶ keeper (has the name `bellrock_upgrade`: lock, log, result, deadline)
//!                                        │ watches                       ▲ ask, wait, proceed, acknowledge
//!                                        ▼                               │ from any connection
//!                                     evaluator: prepare ─▶ ahead ─▶ window ─▶ after
//! ```
//!
//! Before that, [`Installer::preflight`] tells what is in the way and what would be touched, and changes nothing.
//!
//! - *prepare* (`node/prepare.txt`): looks at everything, purges what nobody uses, prepares the code; changes nothing that
//!   anybody sees, and refuses what cannot be done.
//! - *ahead* (`ahead.txt`): new modules, keys, applications and children begin that need nothing of what is exchanged, so
//!   that they are there when the first new code calls them.
//! - *window* (`window.txt`): processes stand still; the environment is written, all code exchanged at once, states
//!   converted. Whatever fails from ahead to here is undone (`back.txt`), by the evaluator or, when that was killed or its
//!   time is over, by the keeper: the node is as it was, or, when that cannot be, needs a full deployment.
//! - *after* (`after.txt`): everybody goes on; what had to wait for the code begins, what goes is left alone until nobody is in
//!   the code before (`leave.txt`), applications are told of their configuration.
//!
//! Why it is so, and what of OTP's `release_handler` it does otherwise, is in `docs/design/hot-install.md`.

mod installer;
mod instructions;
mod mentions;
mod outcome;
mod preflight;
mod step;
mod terms;

pub use installer::{HotError, Installer};
pub use instructions::{
    AddedApplication, Applications, Apply, Before, Behaviour, Bounds, Code, CodePath, Convert, Deleted,
    Direction, Environment, Instructions, Module, Processes, StartType, Supervisor, Which,
};
pub use outcome::{Cause, Failure, Finding, Installed, Outcome, Progress, Undo};
pub use preflight::{Affected, KnownChild, Preflight, Supervised};
pub use step::Step;
