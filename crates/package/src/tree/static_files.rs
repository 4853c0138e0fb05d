//! A version's static files, for a program that may see these and nothing else of the package.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use super::damage::VerifyError;
use super::instance::{Shared, share};
use super::version::open_version;
use crate::digest::Sha256Digest;
use crate::durable::{self, TemporaryFolder};
use crate::manifest::{Node, below};

/// Which files of a package are static ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticFiles {
    /// The folders that stand for `/`, from the package's top; `*` in a name stands for anything.
    pub folder: String,
    /// Beginnings of paths in them, in whole segments, each with `/` in front.
    pub prefixes: Vec<String>,
}

/// Why a version's static files could not be shared. Nothing of them is visible then.
#[derive(Debug, thiserror::Error)]
pub enum ShareError {
    /// The version's folder cannot be used.
    #[error("the version cannot be used")]
    Version(#[from] VerifyError),
    /// Another package has been unpacked there.
    #[error("{path} holds another package, with the digest {digest}")]
    OtherPackage {
        /// The version's folder.
        path: PathBuf,
        /// Digest of the package there.
        digest: Sha256Digest,
    },
    /// Files could not be linked or copied.
    #[error("the static files could not be put into {path}")]
    Io {
        /// Where they were to be.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl StaticFiles {
    /// Where a file of the package lies below `/`; `None`: it is no static file.
    fn place<'a>(&self, path: &'a str) -> Option<&'a str> {
        let mut rest = path;
        for pattern in self.folder.split('/') {
            let (name, below) = rest.split_once('/')?;
            if !matches(pattern, name) {
                return None;
            }
            rest = below;
        }
        let is_below = |prefix: &String| {
            let prefix = prefix.trim_matches('/');
            prefix.is_empty() || rest == prefix || below(rest, prefix).is_some()
        };
        self.prefixes.iter().any(is_below).then_some(rest)
    }
}

/// `*` stands for anything.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(name) = name.strip_prefix(start) else { return false };
    (0..=name.len()).filter_map(|skipped| name.get(skipped..)).any(|name| matches(rest, name))
}

/// Makes a folder of hard links to a version's static files, visible by one rename, and tells how many there are. Who
/// knows a name may read the file, and nobody may list them (folders 0711): they are files that anybody can ask for.
/// Where several folders have the same file, the first by name wins. Nothing may be at `dest`.
///
/// # Errors
/// [`ShareError`].
pub fn share_static_files(
    version: &Path,
    package: &Sha256Digest,
    files: &StaticFiles,
    dest: &Path,
) -> Result<usize, ShareError> {
    let unpacked = open_version(version)?;
    if unpacked.digest != *package {
        return Err(ShareError::OtherPackage { path: version.to_owned(), digest: unpacked.digest });
    }
    let failed = |source| ShareError::Io { path: dest.to_owned(), source };
    let temporary = TemporaryFolder::beside(dest).map_err(failed)?;
    let source = unpacked.tree().join(&unpacked.facts.root);
    let mut made = Sharing {
        folder: temporary.path(),
        folders: BTreeSet::new(),
        shared: BTreeSet::new(),
        has_copies: false,
    };
    for entry in &unpacked.manifest.entries {
        let Node::File { mode, .. } = entry.node else { continue };
        let Some(path) = below(&entry.path, &unpacked.facts.root) else { continue };
        if let Some(place) = files.place(path) {
            made.share(&source.join(path), place, mode).map_err(failed)?;
        }
    }
    let (count, has_copies) = (made.shared.len(), made.has_copies);
    durable::set_mode(temporary.path(), 0o711).map_err(failed)?;
    if has_copies {
        // What is linked is durable since its version was unpacked.
        durable::sync_file_system(temporary.path()).map_err(failed)?;
    }
    temporary.publish(dest).map_err(failed)?;
    Ok(count)
}

struct Sharing<'a> {
    folder: &'a Path,
    folders: BTreeSet<String>,
    shared: BTreeSet<String>,
    /// Of files that could not be linked.
    has_copies: bool,
}

impl Sharing<'_> {
    fn share(&mut self, from: &Path, place: &str, mode: u32) -> io::Result<()> {
        let parents: Vec<&str> = place.match_indices('/').map(|(end, _)| &place[..end]).collect();
        // One that an earlier folder has, or whose folder is a file there.
        let is_taken = self.shared.contains(place)
            || self.folders.contains(place)
            || parents.iter().any(|parent| self.shared.contains(*parent));
        if is_taken {
            return Ok(());
        }
        for parent in parents {
            if self.folders.insert(parent.to_owned()) {
                let path = self.folder.join(parent);
                fs_err::create_dir(&path)?;
                durable::set_mode(&path, 0o711)?;
            }
        }
        self.has_copies |= matches!(share(from, &self.folder.join(place), mode)?, Shared::Copied);
        self.shared.insert(place.to_owned());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(folder: &str, prefixes: &[&str], path: &str, expected: Option<&str>) {
        let prefixes = prefixes.iter().map(|it| (*it).to_owned()).collect();
        let files = StaticFiles { folder: folder.into(), prefixes };
        assert_eq!(files.place(path), expected, "{path} in {folder}");
    }

    #[test]
    fn where_a_file_lies() {
        let phoenix = |path, expected| check("lib/*/priv/static", &["/assets"], path, expected);
        phoenix("lib/shop-1.0.0/priv/static/assets/app.js", Some("assets/app.js"));
        phoenix("lib/shop-1.0.0/priv/static/assets/js/app.js", Some("assets/js/app.js"));
        phoenix("lib/shop-1.0.0/priv/static/assetsmap", None);
        phoenix("lib/shop-1.0.0/priv/static/robots.txt", None);
        phoenix("lib/shop-1.0.0/ebin/shop.app", None);
        phoenix("lib/a/b/priv/static/assets/app.js", None);
        phoenix("releases/1.0.0/sys.config", None);
        check("lib/shop_web-*/priv", &["/"], "lib/shop_web-1/priv/x.js", Some("x.js"));
        check("lib/shop_web-*/priv", &["/"], "lib/shop-1/priv/x.js", None);
        check("static", &["/a/b", "/c"], "static/a/b/x", Some("a/b/x"));
        check("static", &["/a/b", "/c"], "static/a/x", None);
        check("static", &["/c"], "static/c", Some("c"));
        check("static", &["/c"], "static", None);
    }

    #[test]
    fn patterns_of_names() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("*", "shop-1.0", true),
            ("shop-*", "shop-", true),
            ("shop-*", "shop", false),
            ("*-*.x", "a-b-c.x", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "acb", false),
            ("ä*", "äö", true),
            ("*ö", "äö", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
