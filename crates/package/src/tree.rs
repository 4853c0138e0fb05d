//! Folders of unpacked versions, and instances' trees made from them.
//!
//! ```text
//! {version}/                 0700, ours
//!   manifest.json  facts.json   what is in tree/, with digests; what the package is
//!   tree/                    read-only: folders 0555, files 0444 or 0555
//! {instance}/                0750 root:{app's group}, or 0550 when we are not root
//!   .bellrock-instance.json  which package it was made from
//!   .bellrock-launch         what may start it in the place of its own script
//!   lib/ erts-*/ bin/ …      hard links to the version's files, in folders that the app cannot change
//!   releases/ tmp/ log/      the app's own, 0700
//! {static files}/            0711: hard links to the files of one folder of a version, for a server of theirs
//! ```
//!
//! **What protects the shared files.** A hard link shares the file's mode and owner. When we are root and the app has
//! a user of its own, that user owns neither the files nor their folders: it can change no byte, no mode and no name.
//! When all run as one user the kernel cannot protect files from their owner: mode 0444 stops every write by mistake,
//! but the owner may change the mode first. [`verify`] with [`Check::Full`] finds that afterwards, and is made before
//! a version is used again. An app that runs as root writes wherever it likes.

mod damage;
mod instance;
mod remove;
mod static_files;
mod version;

pub use damage::{Check, Damage, VerifyError, verify};
pub use instance::{INSTANCE_MARK, InstanceError, InstanceTree, Owner, instance_tree};
pub use remove::{remove_tree, sweep};
pub use static_files::{ShareError, StaticFiles, share_static_files};
pub use version::{InstallError, Unpacked, install_version, open_version};
