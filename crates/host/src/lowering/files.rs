//! Files of a version, and their paths as a node is told them.

use std::path::{Path, PathBuf};

use beam::Term;
use bytes::Bytes;
use hot::Code;
use upgrade::inventory::Release;

use super::{LowerError, Version};

impl<'a> Version<'a> {
    /// A path below the root, as text.
    pub(super) fn path(self, below: &str) -> Result<String, LowerError> {
        text(self.root.join(below))
    }

    /// Whether there is such a folder.
    pub(super) fn has_folder(self, below: &str) -> bool {
        self.root.join(below).is_dir()
    }

    /// Object code.
    pub(super) fn code(self, below: &str) -> Result<Code, LowerError> {
        let path = self.root.join(below);
        Ok(Code { object: Bytes::from(read(&path)?), file: text(path)? })
    }

    /// The terms of a text file.
    pub(super) fn terms(self, below: &str) -> Result<Vec<Term>, LowerError> {
        let path = self.root.join(below);
        let parsed = beam::text::consult(&read(&path)?);
        parsed.map_err(|error| self.broken(below, format!("is no Erlang text: {error}")))
    }

    /// A file that does not hold what it should.
    pub(super) fn broken(self, below: &str, problem: String) -> LowerError {
        LowerError::Broken { path: self.root.join(below), problem }
    }

    /// The plan names something that is not here.
    pub(super) fn foreign(self, what: &str) -> LowerError {
        let Release { name, version, .. } = self.release;
        LowerError::Foreign { what: what.to_owned(), version: format!("{name} {version}") }
    }

    /// Where a release of mix or rebar3 has what belongs to it as a whole.
    pub(super) fn release_folder(self) -> String {
        format!("releases/{}", self.release.version)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, LowerError> {
    fs_err::read(path).map_err(|source| LowerError::Read { path: path.to_owned(), source })
}

fn text(path: PathBuf) -> Result<String, LowerError> {
    match path.to_str() {
        Some(text) => Ok(text.to_owned()),
        None => Err(LowerError::Path { path }),
    }
}
