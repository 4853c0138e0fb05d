//! What an install does, one after the other.

/// A step of an install, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// What the install itself needs of the node's modules is loaded.
    Ready,
    /// The node's code is compared with what it is thought to be.
    Compare,
    /// Code that is older than what runs is purged where nobody uses it.
    Purge,
    /// The new code is prepared, and the present one in case of an undo.
    Prepare,
    /// The processes are found, and answer.
    Find,
    /// The operating system's environment is changed; keys of applications and folders of code that are new are there: for
    /// whoever begins from here on.
    NewEnvironment,
    /// Modules are loaded that the version before lacks.
    NewCode,
    /// Added applications are loaded and started, those that need nothing of what is exchanged.
    NewApplications,
    /// New children of supervisors are started, those that need nothing of what is exchanged.
    NewChildren,
    /// Applications that are restarted are stopped, and the processes suspended. From here on they stand still.
    Suspend,
    /// The environment of applications is written.
    Environment,
    /// All modules that take another's place become current at once.
    Load,
    /// States are converted. On the way [down](crate::Direction::Down), those of servers are before [`Step::Load`].
    Convert,
    /// Folders of code change.
    CodePaths,
    /// Everybody goes on. From here on nothing is undone by itself.
    Resume,
    /// Added applications that had to wait for the code are loaded and started.
    AddApplications,
    /// Applications that were stopped are started again.
    RestartApplications,
    /// New children that had to wait for the code are started, others are restarted.
    Children,
    /// Where something goes, it is waited until nobody is in the code before; then keys of the environment go.
    Leave,
    /// `config_change/3` of applications is called.
    Configure,
    /// Children of supervisors are stopped that the new version does not have.
    RemoveChildren,
    /// Functions are called.
    Calls,
    /// Removed applications are stopped and unloaded.
    RemoveApplications,
    /// Modules are deleted.
    Delete,
    /// It is looked at who still uses the code before.
    Test,
}

impl Step {
    /// All, in their order.
    pub const ALL: [Self; 25] = [
        Self::Ready,
        Self::Compare,
        Self::Purge,
        Self::Prepare,
        Self::Find,
        Self::NewEnvironment,
        Self::NewCode,
        Self::NewApplications,
        Self::NewChildren,
        Self::Suspend,
        Self::Environment,
        Self::Load,
        Self::Convert,
        Self::CodePaths,
        Self::Resume,
        Self::AddApplications,
        Self::RestartApplications,
        Self::Children,
        Self::Leave,
        Self::Configure,
        Self::RemoveChildren,
        Self::Calls,
        Self::RemoveApplications,
        Self::Delete,
        Self::Test,
    ];

    /// As the node and people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Compare => "compare",
            Self::Purge => "purge",
            Self::Prepare => "prepare",
            Self::Find => "find",
            Self::NewEnvironment => "new_environment",
            Self::NewCode => "new_code",
            Self::NewApplications => "new_applications",
            Self::NewChildren => "new_children",
            Self::Suspend => "suspend",
            Self::Environment => "environment",
            Self::Load => "load",
            Self::Convert => "convert",
            Self::CodePaths => "code_paths",
            Self::Resume => "resume",
            Self::AddApplications => "add_applications",
            Self::RestartApplications => "restart_applications",
            Self::Children => "children",
            Self::Leave => "leave",
            Self::Configure => "configure",
            Self::RemoveChildren => "remove_children",
            Self::Calls => "calls",
            Self::RemoveApplications => "remove_applications",
            Self::Delete => "delete",
            Self::Test => "test",
        }
    }

    /// The step of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.name() == name)
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_of_one_step_each_in_order() {
        assert!(Step::ALL.is_sorted());
        assert!(Step::ALL.into_iter().all(|step| Step::named(step.name()) == Some(step)));
    }
}
