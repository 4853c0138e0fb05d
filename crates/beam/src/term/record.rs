//! Native records.

use super::{Atom, Items, Term};

/// A native record of OTP 29 (not the tuples that were called records before).
///
/// Nodes of OTP 29 send it as tag 67 even to those that do not say that they know it. The layout was read off
/// `term_to_binary/1` of OTP 29.1.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    /// As the node sent them; sent back unchanged.
    pub flags: u8,
    /// The module that defines it.
    pub module: Atom,
    /// Its name there.
    pub name: Atom,
    /// Names and values of its fields, in the order in which they were sent.
    pub fields: Items<(Atom, Term)>,
}
