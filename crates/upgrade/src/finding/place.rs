//! Where a finding is.

use serde::{Deserialize, Serialize};

/// Where a finding is: the release as a whole, an application, a module, a process of the running node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Place {
    /// The release.
    Release,
    /// An application.
    Application {
        /// Its name.
        application: String,
    },
    /// A module.
    Module {
        /// The application that it is of.
        application: String,
        /// Its name as an atom's text: `shop_cart`, `Elixir.Shop.Cart`.
        module: String,
    },
    /// A process, which only a look at the running node can find.
    Process {
        /// As the node prints it.
        process: String,
        /// The module that it is about.
        module: String,
    },
}

impl Place {
    /// A module of an application.
    pub fn module(application: &str, module: &str) -> Self {
        Place::Module { application: application.to_owned(), module: module.to_owned() }
    }

    /// An application.
    pub fn application(application: &str) -> Self {
        Place::Application { application: application.to_owned() }
    }

    /// What the place says of one of its names.
    pub(super) fn part(&self, name: &str) -> Option<String> {
        match (self, name) {
            (Place::Module { application, .. } | Place::Application { application }, "application") => {
                Some(application.clone())
            }
            (Place::Module { module, .. } | Place::Process { module, .. }, "module") => {
                Some(module_name(module).to_owned())
            }
            (Place::Process { process, .. }, "process") => Some(process.clone()),
            _ => None,
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Release => f.write_str("release"),
            Place::Application { application } => f.write_str(application),
            Place::Module { module, .. } => f.write_str(module_name(module)),
            Place::Process { process, module } => write!(f, "{process} ({})", module_name(module)),
        }
    }
}

/// A module as its people write it: Elixir's without the prefix, Gleam's with slashes.
pub fn module_name(module: &str) -> &str {
    module.strip_prefix("Elixir.").unwrap_or(module)
}
