//! The two packages of a comparison.

use anyhow::Context as _;
use package::Limits;
use package::inventory::{InventoryError, read_folder, read_package};
use upgrade::inventory::Release;

use super::Versions;
use crate::failure::Failure;

/// Reads both, side by side.
pub(super) fn both(versions: &Versions) -> Result<(Release, Release), Failure> {
    let (old, new) = std::thread::scope(|scope| {
        let old = scope.spawn(|| one(&versions.old));
        let new = one(&versions.new);
        (old.join(), new)
    });
    let old = old.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    let read = |release: Result<Release, InventoryError>, which: &str| {
        release.context(format!("the {which} package cannot be read")).map_err(Failure::Package)
    };
    Ok((read(old, "old")?, read(new, "new")?))
}

fn one(path: &std::path::Path) -> Result<Release, InventoryError> {
    if path.is_dir() { read_folder(path) } else { read_package(path, &Limits::default()) }
}
