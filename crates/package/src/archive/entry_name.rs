//! An entry's name, made into a relative path that stays where it is put.

use super::error::{ArchiveError, Hostile};
use crate::limits::Limits;

/// Longest name of one file on Linux file systems.
const NAME_MAX: usize = 255;

/// The normal form of a name: names joined by one `/`, no `.`, no empty part. Empty for the archive's root (`./`).
pub(super) fn normal(raw: &[u8], limits: &Limits) -> Result<String, ArchiveError> {
    let shown = String::from_utf8_lossy(raw);
    let refuse = |why: Hostile| Err(why.at(&shown));
    if raw.is_empty() {
        return refuse(Hostile::EmptyName);
    }
    if raw.len() > limits.path_bytes {
        return refuse(Hostile::NameTooLong { limit: limits.path_bytes });
    }
    let Ok(name) = std::str::from_utf8(raw) else { return refuse(Hostile::NotUtf8) };
    if name.chars().any(char::is_control) {
        return refuse(Hostile::ControlCharacter);
    }
    if name.starts_with('/') {
        return refuse(Hostile::Absolute);
    }
    let parts: Vec<&str> = name.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") {
        return refuse(Hostile::Parent);
    }
    if parts.iter().any(|part| part.len() > NAME_MAX) {
        return refuse(Hostile::NameTooLong { limit: NAME_MAX });
    }
    if parts.len() > limits.path_depth {
        return refuse(Hostile::TooDeep { limit: limits.path_depth });
    }
    Ok(parts.join("/"))
}
