//! What a native file needs of the host: ELF's machine, the C library's versions, the loader.

use std::ops::Range;
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
    let data = Bounded(&cache);
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
    let data = Bounded(&cache);
    match data.read_bytes_at(0, 5).ok()?.last()? {
        1 => newest_defined::<FileHeader32<Endianness>, _>(data).ok()?,
        _ => newest_defined::<FileHeader64<Endianness>, _>(data).ok()?,
    }
}

/// Reads parts of a file as they are asked for, none of them large: a hostile header may claim a table of gigabytes.
#[derive(Clone, Copy)]
struct Bounded<'a>(&'a ReadCache<fs_err::File>);

/// Largest part. Tables of dynamic symbols' versions take kilobytes.
const MAX_PART: u64 = 16 << 20;

impl<'a> ReadRef<'a> for Bounded<'a> {
    fn len(self) -> Result<u64, ()> {
        self.0.len()
    }

    fn read_bytes_at(self, offset: u64, size: u64) -> Result<&'a [u8], ()> {
        if size > MAX_PART { Err(()) } else { self.0.read_bytes_at(offset, size) }
    }

    fn read_bytes_at_until(self, range: Range<u64>, delimiter: u8) -> Result<&'a [u8], ()> {
        let end = range.end.min(range.start.saturating_add(MAX_PART));
        self.0.read_bytes_at_until(range.start..end, delimiter)
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

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn needs_of(bytes: &[u8]) -> Result<NativeNeeds, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        needs(file.path())
    }

    #[test]
    fn this_program_needs_this_machine() {
        let found = needs(&std::env::current_exe().unwrap()).unwrap();
        assert_eq!(found.arch, std::env::consts::ARCH);
    }

    #[test]
    fn a_table_of_gigabytes_is_not_read() {
        let mut program = fs_err::read("/bin/true").unwrap();
        // e_shnum 0: the number of sections is said in the first section's size.
        let table = usize::try_from(u64::from_le_bytes(program[40..48].try_into().unwrap())).unwrap();
        program[60..62].copy_from_slice(&[0, 0]);
        program[table + 32..table + 40].copy_from_slice(&(1_u64 << 25).to_le_bytes());
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&program).unwrap();
        file.as_file().set_len(4 << 30).unwrap();
        assert!(needs(file.path()).is_err());
    }

    proptest! {
        #[test]
        fn no_damage_breaks_the_reader(changes in prop::collection::vec((0_usize..4096, any::<u8>()), 1..20)) {
            let mut program = fs_err::read("/bin/true").unwrap();
            let (sections, length) = (program.len() - 2048, program.len());
            for (at, byte) in changes {
                // The first bytes are headers, the last ones the table of sections.
                let at = if at < 2048 { at } else { sections + at - 2048 };
                program[at.min(length - 1)] = byte;
            }
            let _ = needs_of(&program);
            let _ = needs_of(&program[..program.len() / 2]);
        }
    }
}
