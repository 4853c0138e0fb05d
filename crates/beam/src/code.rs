//! The instructions of a module: chunk `Code`.
//!
//! A header (its size, the instruction set, the highest instruction, the numbers of labels and functions, each 32
//! bits), then instructions as OTP's `beam_asm` writes them: a number in one byte, and as many operands as
//! [that instruction](opcode) has.

mod functions;
mod identity;
pub mod opcode;
mod operand;

pub use functions::{Function, Functions, Label};
pub use identity::{Identities, Identity};
pub use operand::{List, Operand};

use crate::module::{ContentError, Module};

/// A module's code.
#[derive(Clone, Copy, Debug)]
pub struct Code<'a> {
    bytes: &'a [u8],
    labels: u32,
}

/// One instruction. Kept and [filled](Instructions::next) again, so that reading a module allocates little.
#[derive(Clone, Debug, Default)]
pub struct Instruction<'a> {
    /// Its number, see [`opcode`].
    pub number: u8,
    /// Its operands.
    pub operands: Vec<Operand<'a>>,
    /// The elements of all lists among its operands.
    elements: Vec<Operand<'a>>,
}

impl<'a> Instruction<'a> {
    /// One that is none yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The elements of one of its lists.
    pub fn list(&self, list: List) -> &[Operand<'a>] {
        self.elements.get(list.start..list.end).unwrap_or_default()
    }
}

/// Reads instructions one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Instructions<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl<'a> Instructions<'a> {
    /// How many bytes of the code were read so far.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Reads the next into `instruction`; whether there was one.
    ///
    /// # Errors
    /// An instruction that is not known, or one that is damaged.
    pub fn next(&mut self, instruction: &mut Instruction<'a>) -> Result<bool, ContentError> {
        instruction.operands.clear();
        instruction.elements.clear();
        if self.at >= self.end {
            return Ok(false);
        }
        let at = self.at;
        let number = *self.bytes.get(at).ok_or(ContentError::Operand { at })?;
        let arity = opcode::arity(number).ok_or(ContentError::Instruction { number, at })?;
        instruction.number = number;
        self.at += 1;
        for _ in 0..arity {
            let operand = operand::read(self.bytes, &mut self.at, &mut instruction.elements)?;
            instruction.operands.push(operand);
        }
        Ok(true)
    }
}

impl<'a> Code<'a> {
    /// All instructions.
    pub fn instructions(&self) -> Instructions<'a> {
        Instructions { bytes: self.bytes, at: 0, end: self.bytes.len() }
    }

    /// The instructions of one function.
    pub fn instructions_of(&self, function: &Function) -> Instructions<'a> {
        Instructions { bytes: self.bytes, at: function.start, end: function.end.min(self.bytes.len()) }
    }
}

impl Module {
    /// Its code.
    ///
    /// # Errors
    /// There is none, or its header is damaged.
    pub fn code(&self) -> Result<Code<'_>, ContentError> {
        const DAMAGED: ContentError = ContentError::Damaged("Code");
        let chunk = self.chunk(b"Code").ok_or(ContentError::Missing("Code"))?;
        let number = |at: usize| chunk.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
        let start = number(0).and_then(|size| usize::try_from(size).ok()?.checked_add(4)).ok_or(DAMAGED)?;
        let bytes = chunk.get(start..).ok_or(DAMAGED)?;
        Ok(Code { bytes, labels: number(12).ok_or(DAMAGED)? })
    }
}
