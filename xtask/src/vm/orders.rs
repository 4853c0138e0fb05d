//! What a machine shall do: a file that the host writes and the guest reads.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// Said by the guest as its last line, with how its program ended.
pub(super) const ENDED: &str = "guest: ended with ";

/// Where the guest has its disk.
pub(super) const DISK: &str = "/mnt";

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Orders {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
    /// All of the program's environment, but the disk.
    pub(super) environment: Vec<(String, String)>,
    pub(super) has_disk: bool,
}

impl Orders {
    pub(super) fn write(&self, file: &Path) -> Result<()> {
        Ok(fs_err::write(file, serde_json::to_vec(self)?)?)
    }

    pub(super) fn read(file: &Path) -> Result<Self> {
        let text = fs_err::read(file)?;
        serde_json::from_slice(&text).with_context(|| format!("{} holds no orders", file.display()))
    }
}
