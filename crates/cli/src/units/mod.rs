//! Files with which the host's init runs Bellrock itself, or an app's instances without it: templates with places to be
//! filled.

mod app;
mod itself;
mod quote;
mod templates;

use clap::ValueEnum;

pub(crate) use app::App;
pub(crate) use itself::{bellrockd, itself};
pub(crate) use quote::plain;
pub(crate) use templates::Templates;

/// An init that runs services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Init {
    Systemd,
    Openrc,
    Runit,
    Sysv,
}

impl Init {
    /// Name of its template, and of a file that overrides it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Init::Systemd => "systemd",
            Init::Openrc => "openrc",
            Init::Runit => "runit",
            Init::Sysv => "sysv",
        }
    }
}

/// A file of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnitFile {
    /// Below the folder that it is written into.
    pub(crate) path: String,
    /// What it says.
    pub(crate) text: String,
    /// Whether it is a script.
    pub(crate) executable: bool,
}

impl UnitFile {
    /// Its permission bits; none of these files holds a secret.
    pub(crate) fn mode(&self) -> u32 {
        if self.executable { 0o755 } else { 0o644 }
    }
}

#[cfg(test)]
mod tests;
