//! An instance's Erlang node, as Bellrock's own link to it shows it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// An instance's Erlang node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Who it is, while Bellrock is connected with it.
    pub connected: Option<NodeFacts>,
    /// Why Bellrock is not, as far as that is known yet.
    pub why_not: Option<String>,
    /// Its connections with the others of its mesh; `None` while that is not known, and for one that is to have none.
    pub mesh: Option<Mesh>,
}

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NodeFacts {
    /// OTP's release, e.g. `25`.
    pub otp: String,
    /// The version of its runtime system, e.g. `13.1.5`.
    pub erts: String,
    /// The version of Elixir, where it is loaded.
    pub elixir: Option<String>,
    /// Schedulers online, once it has told.
    pub schedulers: Option<u32>,
    /// When its virtual machine was started, once it has told.
    pub started_at: Option<Timestamp>,
}

/// A node's connections with the others of its mesh.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Mesh {
    /// Nodes that it is connected with.
    pub connected: Vec<String>,
    /// Nodes that it shall be connected with and is not.
    pub missing: Vec<MissingNode>,
}

/// A node that another one shall be connected with and is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MissingNode {
    /// Its name.
    pub node: String,
    /// What came of the last attempt, if one was made from here.
    pub why: Option<String>,
}
