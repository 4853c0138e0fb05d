//! Unpacks a `.tar.gz` that somebody else made.
//!
//! Names are checked before anything is written; folders are always real folders that we made in a private one, and
//! symbolic links are created last, when no file is written any more and every one is known to stay inside. So no
//! entry can write through another.

mod entry_name;
mod error;
mod header;
mod layout;
mod links;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use flate2::bufread::GzDecoder;
use fs_err::os::unix::fs::symlink;

pub use error::{ArchiveError, Hostile};
use header::{FileHeader, Header, HeaderReader};
use layout::Layout;
pub(crate) use links::check as check_links;

use crate::digest::{HashingReader, Sha256Digest};
use crate::limits::Limits;
use crate::manifest::{Manifest, Node};

/// Zero bytes that may follow the end of the archive: tapes are written in blocks.
const MAX_PADDING: u64 = 1 << 20;

/// What was unpacked.
#[derive(Debug)]
pub struct Extracted {
    /// Everything that is in the folder now.
    pub manifest: Manifest,
    /// Digest of the packed file.
    pub digest: Sha256Digest,
    /// Bytes of the packed file.
    pub packed_bytes: u64,
    /// Files that are native code, by their first bytes.
    pub(crate) native: Vec<String>,
}

/// Unpacks an archive into `folder`, which must exist, be empty and be private to us. Files get their final modes
/// (0o444 or 0o555), folders stay writable (0o700) for the caller to finish. On an error the folder holds a part.
pub fn extract(archive: impl Read, folder: &Path, limits: &Limits) -> Result<Extracted, ArchiveError> {
    let limited = HashingReader::new(archive.take(limits.archive_bytes.saturating_add(1)));
    let mut packed = BufReader::with_capacity(1 << 16, limited);
    let mut unpacking = Unpacking {
        folder,
        limits,
        layout: Layout::default(),
        total: 0,
        native: Vec::new(),
        buffer: vec![0; 1 << 16],
    };
    let unpacked = unpacking.run(&mut packed);
    if packed.get_ref().bytes() > limits.archive_bytes {
        return Err(Hostile::ArchiveTooLarge { limit: limits.archive_bytes }.at(""));
    }
    unpacked?;
    let (digest, packed_bytes) = packed.into_inner().finish();
    let Unpacking { layout, mut native, .. } = unpacking;
    native.sort_unstable();
    Ok(Extracted { manifest: layout.into_manifest(), digest, packed_bytes, native })
}

struct Unpacking<'a> {
    folder: &'a Path,
    limits: &'a Limits,
    layout: Layout,
    total: u64,
    native: Vec<String>,
    /// For all files in turn. On the stack it would stay resident in every thread that has ever unpacked something.
    buffer: Vec<u8>,
}

impl Unpacking<'_> {
    fn run(&mut self, packed: &mut impl BufRead) -> Result<(), ArchiveError> {
        let mut plain = GzDecoder::new(&mut *packed);
        self.entries(&mut plain)?;
        padding(&mut plain)?;
        drop(plain);
        if !packed.fill_buf().map_err(ArchiveError::read)?.is_empty() {
            return Err(Hostile::TrailingData.at(""));
        }
        self.links()
    }

    fn entries(&mut self, plain: &mut impl Read) -> Result<(), ArchiveError> {
        let mut archive = tar::Archive::new(plain);
        let mut headers = HeaderReader::new(self.limits);
        // Raw: the library would read extended headers of any size into memory.
        for entry in archive.entries().map_err(ArchiveError::read)?.raw(true) {
            let mut entry = entry.map_err(ArchiveError::read)?;
            if let Some(header) = headers.read(&mut entry)? {
                self.entry(header, &mut entry)?;
            }
        }
        headers.finish()
    }

    fn entry(&mut self, header: Header, content: &mut impl Read) -> Result<(), ArchiveError> {
        match header {
            Header::Folder { name } => {
                let made = self.layout.add_folder(&name)?;
                self.create(&name, made)
            }
            Header::File(header) => self.file(header, content),
            Header::Symlink { name, target } => {
                self.parents(&name)?;
                self.layout.add(&name, Node::Link { target })
            }
            Header::HardLink { name, target } => self.hard_link(&name, &target),
        }
    }

    fn parents(&mut self, name: &str) -> Result<(), ArchiveError> {
        let made = self.layout.add_parents(name)?;
        self.create(name, made)
    }

    /// Creates new folders; those that no entry names count as entries too.
    fn create(&self, name: &str, folders: Vec<String>) -> Result<(), ArchiveError> {
        if self.layout.len() as u64 > self.limits.entries {
            return Err(Hostile::TooManyEntries { limit: self.limits.entries }.at(name));
        }
        for folder in folders {
            fs_err::create_dir(self.folder.join(folder)).map_err(ArchiveError::write)?;
        }
        Ok(())
    }

    fn file(&mut self, header: FileHeader, content: &mut impl Read) -> Result<(), ArchiveError> {
        let FileHeader { name, size, executable, modified } = header;
        self.total = self.total.saturating_add(size);
        if self.total > self.limits.total_bytes {
            return Err(Hostile::TotalTooLarge { limit: self.limits.total_bytes }.at(&name));
        }
        self.layout.reserve(&name)?;
        self.parents(&name)?;
        let mode = if executable { 0o555 } else { 0o444 };
        let path = self.folder.join(&name);
        let written = write_file(content, &path, mode, modified, &mut self.buffer)?;
        if written.bytes != size {
            return Err(ArchiveError::Truncated);
        }
        if crate::elf::is_native(&written.first) {
            self.native.push(name.clone());
        }
        self.layout.set(&name, Node::File { mode, size, modified, sha256: written.sha256 });
        Ok(())
    }

    fn hard_link(&mut self, name: &str, target: &str) -> Result<(), ArchiveError> {
        let Some(node @ Node::File { .. }) = self.layout.get(target).cloned() else {
            return Err(Hostile::HardLinkTarget { target: target.to_owned() }.at(name));
        };
        self.parents(name)?;
        self.layout.add(name, node)?;
        fs_err::hard_link(self.folder.join(target), self.folder.join(name)).map_err(ArchiveError::write)
    }

    fn links(&mut self) -> Result<(), ArchiveError> {
        let manifest = self.layout.to_manifest();
        check_links(&manifest, "")?;
        for entry in &manifest.entries {
            if let Node::Link { target } = &entry.node {
                symlink(target, self.folder.join(&entry.path)).map_err(ArchiveError::write)?;
            }
        }
        Ok(())
    }
}

/// What was written to a file.
struct Written {
    sha256: Sha256Digest,
    bytes: u64,
    first: Vec<u8>,
}

fn write_file(
    content: &mut impl Read,
    path: &Path,
    mode: u32,
    modified: u32,
    buffer: &mut [u8],
) -> Result<Written, ArchiveError> {
    let mut content = HashingReader::new(content);
    let mut file =
        fs_err::OpenOptions::new().write(true).create_new(true).open(path).map_err(ArchiveError::write)?;
    let mut first = Vec::with_capacity(4);
    loop {
        let count = content.read(buffer).map_err(ArchiveError::read)?;
        if count == 0 {
            break;
        }
        let missing = 4_usize.saturating_sub(first.len()).min(count);
        first.extend_from_slice(&buffer[..missing]);
        file.write_all(&buffer[..count]).map_err(ArchiveError::write)?;
    }
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(modified));
    file.file().set_modified(time).map_err(ArchiveError::write)?;
    file.set_permissions(std::fs::Permissions::from_mode(mode)).map_err(ArchiveError::write)?;
    let (sha256, bytes) = content.finish();
    Ok(Written { sha256, bytes, first })
}

/// Reads what follows the archive's end: zeros, not many.
fn padding(plain: &mut impl Read) -> Result<(), ArchiveError> {
    let mut buffer = [0; 1 << 14];
    let mut seen: u64 = 0;
    loop {
        let count = match plain.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(ArchiveError::read(error)),
        };
        seen += count as u64;
        if seen > MAX_PADDING || buffer[..count].iter().any(|&byte| byte != 0) {
            return Err(Hostile::TrailingData.at(""));
        }
    }
}
