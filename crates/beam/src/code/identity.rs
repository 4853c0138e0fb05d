//! Whether a function is the same as in another version of its module, whose tables and labels are numbered
//! otherwise.

mod skeleton;
mod text;

use std::collections::BTreeSet;

use md5::{Digest, Md5};
use text::Text;

use super::{Code, Function, Functions, Instruction, Label, Operand, opcode};
use crate::module::{Atoms, Closure, ContentError, Import, Literals, MAX_BYTES, Module};

/// Most bytes that the functions of a module are written in. Real ones take a few for each of their code; only a module
/// that names the same long string again and again takes more.
const MOST: usize = 2 * MAX_BYTES;

/// What a function is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The same for functions of the same instructions: 64 bits of an MD5 of them, in which names, literals and strings stand
    /// in the place of their numbers, and labels are counted within the function. Line numbers, types and where
    /// debuggers may stop do not count.
    pub digest: u64,
    /// The same for functions that differ in numbers, strings and binaries only, also those in literals. Atoms, sizes of
    /// tuples and keys of maps count.
    pub skeleton: u64,
    /// Functions of its module that it calls or makes closures of, but for itself: atoms of their names with their
    /// numbers of arguments.
    pub calls: BTreeSet<(u32, u8)>,
}

/// Tells what functions are, from the tables that their instructions refer to.
#[derive(Debug)]
pub struct Identities<'a> {
    code: Code<'a>,
    atoms: &'a Atoms<'a>,
    functions: &'a Functions,
    /// Of each literal what stands for it, as one can be large and named often.
    literals: Vec<LiteralDigests>,
    imports: Vec<Import>,
    closures: Vec<Closure>,
    strings: &'a [u8],
    /// What may still be written altogether.
    left: usize,
}

#[derive(Debug)]
struct LiteralDigests {
    whole: [u8; 16],
    skeleton: [u8; 16],
}

impl<'a> Identities<'a> {
    /// Reads the tables of a module whose atoms and functions were read.
    ///
    /// # Errors
    /// One of its chunks is damaged.
    pub fn new(
        module: &'a Module,
        atoms: &'a Atoms<'a>,
        functions: &'a Functions,
    ) -> Result<Self, ContentError> {
        Ok(Self {
            code: module.code()?,
            atoms,
            functions,
            literals: digests(&module.literals()?),
            imports: module.imports()?,
            closures: module.closures()?,
            strings: module.chunk(b"StrT").unwrap_or_default(),
            left: MOST,
        })
    }

    /// What a function is.
    ///
    /// # Errors
    /// An instruction refers to something that is not there, or the code is too large written so.
    pub fn of(&mut self, function: &Function) -> Result<Identity, ContentError> {
        let mut text = Text::new(self.left);
        let mut instructions = self.code.instructions_of(function);
        let mut instruction = Instruction::new();
        loop {
            let at = instructions.at();
            if !instructions.next(&mut instruction)? {
                break;
            }
            self.write(&instruction, &mut text).ok_or(ContentError::Operand { at })?;
            if text.is_too_long() {
                return Err(ContentError::TooLarge("Code"));
            }
        }
        self.left -= text.length();
        text.calls.remove(&(function.name, function.arity));
        let (digest, skeleton) = text.digests();
        Ok(Identity { digest, skeleton, calls: text.calls })
    }

    fn write(&self, instruction: &Instruction<'_>, text: &mut Text) -> Option<()> {
        let number = instruction.number;
        if opcode::is_about_lines(number) {
            return Some(());
        }
        text.byte(number);
        match (number, &instruction.operands[..]) {
            // the name is what the digest belongs to, and a label is its place among the function's
            (opcode::LABEL | opcode::FUNC_INFO, _) => Some(()),
            (opcode::BS_CREATE_BIN, _) => self.binary(instruction, text),
            (opcode::BS_PUT_STRING, &[Operand::Number(length), Operand::Number(offset)]) => {
                self.string(offset, length, text)
            }
            (opcode::BS_MATCH_STRING, &[fail, context, Operand::Number(bits), Operand::Number(offset)]) => {
                self.operand(fail, instruction, text)?;
                self.operand(context, instruction, text)?;
                text.value(b'i', &bits.to_be_bytes());
                self.string(offset, bits.div_ceil(8), text)
            }
            _ => self.operands(instruction, text),
        }
    }

    fn operands(&self, instruction: &Instruction<'_>, text: &mut Text) -> Option<()> {
        for (index, &operand) in instruction.operands.iter().enumerate() {
            match operand {
                Operand::Number(row) if opcode::import_operand(instruction.number) == Some(index) => {
                    self.import(row, text)?;
                }
                Operand::Number(row) if opcode::closure_operand(instruction.number) == Some(index) => {
                    self.closure(row, text)?;
                }
                operand => self.operand(operand, instruction, text)?,
            }
        }
        Some(())
    }

    /// `bs_create_bin`: segments of six operands, of which those of type `string` hold a place in the table of strings and
    /// a number of bytes.
    fn binary(&self, instruction: &Instruction<'_>, text: &mut Text) -> Option<()> {
        let (&last, first) = instruction.operands.split_last()?;
        for &operand in first {
            self.operand(operand, instruction, text)?;
        }
        let Operand::List(list) = last else { return None };
        for segment in instruction.list(list).chunks(6) {
            match *segment {
                [
                    kind @ Operand::Atom(name),
                    _,
                    unit,
                    flags,
                    Operand::Number(offset),
                    Operand::Integer(size),
                ] if self.atoms.get(name)? == "string" => {
                    for operand in [kind, unit, flags] {
                        self.operand(operand, instruction, text)?;
                    }
                    self.string(offset, u32::try_from(size).ok()?, text)?;
                }
                _ => segment.iter().try_for_each(|&operand| self.operand(operand, instruction, text))?,
            }
        }
        Some(())
    }

    fn operand(&self, operand: Operand<'_>, instruction: &Instruction<'_>, text: &mut Text) -> Option<()> {
        match operand {
            Operand::Number(value) => text.number(b'u', value),
            Operand::X(value) => text.number(b'x', value),
            Operand::Y(value) => text.number(b'y', value),
            Operand::FloatRegister(value) => text.number(b'f', value),
            Operand::Character(value) => text.value(b'i', &value.to_be_bytes()),
            Operand::Nil => text.byte(b'n'),
            Operand::Integer(value) => text.value(b'i', &value.to_be_bytes()),
            Operand::LargeInteger(bytes) => text.value(b'i', bytes),
            Operand::Atom(atom) => self.atom(atom, text)?,
            Operand::Label(0) => text.byte(b'l'),
            Operand::Label(label) => match self.functions.label(label)? {
                Label::Entry(_) => {
                    let function = self.functions.at(label)?;
                    self.function(b'F', function.name, function.arity, text)?;
                }
                Label::Within(_, place) => text.number(b'L', place),
            },
            Operand::Literal(literal) => {
                let digests = self.literals.get(usize::try_from(literal).ok()?)?;
                text.literal(&digests.whole, &digests.skeleton);
            }
            Operand::List(list) => {
                let elements = instruction.list(list);
                text.number(b'[', u32::try_from(elements.len()).ok()?);
                for &element in elements {
                    self.operand(element, instruction, text)?;
                }
            }
        }
        Some(())
    }

    fn import(&self, row: u32, text: &mut Text) -> Option<()> {
        let import = self.imports.get(usize::try_from(row).ok()?)?;
        text.sized(b'M', &[import.arity]);
        self.atom(import.module, text)?;
        self.atom(import.function, text)
    }

    fn closure(&self, row: u32, text: &mut Text) -> Option<()> {
        let closure = self.closures.get(usize::try_from(row).ok()?)?;
        text.sized(b'C', &[closure.free]);
        self.function(b'C', closure.function, closure.arity, text)
    }

    /// A function of this module.
    fn function(&self, kind: u8, name: u32, arity: u8, text: &mut Text) -> Option<()> {
        text.calls.insert((name, arity));
        text.sized(kind, &[arity]);
        self.atom(name, text)
    }

    fn atom(&self, atom: u32, text: &mut Text) -> Option<()> {
        text.sized(b'a', self.atoms.get(atom)?.as_bytes());
        Some(())
    }

    fn string(&self, offset: u32, length: u32, text: &mut Text) -> Option<()> {
        let start = usize::try_from(offset).ok()?;
        let end = start.checked_add(usize::try_from(length).ok()?)?;
        text.value(b's', self.strings.get(start..end)?);
        Some(())
    }
}

fn digests(literals: &Literals<'_>) -> Vec<LiteralDigests> {
    let digests = |number| {
        let whole: [u8; 16] = Md5::digest(literals.encoded(number)?).into();
        // one that is too large to be looked into has no skeleton but itself
        let skeleton = literals.get(number).map_or(whole, |term| skeleton::digest(&term));
        Some(LiteralDigests { whole, skeleton })
    };
    (0..).map_while(digests).collect()
}
