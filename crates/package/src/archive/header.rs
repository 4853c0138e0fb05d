//! Tar headers, read with limits: the plain one, GNU long names (`L`, `K`) and PAX records (`x`; `g` is ignored).

use std::io::Read;

use tar::EntryType;

use super::entry_name::normal;
use super::error::{ArchiveError, Hostile};
use crate::limits::Limits;

/// Longest extended header. Names are at most `path_bytes`; the rest is times, owners and attributes.
const MAX_EXTENDED: u64 = 64 << 10;

/// What an entry is, checked.
#[derive(Debug)]
pub(super) enum Header {
    Folder { name: String },
    File(FileHeader),
    Symlink { name: String, target: String },
    HardLink { name: String, target: String },
}

/// A file's header, checked.
#[derive(Debug)]
pub(super) struct FileHeader {
    pub(super) name: String,
    pub(super) size: u64,
    pub(super) executable: bool,
    /// Seconds since 1970; what does not fit is cut.
    pub(super) modified: u32,
}

/// Puts extended headers and the header that they belong to together.
pub(super) struct HeaderReader<'a> {
    limits: &'a Limits,
    entries: u64,
    name: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    size: Option<u64>,
    extended: bool,
}

impl<'a> HeaderReader<'a> {
    pub(super) fn new(limits: &'a Limits) -> Self {
        Self { limits, entries: 0, name: None, target: None, size: None, extended: false }
    }

    /// The next entry; `None` for an extended header, or for the archive's root.
    pub(super) fn read(
        &mut self,
        entry: &mut tar::Entry<'_, impl Read>,
    ) -> Result<Option<Header>, ArchiveError> {
        self.entries += 1;
        let raw_name = entry.header().path_bytes().into_owned();
        if self.entries > self.limits.entries {
            let shown = String::from_utf8_lossy(&raw_name);
            return Err(Hostile::TooManyEntries { limit: self.limits.entries }.at(&shown));
        }
        match entry.header().entry_type() {
            EntryType::GNULongName => self.name = Some(long_name(entry)?),
            EntryType::GNULongLink => self.target = Some(long_name(entry)?),
            EntryType::XHeader => self.pax(entry)?,
            EntryType::XGlobalHeader => {
                extended(entry)?;
                return Ok(None);
            }
            kind => {
                let name = self.name.take().unwrap_or(raw_name);
                return self.plain(kind, &name, entry.header());
            }
        }
        self.extended = true;
        Ok(None)
    }

    /// An extended header must be followed by the entry that it is about.
    pub(super) fn finish(&self) -> Result<(), ArchiveError> {
        if self.extended { Err(ArchiveError::Truncated) } else { Ok(()) }
    }

    fn plain(
        &mut self,
        kind: EntryType,
        raw_name: &[u8],
        header: &tar::Header,
    ) -> Result<Option<Header>, ArchiveError> {
        self.extended = false;
        let shown = String::from_utf8_lossy(raw_name).into_owned();
        let target = self.target.take();
        let extended_size = self.size.take();
        let size = header.entry_size().map_err(|_| Hostile::Header.at(&shown))?;
        if extended_size.is_some_and(|extended| extended != size) {
            return Err(Hostile::Header.at(&shown));
        }
        let name = normal(raw_name, self.limits)?;
        // Old archives mark a folder by a slash at the end of a file's name.
        let is_folder =
            kind == EntryType::Directory || (kind == EntryType::Regular && raw_name.ends_with(b"/"));
        if (is_folder || kind != EntryType::Regular) && size != 0 {
            return Err(Hostile::Header.at(&shown));
        }
        if is_folder {
            return Ok((!name.is_empty()).then_some(Header::Folder { name }));
        }
        if name.is_empty() {
            return Err(Hostile::EmptyName.at(&shown));
        }
        match kind {
            EntryType::Regular => self.file(name, size, header).map(Some),
            EntryType::Symlink => {
                let target = link_text(target, header, &shown)?;
                Ok(Some(Header::Symlink { name, target }))
            }
            EntryType::Link => {
                let text = link_text(target, header, &shown)?;
                let target = normal(text.as_bytes(), self.limits);
                let target = target.map_err(|_| Hostile::HardLinkTarget { target: text }.at(&shown))?;
                Ok(Some(Header::HardLink { name, target }))
            }
            other => Err(Hostile::Type(char::from(other.as_byte())).at(&shown)),
        }
    }

    fn file(&self, name: String, size: u64, header: &tar::Header) -> Result<Header, ArchiveError> {
        let mode = header.mode().map_err(|_| Hostile::Header.at(&name))?;
        if mode & 0o6000 != 0 {
            return Err(Hostile::SetId.at(&name));
        }
        if size > self.limits.file_bytes {
            return Err(Hostile::FileTooLarge { limit: self.limits.file_bytes }.at(&name));
        }
        let modified = u32::try_from(header.mtime().unwrap_or(0)).unwrap_or(u32::MAX);
        Ok(Header::File(FileHeader { name, size, executable: mode & 0o100 != 0, modified }))
    }

    fn pax(&mut self, entry: &mut tar::Entry<'_, impl Read>) -> Result<(), ArchiveError> {
        let records = extended(entry)?;
        for record in tar::PaxExtensions::new(&records) {
            let record = record.map_err(|_| Hostile::Header.at("PAX header"))?;
            match record.key_bytes() {
                b"path" => self.name = Some(record.value_bytes().to_vec()),
                b"linkpath" => self.target = Some(record.value_bytes().to_vec()),
                b"size" => {
                    let size = record.value().ok().and_then(|text| text.parse().ok());
                    self.size = Some(size.ok_or_else(|| Hostile::Header.at("PAX header"))?);
                }
                // Sparse files say one size and unpack to another.
                key if key.starts_with(b"GNU.sparse") => return Err(Hostile::Type('S').at("PAX header")),
                _ => {}
            }
        }
        Ok(())
    }
}

fn link_text(long: Option<Vec<u8>>, header: &tar::Header, shown: &str) -> Result<String, ArchiveError> {
    let bytes =
        long.or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned)).unwrap_or_default();
    let text = String::from_utf8(bytes).map_err(|_| Hostile::NotUtf8.at(shown))?;
    if text.is_empty() {
        return Err(Hostile::EmptyName.at(shown));
    }
    if text.chars().any(char::is_control) {
        return Err(Hostile::ControlCharacter.at(shown));
    }
    // Longest that symlink(2) takes.
    if text.len() > 4095 {
        return Err(Hostile::NameTooLong { limit: 4095 }.at(shown));
    }
    Ok(text)
}

/// A GNU long name ends with one NUL.
fn long_name(entry: &mut tar::Entry<'_, impl Read>) -> Result<Vec<u8>, ArchiveError> {
    let mut name = extended(entry)?;
    if name.last() == Some(&0) {
        name.pop();
    }
    Ok(name)
}

fn extended(entry: &mut tar::Entry<'_, impl Read>) -> Result<Vec<u8>, ArchiveError> {
    let size = entry.header().entry_size().map_err(|_| Hostile::Header.at("extended header"))?;
    if size > MAX_EXTENDED {
        return Err(Hostile::Header.at("extended header"));
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).map_err(ArchiveError::read)?;
    if bytes.len() as u64 == size { Ok(bytes) } else { Err(ArchiveError::Truncated) }
}
