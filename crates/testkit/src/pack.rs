//! Packages made for a test.

use std::io::{Read, Write};
use std::path::Path;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

/// A package with files added to it.
///
/// # Panics
/// When the package cannot be read.
pub fn edited(package: &Path, added: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = Vec::new();
    let bytes = fs_err::read(package).unwrap_or_else(|error| panic!("{error}"));
    GzDecoder::new(bytes.as_slice()).read_to_end(&mut tar).expect("a sample is good gzip");
    // Two zero blocks and their padding end an archive; what is added goes in their place.
    let end = tar.iter().rposition(|byte| *byte != 0).map_or(0, |last| (last / 512 + 1) * 512);
    tar.truncate(end);
    tar.extend(archive(added));
    zipped(&tar)
}

/// A package of nothing but these files.
pub fn packed(files: &[(&str, &[u8])]) -> Vec<u8> {
    zipped(&archive(files))
}

fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        // As it is said, also what the library would refuse to write.
        let field = &mut header.as_old_mut().name;
        field[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        builder.append(&header, *content).expect("memory takes it");
    }
    builder.into_inner().expect("memory takes it")
}

fn zipped(tar: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(tar).expect("memory takes it");
    gzip.finish().expect("memory takes it")
}
