//! How large a package may be before it is taken for an attack or a mistake.

/// Limits for reading a package. The defaults hold any release that we have seen a hundred times over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the packed file.
    pub archive_bytes: u64,
    /// Bytes of all unpacked files together.
    pub total_bytes: u64,
    /// Bytes of one unpacked file.
    pub file_bytes: u64,
    /// Entries of the archive, folders, links and extended headers included.
    pub entries: u64,
    /// Names in a path.
    pub path_depth: usize,
    /// Bytes of a whole path.
    pub path_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            archive_bytes: 2 << 30,
            total_bytes: 8 << 30,
            file_bytes: 2 << 30,
            entries: 200_000,
            path_depth: 64,
            path_bytes: 1024,
        }
    }
}
