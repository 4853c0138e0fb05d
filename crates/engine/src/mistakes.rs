//! Mistakes that the engine makes on purpose when it is told to, each one that somebody might make in earnest. The
//! simulator has it make them and must find each. Without the feature `mistakes`, so in every program, none can be made.

/// A mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "mistakes"), allow(dead_code, unreachable_pub, reason = "nobody can ask for them"))]
pub enum Mistake {
    /// Effects are performed before the turn that asks for them is durable.
    ActsBeforeItRemembers,
    /// What has no outcome is not performed again after a start.
    ForgetsTheOutbox,
    /// Effects about the same thing are done side by side.
    KeepsNoOrder,
    /// A fact that cannot be journalled is dropped like a command.
    DropsFacts,
}

/// Whether a mistake shall be made.
#[cfg(feature = "mistakes")]
pub(crate) fn makes<D: crate::Doer>(doer: &D, mistake: Mistake) -> bool {
    doer.mistake() == Some(mistake)
}

/// None is made.
#[cfg(not(feature = "mistakes"))]
pub(crate) fn makes<D>(_doer: &D, _mistake: Mistake) -> bool {
    false
}
