//! A compiled module: the chunk table of a `.beam` file (an IFF file of type `BEAM`), plain or gzipped, and what its
//! chunks hold.
//!
//! What each chunk looks like is what OTP's `beam_asm` and `beam_dict` write and `beam_lib` reads, from OTP 24 to 29.

mod atoms;
mod attributes;
mod digest;
mod literals;
mod tables;

use std::io::Read;

pub use atoms::Atoms;
pub use literals::Literals;
pub use tables::{Closure, Export, Import, MAX_ROWS};

use bytes::Bytes;

use crate::etf::{self, Interner, Limits};

/// Largest file read once decompressed. The largest of OTP 25's modules has 2 MB.
pub const MAX_BYTES: usize = 64 << 20;

/// What is read of a chunk's terms: options of a compiler, no code.
const LIMITS: Limits = Limits { depth: 128, bytes: 4 << 20, terms: 1 << 18, atoms: 1 << 12 };

/// Most chunks. Real modules have about fifteen.
const MAX_CHUNKS: usize = 1024;

/// One chunk: its id and where its bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Four characters, `Code`, `AtU8`, `Dbgi`, …
    pub id: [u8; 4],
    /// Offset of its bytes in the decompressed file.
    pub offset: usize,
    /// Their number.
    pub length: usize,
}

/// A module's chunk table and bytes.
#[derive(Clone, Debug)]
pub struct Module {
    bytes: Vec<u8>,
    chunks: Vec<Chunk>,
}

/// Why bytes are not a compiled module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModuleError {
    /// Not an IFF file of type BEAM.
    #[error("is not a BEAM file")]
    NotBeam,
    /// The gzip stream is damaged.
    #[error("is a gzip stream that cannot be decompressed")]
    Gzip,
    /// Larger than [`MAX_BYTES`].
    #[error("is larger than {MAX_BYTES} bytes")]
    TooLarge,
    /// More chunks than any module has.
    #[error("has more than {MAX_CHUNKS} chunks")]
    TooManyChunks,
    /// A chunk reaches past the end.
    #[error("has a chunk that reaches past its end")]
    Truncated,
}

/// Why a chunk of a module does not say what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// Every module has it.
    #[error("has no chunk {0}")]
    Missing(&'static str),
    /// It ends too early, announces more than it has, or names what is not there.
    #[error("has a damaged chunk {0}")]
    Damaged(&'static str),
    /// Larger than [`MAX_BYTES`] once decompressed.
    #[error("has a chunk {0} that decompresses to more than {MAX_BYTES} bytes")]
    TooLarge(&'static str),
    /// A number that no OTP release up to 29 gives to an instruction.
    #[error("uses the instruction {number}, which is not known here, at byte {at} of its code")]
    Instruction {
        /// Its number.
        number: u8,
        /// Where it is in the code.
        at: usize,
    },
    /// An operand of an instruction that is none.
    #[error("has an operand that is none, at byte {at} of its code")]
    Operand {
        /// Where it begins in the code.
        at: usize,
    },
}

impl Module {
    /// Reads the chunk table of a `.beam` file.
    pub fn parse(bytes: &[u8]) -> Result<Self, ModuleError> {
        let bytes = if bytes.starts_with(&[0x1f, 0x8b]) { decompress(bytes)? } else { bytes.to_vec() };
        if bytes.len() > MAX_BYTES {
            return Err(ModuleError::TooLarge);
        }
        let chunks = chunk_table(&bytes)?;
        Ok(Self { bytes, chunks })
    }

    /// The chunks in the order of the file.
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// The bytes of the first chunk with this id.
    pub fn chunk(&self, id: &[u8; 4]) -> Option<&[u8]> {
        let chunk = self.chunks.iter().find(|chunk| chunk.id == *id)?;
        self.bytes.get(chunk.offset..chunk.offset.checked_add(chunk.length)?)
    }

    /// The module's name: the first atom.
    pub fn name(&self) -> Option<String> {
        atoms::first(self)
    }

    /// Whether it carries debug information: `Dbgi` (OTP 20 and newer) with some backend's data, or `Abst`.
    ///
    /// A module compiled without `debug_info` has a `Dbgi` chunk too: `{debug_info_v1, erl_abstract_code,
    /// {none, Options}}`.
    pub fn has_debug_info(&self) -> bool {
        let Some(debug) = self.chunk(b"Dbgi").filter(|chunk| !chunk.is_empty()) else {
            return self.chunk(b"Abst").is_some_and(|chunk| !chunk.is_empty());
        };
        !says_none(debug).unwrap_or(false)
    }

    /// The version of the compiler application that made it, when the file was not stripped of it.
    pub fn compiler_version(&self) -> Option<String> {
        let chunk = Bytes::copy_from_slice(self.chunk(b"CInf")?);
        etf::decode(&chunk, LIMITS).ok()?.property("version")?.as_text()
    }

    /// The highest number of an instruction that it uses. A runtime refuses a module whose number is above its own
    /// highest, so this survives stripping as a lower bound for the runtime.
    pub fn highest_instruction(&self) -> Option<u32> {
        // sub-header size, instruction set, highest instruction, …, each 32 bits.
        let field = self.chunk(b"Code")?.get(8..12)?;
        Some(u32::from_be_bytes(field.try_into().ok()?))
    }
}

fn decompress(bytes: &[u8]) -> Result<Vec<u8>, ModuleError> {
    let mut plain = Vec::new();
    let limit = u64::try_from(MAX_BYTES).map_err(|_| ModuleError::TooLarge)? + 1;
    let mut decoder = flate2::read::GzDecoder::new(bytes).take(limit);
    decoder.read_to_end(&mut plain).map_err(|_| ModuleError::Gzip)?;
    Ok(plain)
}

fn chunk_table(bytes: &[u8]) -> Result<Vec<Chunk>, ModuleError> {
    if bytes.get(..4) != Some(b"FOR1") || bytes.get(8..12) != Some(b"BEAM") {
        return Err(ModuleError::NotBeam);
    }
    let mut chunks = Vec::new();
    let mut offset = 12;
    while offset < bytes.len() {
        let (id, length) = chunk_head(bytes, offset).ok_or(ModuleError::Truncated)?;
        let start = offset + 8;
        let end = start.checked_add(length).filter(|&end| end <= bytes.len());
        let end = end.ok_or(ModuleError::Truncated)?;
        if chunks.len() == MAX_CHUNKS {
            return Err(ModuleError::TooManyChunks);
        }
        chunks.push(Chunk { id, offset: start, length });
        offset = end.next_multiple_of(4);
    }
    Ok(chunks)
}

fn chunk_head(bytes: &[u8], offset: usize) -> Option<([u8; 4], usize)> {
    let (id, rest) = bytes.get(offset..)?.split_first_chunk::<4>()?;
    let length = u32::from_be_bytes(*rest.first_chunk::<4>()?);
    Some((*id, usize::try_from(length).ok()?))
}

/// Whether a `Dbgi` chunk begins `{debug_info_v1, _, {none, _}}` or `{debug_info_v1, _, none}`. Only the beginning is
/// decompressed: the debug information itself can be large. `None` when it begins otherwise.
fn says_none(debug: &[u8]) -> Option<bool> {
    let head = etf::head(debug, 512)?;
    let mut atoms = Interner::new(LIMITS.atoms);
    let mut reader = etf::Reader::new(&head, &LIMITS, &[], &mut atoms);
    skip_pair_or_triple(&mut reader, 3)?;
    reader.term().ok()?;
    reader.term().ok()?;
    // The data is a pair or an atom.
    skip_pair_or_triple(&mut reader, 2);
    Some(reader.term().ok()?.as_atom() == Some("none"))
}

/// Skips the head of a tuple of this arity, if there is one.
fn skip_pair_or_triple(reader: &mut etf::Reader<'_>, arity: u8) -> Option<()> {
    reader.peek().starts_with(&[104, arity]).then(|| reader.skip(2).ok())?
}
