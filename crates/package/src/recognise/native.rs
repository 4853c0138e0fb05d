//! Whether this host can run a package's native code.

use std::collections::BTreeMap;
use std::path::Path;

use super::{NativeLibrary, Refusal, unpacked::Tree};
use crate::elf::{self, NativeNeeds};
use crate::manifest::below;
use crate::platform::HostPlatform;

/// Looks at the native files below the root. ERTS must fit as a whole; of an application's files one must (packages
/// that carry a variant for each architecture exist).
pub(super) fn check(
    tree: &Tree<'_>,
    native: &[String],
    platform: &HostPlatform,
) -> Result<Vec<NativeLibrary>, Refusal> {
    let mut libraries = Vec::new();
    let mut owners: BTreeMap<String, Vec<Option<Refusal>>> = BTreeMap::new();
    for path in native.iter().filter_map(|path| below(path, tree.folder())) {
        let in_erts = path.starts_with("erts-");
        let needs = match elf::needs(&tree.disk_path(path)) {
            Ok(needs) => needs,
            Err(problem) if in_erts => {
                return Err(Refusal::broken(path, format!("is not a native program: {problem}")));
            }
            // Outside of ERTS something may only look like a native file; nothing says that it is ever loaded.
            Err(_) => continue,
        };
        let unfit = unfit(path, &needs, platform);
        if in_erts {
            unfit.map_or(Ok(()), Err)?;
        } else {
            libraries.push(library(path, needs, unfit.is_none()));
            owners.entry(owner(path)).or_default().push(unfit);
        }
    }
    match owners.into_values().find_map(only_unfit) {
        Some(refusal) => Err(refusal),
        None => Ok(libraries),
    }
}

/// Looks at one native file on its own.
pub(crate) fn check_file(path: &Path, platform: &HostPlatform) -> Result<(), Refusal> {
    let shown = path.display().to_string();
    let needs = elf::needs(path)
        .map_err(|problem| Refusal::broken(&shown, format!("is not a native program: {problem}")))?;
    unfit(&shown, &needs, platform).map_or(Ok(()), Err)
}

/// The first refusal of an application none of whose native files fits.
fn only_unfit(files: Vec<Option<Refusal>>) -> Option<Refusal> {
    files.into_iter().collect::<Option<Vec<_>>>()?.into_iter().next()
}

/// The application that a file belongs to: `lib/name-version`, or the first folder.
fn owner(path: &str) -> String {
    let parts = if path.starts_with("lib/") || path.starts_with("erlang-shipment/") { 2 } else { 1 };
    path.split('/').take(parts).collect::<Vec<_>>().join("/")
}

fn library(path: &str, needs: NativeNeeds, fits: bool) -> NativeLibrary {
    NativeLibrary { path: path.to_owned(), arch: needs.arch, glibc: needs.glibc, musl: needs.musl, fits }
}

fn unfit(path: &str, needs: &NativeNeeds, platform: &HostPlatform) -> Option<Refusal> {
    let path = path.to_owned();
    if needs.arch != platform.arch {
        return Some(Refusal::WrongArchitecture {
            path,
            needs: needs.arch.clone(),
            host: platform.arch.clone(),
        });
    }
    if needs.musl && !platform.musl {
        return Some(Refusal::NeedsMusl { path });
    }
    match needs.glibc {
        Some(needs) if platform.glibc.is_none_or(|host| host < needs) => {
            Some(Refusal::NeedsGlibc { path, needs, host: platform.glibc })
        }
        _ => None,
    }
}
