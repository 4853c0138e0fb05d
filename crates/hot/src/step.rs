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
    /// Applications that are restarted are stopped, and the processes suspended. From here on they stand still.
    Suspend,
    /// The environment of applications is written.
    Environment,
    /// All modules become current at once.
    Load,
    /// States are converted. On the way [down](crate::Direction::Down), those of servers are before [`Step::Load`].
    Convert,
    /// Folders of code change.
    CodePaths,
    /// Everybody goes on. From here on nothing is undone by itself.
    Resume,
    /// The operating system's environment is changed, for whoever starts from here on.
    OsEnvironment,
    /// Added applications are loaded and started.
    AddApplications,
    /// Applications that were stopped are started again.
    RestartApplications,
    /// `config_change/3` of applications is called.
    Configure,
    /// Children of supervisors are stopped and started.
    Children,
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
    pub const ALL: [Self; 20] = [
        Self::Ready,
        Self::Compare,
        Self::Purge,
        Self::Prepare,
        Self::Find,
        Self::Suspend,
        Self::Environment,
        Self::Load,
        Self::Convert,
        Self::CodePaths,
        Self::Resume,
        Self::OsEnvironment,
        Self::AddApplications,
        Self::RestartApplications,
        Self::Configure,
        Self::Children,
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
            Self::Suspend => "suspend",
            Self::Environment => "environment",
            Self::Load => "load",
            Self::Convert => "convert",
            Self::CodePaths => "code_paths",
            Self::Resume => "resume",
            Self::AddApplications => "add_applications",
            Self::Configure => "configure",
            Self::Children => "children",
            Self::Calls => "calls",
            Self::RestartApplications => "restart_applications",
            Self::RemoveApplications => "remove_applications",
            Self::Delete => "delete",
            Self::OsEnvironment => "os_environment",
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
