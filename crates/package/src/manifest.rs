//! The list of all that a package unpacks to, with digests.

use serde::{Deserialize, Serialize};

use crate::digest::Sha256Digest;

/// Everything in a version's `tree/`, sorted by path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The entries; parents come before what is in them.
    pub entries: Vec<Entry>,
}

/// One entry of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Path below `tree/`: names joined by `/`, none of them empty, `.` or `..`.
    pub path: String,
    /// What is there.
    #[serde(flatten)]
    pub node: Node,
}

/// What a path holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Node {
    /// A folder.
    Folder,
    /// A file.
    File {
        /// Permission bits in our keeping: 0o444 or 0o555.
        mode: u32,
        /// Bytes.
        size: u64,
        /// Time of its last change as the archive says it, seconds since 1970. Kept, because web servers make
        /// validators (`etag`) of it.
        modified: u32,
        /// Digest of its content.
        sha256: Sha256Digest,
    },
    /// A symbolic link that stays inside the tree.
    Link {
        /// Its text.
        target: String,
    },
}

impl Manifest {
    /// The entry at a path.
    pub fn get(&self, path: &str) -> Option<&Node> {
        let index = self.entries.binary_search_by(|entry| entry.path.as_str().cmp(path)).ok()?;
        Some(&self.entries[index].node)
    }

    /// Whether a file is there (not a link to one).
    pub fn has_file(&self, path: &str) -> bool {
        matches!(self.get(path), Some(Node::File { .. }))
    }

    /// Whether a folder is there; the empty path is the tree itself.
    pub fn has_folder(&self, path: &str) -> bool {
        path.is_empty() || matches!(self.get(path), Some(Node::Folder))
    }

    /// Names directly in a folder, with what they are.
    pub fn children<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = (&'a str, &'a Node)> {
        self.inside(folder).iter().filter_map(move |entry| {
            let name = below(&entry.path, folder)?;
            (!name.contains('/')).then_some((name, &entry.node))
        })
    }

    /// The entries in a folder at any depth: they follow each other, since entries are sorted.
    pub(crate) fn inside(&self, folder: &str) -> &[Entry] {
        if folder.is_empty() {
            return &self.entries;
        }
        let prefix = format!("{folder}/");
        let rest = &self.entries[self.entries.partition_point(|entry| entry.path < prefix)..];
        &rest[..rest.partition_point(|entry| entry.path.starts_with(&prefix))]
    }

    /// Paths of all files, with their sizes.
    pub fn files(&self) -> impl Iterator<Item = (&str, u64)> {
        self.entries.iter().filter_map(|entry| match entry.node {
            Node::File { size, .. } => Some((entry.path.as_str(), size)),
            _ => None,
        })
    }
}

/// The part of `path` below `folder`; `None` when it is not in it. The empty folder is the tree itself.
pub(crate) fn below<'a>(path: &'a str, folder: &str) -> Option<&'a str> {
    if folder.is_empty() {
        return Some(path);
    }
    path.strip_prefix(folder)?.strip_prefix('/')
}

/// `folder/name`, or `name` in the tree itself.
pub(crate) fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(paths: &[&str]) -> Manifest {
        let mut paths = paths.to_vec();
        paths.sort_unstable();
        let entry = |path: &&str| Entry { path: (*path).to_owned(), node: Node::Folder };
        Manifest { entries: paths.iter().map(entry).collect() }
    }

    #[test]
    fn children_are_those_of_the_folder_alone() {
        // `-` and `.` sort before `/`, `0` after it.
        let manifest = manifest(&["a", "a-b", "a-b/x", "a.c", "a/x", "a/x/y", "a/z", "a0", "a0/w", "b"]);
        let names = |folder: &str| {
            let children = manifest.children(folder).map(|(name, _)| name.to_owned());
            children.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names("a"), "x z");
        assert_eq!(names("a/x"), "y");
        assert_eq!(names("a-b"), "x");
        assert_eq!(names("b"), "");
        assert_eq!(names("c"), "");
        assert_eq!(names(""), "a a-b a.c a0 b");
    }
}
