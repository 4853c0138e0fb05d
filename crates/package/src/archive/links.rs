//! Where symbolic links lead, followed in the manifest instead of on the disk.

use super::error::{ArchiveError, Hostile};
use crate::manifest::{Manifest, Node, below, join};

/// Most symbolic links of a package, and parts followed for one of them: bounds for the work that a hostile package
/// can ask for. A release has a handful of links.
const MAX_LINKS: usize = 10_000;
const MAX_PARTS: usize = 512;
/// As many links as Linux follows in one path.
const MAX_HOPS: usize = 40;

/// Refuses every link below `root` that leads out of `root`, through other links too. A link to nothing is harmless.
pub(crate) fn check(manifest: &Manifest, root: &str) -> Result<(), ArchiveError> {
    let mut links = 0;
    for entry in &manifest.entries {
        let Node::Link { target } = &entry.node else { continue };
        links += 1;
        if links > MAX_LINKS {
            return Err(Hostile::TooManyLinks { limit: MAX_LINKS }.at(&entry.path));
        }
        if let Some(path) = below(&entry.path, root) {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            follow(manifest, root, folder, target).map_err(|wrong| wrong.hostile(target).at(&entry.path))?;
        }
    }
    Ok(())
}

enum Wrong {
    Escapes,
    Loops,
}

impl Wrong {
    fn hostile(self, target: &str) -> Hostile {
        let target = target.chars().take(200).collect();
        match self {
            Self::Escapes => Hostile::LinkEscapes { target },
            Self::Loops => Hostile::LinkLoop { target },
        }
    }
}

fn follow(manifest: &Manifest, root: &str, folder: &str, target: &str) -> Result<(), Wrong> {
    let mut here: Vec<String> = parts(folder).map(str::to_owned).collect();
    let mut ahead: Vec<String> = reversed(target)?;
    let mut hops = 0;
    let mut followed = 0;
    while let Some(part) = ahead.pop() {
        followed += 1;
        if followed > MAX_PARTS {
            return Err(Wrong::Loops);
        }
        if part == ".." {
            here.pop().ok_or(Wrong::Escapes)?;
            continue;
        }
        here.push(part);
        if let Some(Node::Link { target }) = manifest.get(&join(root, &here.join("/"))) {
            hops += 1;
            if hops > MAX_HOPS {
                return Err(Wrong::Loops);
            }
            here.pop();
            ahead.extend(reversed(target)?);
        }
    }
    Ok(())
}

fn reversed(target: &str) -> Result<Vec<String>, Wrong> {
    if target.starts_with('/') {
        return Err(Wrong::Escapes);
    }
    Ok(parts(target).map(str::to_owned).collect::<Vec<_>>().into_iter().rev().collect())
}

fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".")
}
