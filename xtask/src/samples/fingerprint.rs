//! What a package was made from, as one digest.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::Result;
use fs_err as fs;
use sha2::{Digest, Sha256};

use super::catalog::Sample;
use super::tools::Tools;
use super::{build, files_under};

/// The digest of sources, catalog entry, tools and way of building, in hex.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fingerprint(String);

impl Fingerprint {
    pub(crate) fn of(sample: &Sample, sources: &Path, tools: &Tools) -> Result<Fingerprint> {
        let mut hash = Sha256::new();
        field(&mut hash, build::PROCEDURE.as_bytes());
        field(&mut hash, tools.versions(sample.kind).as_bytes());
        field(&mut hash, &serde_json::to_vec(sample)?);
        for folder in build::ingredients(sample, sources) {
            add_folder(&mut hash, &folder)?;
        }
        Ok(Fingerprint(hex(&hash.finalize())))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The SHA-256 of a file, in hex.
pub(crate) fn sha256(path: &Path) -> Result<String> {
    Ok(hex(&Sha256::digest(fs::read(path)?)))
}

fn add_folder(hash: &mut Sha256, folder: &Path) -> Result<()> {
    for file in files_under(folder)? {
        let relative = file.strip_prefix(folder)?;
        if !build::is_ingredient(relative) {
            continue;
        }
        field(hash, relative.as_os_str().as_encoded_bytes());
        field(hash, &(fs::metadata(&file)?.permissions().mode() & 0o111).to_le_bytes());
        field(hash, &fs::read(&file)?);
    }
    Ok(())
}

/// Length first, so that no two lists of fields make the same bytes.
fn field(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
