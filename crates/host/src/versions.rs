//! Unpacked versions: whole before they are used, and their facts, which are read once.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use model::app::{App, Target};
use package::tree::{Check, InstallError, Unpacked, install_version, remove_tree, verify};
use package::{Facts, Limits, Sha256Digest};
use tokio::task::spawn_blocking;

use crate::site::Site;

/// Facts of versions that are remembered; a host runs a few.
const MOST_FACTS: usize = 64;

/// The last versions whose facts were asked for, by folder and digest: what is unpacked there never changes.
static FACTS: Mutex<VecDeque<(PathBuf, String, Arc<Facts>)>> = Mutex::new(VecDeque::new());

/// One damaged version is unpacked at a time, and nobody removes what another has just made whole.
static REPAIR: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Why a version cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum VersionError {
    /// The version is not known any more.
    #[error("its version is not registered any more")]
    NoVersion,
    /// Its digest is not one.
    #[error("the version's digest {digest:?} cannot be read")]
    Digest {
        /// What stands there.
        digest: String,
        /// Why not.
        #[source]
        source: package::digest::NotADigest,
    },
    /// Its damaged folder could not be removed.
    #[error("{damage}; and {folder} could not be removed", folder = folder.display())]
    Remove {
        /// What is wrong with it.
        damage: String,
        /// The folder.
        folder: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The folder of its app's versions could not be made, where a restored state has none yet.
    #[error("{damage}; and {folder} could not be made", folder = folder.display())]
    Make {
        /// What is wrong with it.
        damage: String,
        /// The folder.
        folder: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// It could not be unpacked again.
    #[error("{damage}; and it could not be unpacked again")]
    Install {
        /// What is wrong with what was unpacked.
        damage: String,
        /// Why not.
        #[source]
        source: Box<InstallError>,
    },
    /// A worker thread panicked.
    #[error("a worker ended unexpectedly")]
    Worker(#[from] tokio::task::JoinError),
}

/// A target's unpacked version, checked as closely as is asked; a damaged or missing one is unpacked again from its
/// package.
///
/// # Errors
/// [`VersionError`].
pub(crate) async fn whole(
    site: &Arc<Site>,
    app: &App,
    target: Target,
    check: Check,
) -> Result<Unpacked, VersionError> {
    let version = app.version(target.version).ok_or(VersionError::NoVersion)?;
    let digest: Sha256Digest = version
        .digest
        .parse()
        .map_err(|source| VersionError::Digest { digest: version.digest.clone(), source })?;
    let folder = site.paths.version(&app.name, &version.label);
    let look = {
        let folder = folder.clone();
        move || sound(&folder, &digest, check)
    };
    if let Ok(unpacked) = spawn_blocking(look).await? {
        return Ok(unpacked);
    }
    let _one_at_a_time = REPAIR.lock().await;
    let (site, name) = (site.clone(), app.name.clone());
    let packed = site.paths.package(&name, &version.label);
    spawn_blocking(move || {
        let damage = match sound(&folder, &digest, check) {
            Ok(unpacked) => return Ok(unpacked),
            Err(damage) => damage,
        };
        tracing::warn!(folder = %folder.display(), damage, "unpacked again");
        if let Err(source) = remove_tree(&folder) {
            return Err(VersionError::Remove { damage, folder, source });
        }
        let versions = site.paths.versions(&name);
        if let Err(source) = fs_err::create_dir_all(&versions) {
            return Err(VersionError::Make { damage, folder: versions, source });
        }
        install_version(&packed, Some(&digest), None, &folder, &site.platform, &Limits::default())
            .map_err(|source| VersionError::Install { damage, source: Box::new(source) })
    })
    .await?
}

/// What is unpacked in a folder, or what is wrong with it.
fn sound(folder: &Path, digest: &Sha256Digest, check: Check) -> Result<Unpacked, String> {
    match verify(folder, check) {
        Ok(unpacked) if unpacked.digest == *digest => Ok(unpacked),
        Ok(unpacked) => Err(format!("{} holds another package, {}", folder.display(), unpacked.digest)),
        Err(damage) => Err(crate::chain(&damage)),
    }
}

/// The facts of the version with this digest whose folder this is; `open` reads it, the first time.
///
/// # Errors
/// Those of `open`.
pub(crate) fn facts<E>(
    folder: &Path,
    digest: &str,
    open: impl FnOnce() -> Result<Unpacked, E>,
) -> Result<Arc<Facts>, E> {
    let all = || FACTS.lock().expect("nobody panics while holding it");
    let known = all().iter().find(|(at, of, _)| at == folder && of == digest).map(|(_, _, it)| it.clone());
    if let Some(facts) = known {
        return Ok(facts);
    }
    let facts = Arc::new(open()?.facts);
    let mut all = all();
    all.truncate(MOST_FACTS - 1);
    all.push_front((folder.to_owned(), digest.to_owned(), facts.clone()));
    Ok(facts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_once_per_digest() {
        let folder = Path::new("/nowhere/beacon/1.0.0");
        let unpacked = |version: &str| {
            let facts = crate::environment::tests::facts(package::Kind::MixRelease);
            let facts = Facts { version: version.into(), ..facts };
            let (digest, manifest) = (Sha256Digest::of(b""), package::Manifest::default());
            Ok::<_, &str>(Unpacked { path: folder.to_owned(), facts, digest, manifest })
        };
        assert_eq!(facts(folder, "11", || unpacked("1")).unwrap().version, "1");
        assert_eq!(facts(folder, "11", || Err("read again")).unwrap().version, "1");
        assert_eq!(facts(folder, "22", || Err("read")), Err("read"), "another digest");
        assert_eq!(facts(folder, "22", || unpacked("2")).unwrap().version, "2");
    }
}
