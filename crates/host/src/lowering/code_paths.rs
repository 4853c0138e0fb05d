//! The code path: every folder becomes the one of the new version's root.

use std::collections::BTreeSet;

use hot::CodePath;

use super::{LowerError, Version};

/// Those of all applications, also of unchanged ones: the old root goes when nothing runs from it any more. Folders that
/// the package does not bring are the host's, and stay.
pub(super) fn lower(old: Version<'_>, new: Version<'_>) -> Result<Vec<CodePath>, LowerError> {
    let (before, after) = (&old.release.applications, &new.release.applications);
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut changes = Vec::new();
    for name in names {
        let old_folder = before.get(name).map(|it| format!("{}/ebin", it.folder));
        let new_folder = after.get(name).map(|it| format!("{}/ebin", it.folder));
        changes.extend(change(old, new, old_folder, new_folder, CodePath::Last)?);
    }
    let protocols = |version: Version<'_>| {
        let has_some = !version.release.protocols.is_empty();
        has_some.then(|| format!("{}/consolidated", version.release_folder()))
    };
    changes.extend(change(old, new, protocols(old), protocols(new), CodePath::First)?);
    Ok(changes)
}

fn change(
    old: Version<'_>,
    new: Version<'_>,
    old_folder: Option<String>,
    new_folder: Option<String>,
    added: impl Fn(String) -> CodePath,
) -> Result<Option<CodePath>, LowerError> {
    let path = |version: Version<'_>, folder: Option<String>| {
        let folder = folder.filter(|folder| version.has_folder(folder));
        folder.map(|folder| version.path(&folder)).transpose()
    };
    Ok(match (path(old, old_folder)?, path(new, new_folder)?) {
        (Some(old), Some(new)) if old != new => Some(CodePath::Replace { old, new }),
        (None, Some(new)) => Some(added(new)),
        (Some(old), None) => Some(CodePath::Remove(old)),
        _ => None,
    })
}
