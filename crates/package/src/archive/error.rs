//! Why an archive is not unpacked.

use std::io;

/// An archive was not unpacked.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It holds what no honest package holds, or more than the limits allow.
    #[error("the archive is refused{}: {why}", at(entry))]
    Hostile {
        /// The entry's name as the archive gives it, made printable; empty when it is about the whole archive.
        entry: String,
        /// What is wrong with it.
        why: Hostile,
    },
    /// It ends too early.
    #[error("the archive is truncated: it ends before its last entry does")]
    Truncated,
    /// It is no gzip stream or no tar archive, or it was damaged.
    #[error("the archive is damaged or not a .tar.gz")]
    Corrupt(#[source] io::Error),
    /// The packed file could not be read.
    #[error("the archive could not be read")]
    Read(#[source] io::Error),
    /// What was in it could not be written.
    #[error("an unpacked file could not be written")]
    Write(#[source] io::Error),
}

/// What is wrong with an entry or the whole archive.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Hostile {
    /// `/etc/passwd`
    #[error("its name is absolute")]
    Absolute,
    /// `a/../../b`
    #[error("its name has a \"..\"")]
    Parent,
    /// No name at all, or only dots and slashes where a file is meant.
    #[error("its name is empty")]
    EmptyName,
    /// A NUL or another control character.
    #[error("its name has a control character")]
    ControlCharacter,
    /// Not UTF-8.
    #[error("its name is not UTF-8")]
    NotUtf8,
    /// Longer than a file system or the limits take.
    #[error("its name is too long (at most {limit} bytes)")]
    NameTooLong {
        /// The limit that it passes.
        limit: usize,
    },
    /// Too many names in the path.
    #[error("its name has more than {limit} parts")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// Two entries of one name, also when they are written differently.
    #[error("the name occurs twice")]
    Duplicate,
    /// A file or link that another entry uses as a folder.
    #[error("{parent:?} is used as a folder but is none")]
    ParentNotFolder {
        /// The file or link.
        parent: String,
    },
    /// A symbolic link to an absolute path or out of the tree, directly or through other links.
    #[error("the symbolic link to {target:?} leads out of the package")]
    LinkEscapes {
        /// The link's text.
        target: String,
    },
    /// A symbolic link that leads to itself, or through more links and folders than any system follows.
    #[error("the symbolic link to {target:?} leads to itself or through too many others")]
    LinkLoop {
        /// The link's text.
        target: String,
    },
    /// More symbolic links than the limit.
    #[error("there are more than {limit} symbolic links")]
    TooManyLinks {
        /// The limit.
        limit: usize,
    },
    /// A hard link to something that is not a file of this archive before it.
    #[error("the hard link to {target:?} names no earlier file of the package")]
    HardLinkTarget {
        /// The link's text.
        target: String,
    },
    /// A device, a named pipe, a sparse file …
    #[error("entries of type {0:?} are not accepted: only files, folders and links are")]
    Type(char),
    /// The set-user-id or set-group-id bit.
    #[error("the file has the set-user-id or set-group-id bit")]
    SetId,
    /// Headers that contradict each other or that a program could read in two ways.
    #[error("its header is malformed")]
    Header,
    /// More entries than the limit.
    #[error("there are more than {limit} entries")]
    TooManyEntries {
        /// The limit.
        limit: u64,
    },
    /// One file larger than the limit.
    #[error("the file is larger than {limit} bytes")]
    FileTooLarge {
        /// The limit.
        limit: u64,
    },
    /// All files together larger than the limit.
    #[error("the unpacked files are larger than {limit} bytes together")]
    TotalTooLarge {
        /// The limit.
        limit: u64,
    },
    /// The packed file larger than the limit.
    #[error("the packed file is larger than {limit} bytes")]
    ArchiveTooLarge {
        /// The limit.
        limit: u64,
    },
    /// Something follows the archive's end.
    #[error("there is data after the end of the archive")]
    TrailingData,
}

impl Hostile {
    pub(crate) fn at(self, entry: &str) -> ArchiveError {
        ArchiveError::Hostile { entry: printable(entry), why: self }
    }
}

impl ArchiveError {
    /// What reading the packed stream gave: the decoder and the tar reader report damage as IO errors of these kinds.
    pub(super) fn read(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Truncated,
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::Other => {
                Self::Corrupt(error)
            }
            _ => Self::Read(error),
        }
    }

    pub(super) fn write(error: io::Error) -> Self {
        Self::Write(error)
    }
}

fn at(entry: &str) -> String {
    if entry.is_empty() { String::new() } else { format!(" at {entry:?}") }
}

/// Names come from an attacker and end up on a terminal: cut, and no control characters.
fn printable(name: &str) -> String {
    name.chars().take(200).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
