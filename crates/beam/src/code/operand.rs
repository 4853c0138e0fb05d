//! Operands: the compact term encoding of `beam_asm`.
//!
//! The lowest three bits of the first byte say what it is, the others its value: four bits; or eleven, of which eight are
//! in the next byte; or so many bytes that follow, signed.

use crate::module::ContentError;

/// An operand of an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand<'a> {
    /// A number that is no term: of arguments, of words, of a row of a table.
    Number(u32),
    /// An integer.
    Integer(i64),
    /// An integer that does not fit, as two's complement, the highest byte first.
    LargeInteger(&'a [u8]),
    /// The empty list.
    Nil,
    /// An atom, by its number.
    Atom(u32),
    /// A register X.
    X(u32),
    /// A register Y: a place on the stack.
    Y(u32),
    /// A floating point register.
    FloatRegister(u32),
    /// A label; 0 stands for none.
    Label(u32),
    /// A character.
    Character(u32),
    /// A literal, by its number.
    Literal(u32),
    /// A list of operands, see [`Instruction::list`](super::Instruction::list).
    List(List),
}

/// Where the elements of a list operand are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct List {
    pub(super) start: usize,
    pub(super) end: usize,
}

const NUMBER: u8 = 0;
const INTEGER: u8 = 1;
const ATOM: u8 = 2;
const X: u8 = 3;
const Y: u8 = 4;
const LABEL: u8 = 5;
const CHARACTER: u8 = 6;

// Extended operands: tag 7, and these as its value.
const LIST: u8 = 1;
const FLOAT_REGISTER: u8 = 2;
const ALLOCATION: u8 = 3;
const LITERAL: u8 = 4;
const TYPED_REGISTER: u8 = 5;

/// Reads one operand at `at`; the elements of lists go to `elements`.
pub(super) fn read<'a>(
    bytes: &'a [u8],
    at: &mut usize,
    elements: &mut Vec<Operand<'a>>,
) -> Result<Operand<'a>, ContentError> {
    let start = *at;
    let mut reader = Reader { bytes, at: start };
    let operand = reader.operand(elements).ok_or(ContentError::Operand { at: start })?;
    *at = reader.at;
    Ok(operand)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

enum Value<'a> {
    Small(u32),
    Bytes(&'a [u8]),
}

impl<'a> Reader<'a> {
    fn operand(&mut self, elements: &mut Vec<Operand<'a>>) -> Option<Operand<'a>> {
        let first = self.byte()?;
        if first & 7 != 7 {
            return self.simple(first);
        }
        if first & 8 != 0 {
            return None;
        }
        match first >> 4 {
            LIST => self.list(elements),
            FLOAT_REGISTER => self.number().map(Operand::FloatRegister),
            ALLOCATION => self.allocation(elements),
            LITERAL => self.number().map(Operand::Literal),
            TYPED_REGISTER => self.typed_register(),
            _ => None,
        }
    }

    /// Any but the extended ones.
    fn simple(&mut self, first: u8) -> Option<Operand<'a>> {
        let tag = first & 7;
        let number = match self.value(first)? {
            Value::Small(number) => number,
            Value::Bytes(bytes) if tag == INTEGER => return Some(integer(bytes)),
            Value::Bytes(bytes) => unsigned(bytes)?,
        };
        Some(match tag {
            NUMBER => Operand::Number(number),
            INTEGER => Operand::Integer(i64::from(number)),
            ATOM if number == 0 => Operand::Nil,
            ATOM => Operand::Atom(number),
            X => Operand::X(number),
            Y => Operand::Y(number),
            LABEL => Operand::Label(number),
            CHARACTER => Operand::Character(number),
            _ => return None,
        })
    }

    /// Lists hold no lists.
    fn list(&mut self, elements: &mut Vec<Operand<'a>>) -> Option<Operand<'a>> {
        let count = self.count()?;
        let start = elements.len();
        for _ in 0..count {
            let first = self.byte()?;
            let element = match first {
                _ if first & 7 != 7 => self.simple(first)?,
                0x27 => Operand::FloatRegister(self.number()?),
                0x47 => Operand::Literal(self.number()?),
                0x57 => self.typed_register()?,
                _ => return None,
            };
            elements.push(element);
        }
        Some(Operand::List(List { start, end: elements.len() }))
    }

    /// How much is needed of words, floats, funs: pairs of which and how many.
    fn allocation(&mut self, elements: &mut Vec<Operand<'a>>) -> Option<Operand<'a>> {
        let count = self.count()?;
        let start = elements.len();
        for _ in 0..count {
            elements.push(Operand::Number(self.number()?));
            elements.push(Operand::Number(self.number()?));
        }
        Some(Operand::List(List { start, end: elements.len() }))
    }

    /// A register, then a row of the table of types, which only the loader's optimisations look at.
    fn typed_register(&mut self) -> Option<Operand<'a>> {
        let first = self.byte()?;
        let register = matches!(first & 7, X | Y).then(|| self.simple(first))??;
        self.number()?;
        Some(register)
    }

    /// The number of elements, each of which has a byte at least.
    fn count(&mut self) -> Option<usize> {
        let count = usize::try_from(self.number()?).ok()?;
        (count <= self.bytes.len() - self.at).then_some(count)
    }

    fn number(&mut self) -> Option<u32> {
        let first = self.byte()?;
        if first & 7 != NUMBER {
            return None;
        }
        match self.value(first)? {
            Value::Small(number) => Some(number),
            Value::Bytes(bytes) => unsigned(bytes),
        }
    }

    fn value(&mut self, first: u8) -> Option<Value<'a>> {
        if first & 0x08 == 0 {
            return Some(Value::Small(u32::from(first >> 4)));
        }
        let upper = first >> 5;
        if first & 0x10 == 0 {
            return Some(Value::Small(u32::from(upper) << 8 | u32::from(self.byte()?)));
        }
        let length = match upper {
            7 => usize::try_from(self.number_of_length()?).ok()?.checked_add(9)?,
            _ => usize::from(upper) + 2,
        };
        let end = self.at.checked_add(length)?;
        let bytes = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(Value::Bytes(bytes))
    }

    /// The length of a value of many bytes is a value itself, but not again one of many bytes.
    fn number_of_length(&mut self) -> Option<u32> {
        let first = self.byte()?;
        match first & 0x1f {
            0x18 => None,
            _ if first & 7 != NUMBER => None,
            _ if first & 0x08 == 0 => Some(u32::from(first >> 4)),
            0x08 => Some(u32::from(first >> 5) << 8 | u32::from(self.byte()?)),
            _ => None,
        }
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }
}

/// Two's complement, the highest byte first.
fn integer(bytes: &[u8]) -> Operand<'_> {
    let Some(&first) = bytes.first().filter(|_| bytes.len() <= 8) else {
        return Operand::LargeInteger(bytes);
    };
    let sign = if first & 0x80 == 0 { 0 } else { 0xff };
    let mut whole = [sign; 8];
    whole[8 - bytes.len()..].copy_from_slice(bytes);
    Operand::Integer(i64::from_be_bytes(whole))
}

/// What is no integer is not negative, and fits.
fn unsigned(bytes: &[u8]) -> Option<u32> {
    match integer(bytes) {
        Operand::Integer(value) => u32::try_from(value).ok(),
        _ => None,
    }
}
