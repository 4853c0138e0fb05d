//! What a native file needs of the host: ELF's machine, the C library's versions, the loader.

use std::path::Path;

use object::elf::{
    DT_NEEDED, EM_386, EM_AARCH64, EM_ARM, EM_LOONGARCH, EM_PPC64, EM_RISCV, EM_S390, EM_X86_64,
};
use object::elf::{FileHeader32, FileHeader64, Machine};
use object::read::elf::{FileHeader, ProgramHeader, SectionTable};
use object::{Endianness, ReadCache, ReadRef};

use crate::platform::GlibcVersion;

/// What one native file needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NativeNeeds {
    /// Architecture in the words of `uname -m`, with the operating system where it is not Linux.
    pub(crate) arch: String,
    /// Newest version of glibc that one of its symbols needs.
    pub(crate) glibc: Option<GlibcVersion>,
    /// Whether it is linked to musl.
    pub(crate) musl: bool,
}

/// Whether a file's first bytes are those of native code: ELF, or macOS's Mach-O, which is a package built on a Mac.
pub(crate) fn is_native(first: &[u8]) -> bool {
    first.starts_with(b"\x7fELF") || is_mach_o(first)
}

fn is_mach_o(first: &[u8]) -> bool {
    matches!(first.first_chunk::<4>(), Some([0xcf | 0xce, 0xfa, 0xed, 0xfe]))
}

/// Reads what a native file needs; the error text says what is wrong with a file that only looks like one.
pub(crate) fn needs(path: &Path) -> Result<NativeNeeds, String> {
    let file = fs_err::File::open(path).map_err(|error| error.to_string())?;
    let cache = ReadCache::new(file);
    let data = &cache;
    let first = data.read_bytes_at(0, 5).map_err(|()| "it is too short".to_owned())?;
    if is_mach_o(first) {
        return Ok(NativeNeeds { arch: "macOS".to_owned(), glibc: None, musl: false });
    }
    let needs = match first.last() {
        Some(1) => elf_needs::<FileHeader32<Endianness>, _>(data, 32),
        _ => elf_needs::<FileHeader64<Endianness>, _>(data, 64),
    };
    needs.map_err(|error| error.to_string())
}

/// The newest `GLIBC_x.y` that a C library defines.
pub(crate) fn defined_glibc(path: &Path) -> Option<GlibcVersion> {
    let cache = ReadCache::new(fs_err::File::open(path).ok()?);
    let data = &cache;
    match data.read_bytes_at(0, 5).ok()?.last()? {
        1 => newest_defined::<FileHeader32<Endianness>, _>(data).ok()?,
        _ => newest_defined::<FileHeader64<Endianness>, _>(data).ok()?,
    }
}

fn elf_needs<'data, Elf, R>(data: R, bits: u32) -> object::read::Result<NativeNeeds>
where
    Elf: FileHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    let header = Elf::parse(data)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, data)?;
    let mut musl = links_musl(&sections, endian, data)?;
    for segment in header.program_headers(endian, data)? {
        musl |= segment.interpreter(endian, data)?.is_some_and(|loader| contains(loader, b"ld-musl"));
    }
    Ok(NativeNeeds {
        arch: architecture(header.e_machine(endian), endian, bits),
        glibc: newest_needed(&sections, endian, data)?,
        musl,
    })
}

fn links_musl<'data, Elf, R>(
    sections: &SectionTable<'data, Elf, R>,
    endian: Endianness,
    data: R,
) -> object::read::Result<bool>
where
    Elf: FileHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    let table = sections.dynamic_table(endian, data)?;
    for entry in table.iter().filter(|entry| entry.tag == DT_NEEDED) {
        if table.string(entry)?.starts_with(b"libc.musl") {
            return Ok(true);
        }
    }
    Ok(false)
}

fn newest_needed<'data, Elf, R>(
    sections: &SectionTable<'data, Elf, R>,
    endian: Endianness,
    data: R,
) -> object::read::Result<Option<GlibcVersion>>
where
    Elf: FileHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    let Some((mut needed, link)) = sections.gnu_verneed(endian, data)? else { return Ok(None) };
    let strings = sections.strings(endian, data, link)?;
    let mut newest = None;
    while let Some((_, mut versions)) = needed.next()? {
        while let Some(version) = versions.next()? {
            newest = newest.max(GlibcVersion::of_symbol(version.name(endian, strings)?));
        }
    }
    Ok(newest)
}

fn newest_defined<'data, Elf, R>(data: R) -> object::read::Result<Option<GlibcVersion>>
where
    Elf: FileHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    let header = Elf::parse(data)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, data)?;
    let Some((mut defined, link)) = sections.gnu_verdef(endian, data)? else { return Ok(None) };
    let strings = sections.strings(endian, data, link)?;
    let mut newest = None;
    while let Some((_, mut names)) = defined.next()? {
        // The first name is the version's own, later ones are those that it builds on.
        if let Some(name) = names.next()? {
            newest = newest.max(GlibcVersion::of_symbol(name.name(endian, strings)?));
        }
    }
    Ok(newest)
}

fn architecture(machine: Machine, endian: Endianness, bits: u32) -> String {
    let little = endian == Endianness::Little;
    let name = match machine {
        EM_X86_64 if bits == 64 => "x86_64",
        EM_AARCH64 if little && bits == 64 => "aarch64",
        EM_386 => "i686",
        EM_ARM => "arm",
        EM_RISCV if bits == 64 => "riscv64",
        EM_PPC64 if little => "ppc64le",
        EM_PPC64 => "ppc64",
        EM_S390 if bits == 64 => "s390x",
        EM_LOONGARCH => "loongarch64",
        Machine(other) => return format!("machine {other} ({bits} bits)"),
    };
    name.to_owned()
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
