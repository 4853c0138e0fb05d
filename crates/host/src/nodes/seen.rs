//! What is seen of a link, for people and for the mesh.

use super::facts::NodeFacts;

/// What is seen of a link.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// While there is a connection: who the node is.
    pub facts: Option<NodeFacts>,
    /// While there is none: why, as far as that is known yet.
    pub why_not: Option<String>,
    /// While there is one, and the node is to be connected with others.
    pub mesh: Option<MeshSeen>,
}

/// A node's connections with the others of its mesh.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MeshSeen {
    /// Those that it is connected with.
    pub connected: Vec<String>,
    /// Those that it shall be connected with and is not.
    pub missing: Vec<Missing>,
}

/// A node that another one is not connected with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Its name.
    pub node: String,
    /// What came of the last attempt; none was made yet, or the other one makes it.
    pub why: Option<String>,
}

/// An instance's node and what is seen of the link to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The node's name.
    pub node: String,
    /// What is seen.
    pub seen: Seen,
}
