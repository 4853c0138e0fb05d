//! The files of a version below the release's root, by its manifest.

use std::io::Read;
use std::path::Path;

use super::{InventoryError, Source};
use crate::manifest::{Manifest, Node, below, join};

/// Longest file that is read, but for modules: these have a limit of their own.
const MAX_TEXT: u64 = 8 << 20;

pub(super) struct Files<'a> {
    disk: &'a Path,
    manifest: &'a Manifest,
    root: &'a str,
}

impl<'a> Files<'a> {
    pub(super) fn new(source: &'a Source<'a>) -> Self {
        Self { disk: &source.tree, manifest: source.manifest, root: &source.facts.root }
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.manifest.has_file(&join(self.root, path))
    }

    /// Names of the files directly in a folder.
    pub(super) fn names(&self, folder: &str) -> impl Iterator<Item = &'a str> {
        let inside = self.inside(folder);
        let names = inside.filter(|(path, node)| !path.contains('/') && matches!(node, Node::File { .. }));
        names.map(|(name, _)| name)
    }

    /// Everything in a folder, at any depth, by its path there.
    pub(super) fn inside(&self, folder: &str) -> impl Iterator<Item = (&'a str, &'a Node)> + use<'a> {
        let folder = join(self.root, folder);
        let entries = self.manifest.inside(&folder);
        entries.iter().filter_map(move |entry| Some((below(&entry.path, &folder)?, &entry.node)))
    }

    pub(super) fn node(&self, path: &str) -> Option<&'a Node> {
        self.manifest.get(&join(self.root, path))
    }

    /// A file's content.
    pub(super) fn read(&self, path: &str) -> Result<Vec<u8>, InventoryError> {
        self.read_most(path, MAX_TEXT)
    }

    /// A file's content; refused when it is longer than `most` bytes.
    pub(super) fn read_most(&self, path: &str, most: u64) -> Result<Vec<u8>, InventoryError> {
        let mut bytes = Vec::new();
        let mut read = || {
            let file = fs_err::File::open(self.disk.join(join(self.root, path)))?;
            file.take(most + 1).read_to_end(&mut bytes)
        };
        match read() {
            Ok(length) if length as u64 <= most => Ok(bytes),
            Ok(_) => {
                let problem = format!("is longer than {most} bytes");
                Err(InventoryError::Broken { path: path.to_owned(), problem })
            }
            Err(source) => Err(InventoryError::Read { path: path.to_owned(), source }),
        }
    }
}

/// A file that is not what it should be, by the reader's error and its causes.
pub(super) fn broken<E: std::error::Error>(path: &str) -> impl Fn(E) -> InventoryError {
    let path = path.to_owned();
    move |error| {
        let causes = std::iter::successors(error.source(), |&cause| cause.source());
        let problem = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
        InventoryError::Broken { path: path.clone(), problem }
    }
}
