//! Packages: verified, unpacked once, recognised, and laid out for instances; the store that they come from.
//!
//! The way of a package: a file in a [`store`] is copied into our keeping ([`copy`], digest on the way), unpacked into
//! a version's folder ([`tree::install_version`]: hostile archives refused by [`archive`], facts read by
//! [`recognise`], the host checked by [`platform`] and [`runtime`]), and each instance gets a tree of hard links to
//! it ([`tree::instance_tree`]). Everything becomes visible by one rename; what a crash leaves behind is a temporary
//! folder that [`tree::sweep`] removes.
//!
//! All calls block; an asynchronous caller runs them on a thread for blocking work.

pub mod archive;
pub mod cellar;
pub mod copy;
pub mod digest;
pub mod durable;
mod elf;
pub mod inventory;
pub mod launch;
pub mod limits;
pub mod manifest;
pub mod otp;
pub mod platform;
pub mod recognise;
pub mod runtime;
pub mod store;
pub mod tree;

pub use digest::Sha256Digest;
pub use limits::Limits;
pub use manifest::Manifest;
pub use platform::HostPlatform;
pub use recognise::{Facts, Kind, Refusal};
