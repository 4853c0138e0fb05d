//! Whose certificates are, and what happens to them, in the operator's words.

use std::fmt;

use jiff::Timestamp;
use model::AppName;

use super::CertificatesError;

/// Whose a certificate is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holder {
    /// Bellrock's own, with which it connects to nodes.
    Bellrock,
    /// Of an app: all its instances have the same.
    App(AppName),
}

impl fmt::Display for Holder {
    /// Also the common name in its certificate. No app's name has a space.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Holder::Bellrock => f.write_str("Bellrock itself"),
            Holder::App(app) => app.fmt(f),
        }
    }
}

/// Something that became different.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A certificate was made or renewed.
    Renewed {
        /// Whose.
        holder: Holder,
        /// Its end.
        until: Timestamp,
    },
    /// There is a second authority, and it is trusted.
    Begun,
    /// It signs, and the one before does not any more.
    Switched,
    /// The one before is trusted no more.
    Forgotten,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Renewed { holder, until } => {
                let day = until.strftime("%Y-%m-%d");
                write!(f, "certificate of {holder} for distribution made, valid until {day}")
            }
            Change::Begun => f.write_str("new authority for distribution made: both are trusted"),
            Change::Switched => {
                f.write_str("new authority for distribution signs: every certificate is renewed")
            }
            Change::Forgotten => f.write_str("old authority for distribution is trusted no more"),
        }
    }
}

/// What [`Certificates::keep`] did, and could not do.
#[derive(Debug, Default)]
pub struct Kept {
    /// What became different.
    pub changes: Vec<Change>,
    /// What went wrong; the rest was done.
    pub failures: Vec<CertificatesError>,
}
