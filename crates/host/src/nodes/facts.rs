//! Who a node is, as status shows it.

use dist::Identity;
use jiff::Timestamp;
use probe::Facts;

use crate::clock;

/// Who a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeFacts {
    /// OTP's release, as `25`.
    pub otp: String,
    /// The version of ERTS, as `13.1.5`.
    pub erts: String,
    /// The version of Elixir, where it is loaded.
    pub elixir: Option<String>,
    /// Schedulers online, once it was told.
    pub schedulers: Option<u32>,
    /// When its virtual machine was started, once it was told. `init:restart/0` does not change it.
    pub started_at: Option<Timestamp>,
}

impl NodeFacts {
    /// What the connection itself has told.
    pub(super) fn of(identity: &Identity) -> Self {
        let Identity { otp, erts, .. } = identity;
        NodeFacts { otp: otp.clone(), erts: erts.clone(), elixir: None, schedulers: None, started_at: None }
    }

    /// What the node was asked for, now.
    pub(super) fn told(facts: Facts) -> Self {
        NodeFacts {
            otp: facts.otp,
            erts: facts.erts,
            elixir: facts.elixir,
            schedulers: Some(facts.schedulers),
            started_at: clock::now().checked_sub(facts.uptime).ok(),
        }
    }
}
