//! Where in a package the release is: at the top, or in one folder there.

use super::{Refusal, unpacked::Tree};
use crate::manifest::join;

pub(super) enum Root {
    Release { folder: String },
    Shipment { folder: String },
}

impl Root {
    fn folder(&self) -> &str {
        match self {
            Self::Release { folder } | Self::Shipment { folder } => folder,
        }
    }
}

pub(super) fn find(tree: &Tree<'_>) -> Result<Root, Refusal> {
    let mut found = candidates(tree, "");
    // `{app}/erlang-shipment/`: one wrapping folder around a folder.
    if let (true, [wrapper]) = (found.is_empty(), tree.folders("").as_slice()) {
        found = candidates(tree, wrapper);
    }
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (Some(root), None) => Ok(root),
        (Some(first), Some(second)) => {
            Err(Refusal::TwoRoots { first: first.folder().to_owned(), second: second.folder().to_owned() })
        }
        (None, _) => Err(Refusal::NotARelease { found: tree.names("") }),
    }
}

fn candidates(tree: &Tree<'_>, top: &str) -> Vec<Root> {
    let inner = tree.folders(top).into_iter().map(|name| join(top, &name));
    std::iter::once(top.to_owned()).chain(inner).filter_map(|folder| candidate(tree, folder)).collect()
}

fn candidate(tree: &Tree<'_>, folder: String) -> Option<Root> {
    let part = tree.at(&folder);
    if part.has_folder("releases") && part.has_folder("lib") {
        return Some(Root::Release { folder });
    }
    let is_shipment = part.has_file("entrypoint.sh")
        && part.folders("").iter().any(|name| part.has_folder(&format!("{name}/ebin")));
    is_shipment.then_some(Root::Shipment { folder })
}
