//! Root supervisors of applications, as a throwaway VM tells with what `start/2` begins them.

use std::fmt;

use beam::Term;

/// What is known of an application's root supervisor.
#[derive(Clone, PartialEq, Eq)]
pub enum Root {
    /// `start/2` begins a supervisor of this module (`Elixir.Supervisor.Default` when it has a list of children), whose
    /// `init/1` is given this argument.
    Begins {
        /// Its callback module.
        module: String,
        /// The argument.
        argument: Term,
    },
    /// It would, with something that means nothing in another VM: a closure, a process. Which child has it.
    Holds(String),
    /// It cannot be told. Why.
    Untold(String),
}

/// Arguments may be secret.
impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Root::Begins { module, .. } => f.debug_struct("Begins").field("module", module).finish(),
            Root::Holds(child) => f.debug_tuple("Holds").field(child).finish(),
            Root::Untold(why) => f.debug_tuple("Untold").field(why).finish(),
        }
    }
}

impl Root {
    /// As the VM writes it.
    pub(super) fn read(told: &Term) -> Option<Self> {
        match told.as_tuple()? {
            [tag, module, argument] if tag.as_atom() == Some("root") => {
                Some(Root::Begins { module: module.as_atom()?.to_owned(), argument: argument.clone() })
            }
            [tag, said] if tag.as_atom() == Some("holds") => Some(Root::Holds(text(said)?)),
            [tag, said] if tag.as_atom() == Some("no") => Some(Root::Untold(text(said)?)),
            _ => None,
        }
    }
}

fn text(said: &Term) -> Option<String> {
    said.as_binary().map(|bytes| String::from_utf8_lossy(bytes.as_ref()).into_owned())
}

/// Ids of the children that a supervisor's `init/1` names, in its answer `{ok, {Flags, Specifications}}`.
pub fn children(argument: &Term) -> Option<Vec<Term>> {
    let [ok, of] = argument.as_tuple()? else { return None };
    let [_, specifications] = of.as_tuple().filter(|_| ok.as_atom() == Some("ok"))? else { return None };
    let id = |specification: &Term| match specification.as_tuple() {
        Some(parts) => parts.first().cloned(),
        None => specification.get("id").cloned(),
    };
    specifications.as_list()?.iter().map(id).collect()
}
