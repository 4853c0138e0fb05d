//! A part of an unpacked package: names from the manifest, content from the disk.

use std::path::Path;

use super::Refusal;
use crate::manifest::{Manifest, Node, below, join};

pub(super) struct Tree<'a> {
    disk: &'a Path,
    manifest: &'a Manifest,
    folder: String,
}

impl<'a> Tree<'a> {
    pub(super) fn new(disk: &'a Path, manifest: &'a Manifest) -> Self {
        Self { disk, manifest, folder: String::new() }
    }

    /// The part in a folder of this part.
    pub(super) fn at(&self, folder: &str) -> Tree<'a> {
        let folder = if folder.is_empty() { self.folder.clone() } else { join(&self.folder, folder) };
        Tree { disk: self.disk, manifest: self.manifest, folder }
    }

    pub(super) fn folder(&self) -> &str {
        &self.folder
    }

    pub(super) fn exists(&self, path: &str) -> bool {
        self.manifest.get(&join(&self.folder, path)).is_some()
    }

    pub(super) fn has_file(&self, path: &str) -> bool {
        self.manifest.has_file(&join(&self.folder, path))
    }

    pub(super) fn has_folder(&self, path: &str) -> bool {
        self.manifest.has_folder(&join(&self.folder, path))
    }

    pub(super) fn is_executable(&self, path: &str) -> bool {
        let node = self.manifest.get(&join(&self.folder, path));
        matches!(node, Some(Node::File { mode, .. }) if mode & 0o111 != 0)
    }

    /// Names of everything directly in a folder.
    pub(super) fn names(&self, folder: &str) -> Vec<String> {
        self.children(folder, |_| true)
    }

    /// Names of the folders directly in a folder.
    pub(super) fn folders(&self, folder: &str) -> Vec<String> {
        self.children(folder, |node| matches!(node, Node::Folder))
    }

    /// Names of the files directly in a folder that end so.
    pub(super) fn files_ending(&self, folder: &str, end: &str) -> Vec<String> {
        let mut names = self.children(folder, |node| matches!(node, Node::File { .. }));
        names.retain(|name| name.ends_with(end));
        names
    }

    /// Paths of all files that end so, at any depth.
    pub(super) fn all_files_ending(&self, end: &str) -> Vec<String> {
        let files = self.manifest.files().filter_map(|(path, _)| below(path, &self.folder));
        files.filter(|path| path.ends_with(end)).map(str::to_owned).collect()
    }

    /// A file's content; refused when it is longer than `limit`.
    pub(super) fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, Refusal> {
        let whole = join(&self.folder, path);
        match self.manifest.get(&whole) {
            Some(Node::File { size, .. }) if *size <= limit => {}
            Some(Node::File { .. }) => {
                return Err(Refusal::broken(path, format!("is longer than {limit} bytes")));
            }
            _ => return Err(Refusal::broken(path, "is not a file")),
        }
        fs_err::read(self.disk.join(&whole)).map_err(|source| Refusal::Read { path: path.to_owned(), source })
    }

    pub(super) fn disk_path(&self, path: &str) -> std::path::PathBuf {
        self.disk.join(join(&self.folder, path))
    }

    fn children(&self, folder: &str, accept: impl Fn(&Node) -> bool) -> Vec<String> {
        let whole = if folder.is_empty() { self.folder.clone() } else { join(&self.folder, folder) };
        let children = self.manifest.children(&whole).filter(|(_, node)| accept(node));
        children.map(|(name, _)| name.to_owned()).collect()
    }
}
