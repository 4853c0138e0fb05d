//! What has been unpacked so far, in memory: the one place that decides whether a name is free.

use std::collections::BTreeMap;

use super::error::{ArchiveError, Hostile};
use crate::manifest::{Entry, Manifest, Node};

#[derive(Default)]
pub(super) struct Layout {
    nodes: BTreeMap<String, Node>,
}

impl Layout {
    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        self.nodes.get(name)
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Adds a folder and the folders above it; gives those that are new, outermost first. A folder named twice is
    /// the same folder: tools list them so, and nothing is hidden by it.
    pub(super) fn add_folder(&mut self, name: &str) -> Result<Vec<String>, ArchiveError> {
        let mut made = self.add_parents(name)?;
        match self.nodes.get(name) {
            Some(Node::Folder) => {}
            Some(_) => return Err(Hostile::Duplicate.at(name)),
            None => {
                self.nodes.insert(name.to_owned(), Node::Folder);
                made.push(name.to_owned());
            }
        }
        Ok(made)
    }

    /// Adds the folders above a name; gives those that are new, outermost first.
    pub(super) fn add_parents(&mut self, name: &str) -> Result<Vec<String>, ArchiveError> {
        let mut made = Vec::new();
        for (end, _) in name.match_indices('/') {
            let parent = &name[..end];
            match self.nodes.get(parent) {
                Some(Node::Folder) => {}
                Some(_) => return Err(Hostile::ParentNotFolder { parent: parent.to_owned() }.at(name)),
                None => {
                    self.nodes.insert(parent.to_owned(), Node::Folder);
                    made.push(parent.to_owned());
                }
            }
        }
        Ok(made)
    }

    /// Adds a file or link; its parents are there.
    pub(super) fn add(&mut self, name: &str, node: Node) -> Result<(), ArchiveError> {
        self.reserve(name)?;
        self.set(name, node);
        Ok(())
    }

    /// Refuses a name that is taken.
    pub(super) fn reserve(&self, name: &str) -> Result<(), ArchiveError> {
        if self.nodes.contains_key(name) { Err(Hostile::Duplicate.at(name)) } else { Ok(()) }
    }

    /// Adds what was reserved.
    pub(super) fn set(&mut self, name: &str, node: Node) {
        self.nodes.insert(name.to_owned(), node);
    }

    pub(super) fn to_manifest(&self) -> Manifest {
        let entries = self.nodes.iter();
        Manifest {
            entries: entries.map(|(path, node)| Entry { path: path.clone(), node: node.clone() }).collect(),
        }
    }

    pub(super) fn into_manifest(self) -> Manifest {
        Manifest { entries: self.nodes.into_iter().map(|(path, node)| Entry { path, node }).collect() }
    }
}
