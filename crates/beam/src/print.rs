//! Terms as text, for people: as Erlang's shell and as Elixir's `inspect/1` write them.
//!
//! Both are equal to what OTP 25 and Elixir 1.14 write (recorded in `tests/golden/`), with these exceptions:
//! - Processes, ports and references are shown as their own node shows them, `<0.84.0>`: the first number of those
//!   of other nodes means something on one node only.
//! - Integers of more than [`MOST_DECIMAL_BITS`] are written in base 16, which takes no time to compute.
//! - Structs of Elixir are shown by their fields, never by a protocol's implementation, which only the node has.

pub mod elixir;
pub mod erlang;
mod number;

pub use elixir::Elixir;
pub use erlang::Erlang;
pub use number::MOST_DECIMAL_BITS;
