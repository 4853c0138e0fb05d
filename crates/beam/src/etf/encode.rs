//! Writes terms as OTP 26 and newer do.

use super::{MAX_DEPTH, tag};
use crate::Term;
use crate::term::{Atom, Export, Fun, MAX_CHARACTERS, Pid, Port, Record, Reference};

/// Why a term cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// Nested deeper than is read.
    #[error("the term is nested deeper than {MAX_DEPTH}")]
    TooDeep,
    /// An atom that no node would take: it would close the connection.
    #[error("the atom {0:?}… has more than {MAX_CHARACTERS} characters")]
    AtomTooLong(String),
    /// More than a 32-bit length can say.
    #[error("the term has a part with more than {} elements or bytes", u32::MAX)]
    TooLong,
}

/// A term with its version byte, as `term_to_binary/1`.
///
/// # Errors
/// The term has no external form that would be read.
pub fn encode(term: &Term) -> Result<Vec<u8>, EncodeError> {
    let mut bytes = vec![tag::VERSION];
    encode_into(term, &mut bytes)?;
    Ok(bytes)
}

/// Appends a term without a version byte.
///
/// # Errors
/// The term has no external form that would be read; `bytes` then ends in a part of one.
pub fn encode_into(term: &Term, bytes: &mut Vec<u8>) -> Result<(), EncodeError> {
    Writer { bytes, depth: 0 }.term(term)
}

struct Writer<'a> {
    bytes: &'a mut Vec<u8>,
    depth: usize,
}

impl Writer<'_> {
    fn term(&mut self, term: &Term) -> Result<(), EncodeError> {
        match term {
            Term::Integer(value) => self.integer(*value),
            Term::BigInteger(value) => {
                self.big_integer(value.is_negative(), value.digits())?;
            }
            Term::Float(value) => {
                self.bytes.push(tag::NEW_FLOAT);
                self.bytes.extend(value.to_be_bytes());
            }
            Term::Atom(name) => self.atom(name)?,
            Term::Charlist(bytes) => self.charlist(bytes)?,
            Term::Binary(bytes) => {
                self.tagged_length(tag::BINARY, bytes.len())?;
                self.bytes.extend_from_slice(bytes);
            }
            Term::Bitstring(bits) => {
                self.tagged_length(tag::BIT_BINARY, bits.bytes().len())?;
                self.bytes.push(bits.last_bits());
                self.bytes.extend_from_slice(bits.bytes());
            }
            Term::List(items) => self.list(items)?,
            Term::ImproperList(list) => {
                let (items, tail) = &**list;
                self.tagged_length(tag::LIST, items.len())?;
                self.nested(|writer| {
                    writer.terms(items)?;
                    writer.term(tail)
                })?;
            }
            Term::Tuple(elements) => {
                self.short_or_long(tag::SMALL_TUPLE, tag::LARGE_TUPLE, elements.len())?;
                self.nested(|writer| writer.terms(elements))?;
            }
            Term::Map(pairs) => {
                self.tagged_length(tag::MAP, pairs.len())?;
                self.nested(|writer| {
                    pairs.iter().try_for_each(|(key, value)| {
                        writer.term(key)?;
                        writer.term(value)
                    })
                })?;
            }
            Term::Pid(pid) => self.pid(pid)?,
            Term::Port(port) => self.port(port)?,
            Term::Reference(reference) => self.reference(reference)?,
            Term::Fun(fun) => self.fun(fun)?,
            Term::Export(export) => self.export(export)?,
            Term::Record(record) => self.record(record)?,
        }
        Ok(())
    }

    fn terms(&mut self, terms: &[Term]) -> Result<(), EncodeError> {
        terms.iter().try_for_each(|term| self.term(term))
    }

    fn nested(
        &mut self,
        write: impl FnOnce(&mut Self) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        if self.depth == MAX_DEPTH {
            return Err(EncodeError::TooDeep);
        }
        self.depth += 1;
        write(self)?;
        self.depth -= 1;
        Ok(())
    }

    fn integer(&mut self, value: i64) {
        if let Ok(byte) = u8::try_from(value) {
            self.bytes.extend([tag::SMALL_INTEGER, byte]);
        } else if let Ok(word) = i32::try_from(value) {
            self.bytes.push(tag::INTEGER);
            self.bytes.extend(word.to_be_bytes());
        } else {
            let digits = value.unsigned_abs().to_le_bytes();
            let length = digits.iter().rposition(|&digit| digit != 0).map_or(0, |last| last + 1);
            // At most eight.
            self.bytes.extend([tag::SMALL_BIG, length as u8, u8::from(value < 0)]);
            self.bytes.extend_from_slice(&digits[..length]);
        }
    }

    fn big_integer(&mut self, is_negative: bool, digits: &[u8]) -> Result<(), EncodeError> {
        self.short_or_long(tag::SMALL_BIG, tag::LARGE_BIG, digits.len())?;
        self.bytes.push(u8::from(is_negative));
        self.bytes.extend_from_slice(digits);
        Ok(())
    }

    fn atom(&mut self, atom: &Atom) -> Result<(), EncodeError> {
        let name = atom.as_str();
        if let Ok(length) = u8::try_from(name.len()) {
            self.bytes.extend([tag::SMALL_ATOM_UTF8, length]);
        } else {
            let length = u16::try_from(name.len()).ok().filter(|_| name.chars().count() <= MAX_CHARACTERS);
            let length = length.ok_or_else(|| EncodeError::AtomTooLong(name.chars().take(40).collect()))?;
            self.bytes.push(tag::ATOM_UTF8);
            self.bytes.extend(length.to_be_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        Ok(())
    }

    fn charlist(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        if let Ok(length) = u16::try_from(bytes.len()) {
            self.bytes.push(tag::STRING);
            self.bytes.extend(length.to_be_bytes());
            self.bytes.extend_from_slice(bytes);
            return Ok(());
        }
        self.tagged_length(tag::LIST, bytes.len())?;
        bytes.iter().for_each(|&byte| self.bytes.extend([tag::SMALL_INTEGER, byte]));
        self.bytes.push(tag::NIL);
        Ok(())
    }

    fn list(&mut self, items: &[Term]) -> Result<(), EncodeError> {
        if items.is_empty() {
            self.bytes.push(tag::NIL);
            return Ok(());
        }
        let is_byte = |item: &Term| item.as_integer().is_some_and(|value| u8::try_from(value).is_ok());
        if items.len() <= usize::from(u16::MAX) && items.iter().all(is_byte) {
            let bytes: Option<Vec<u8>> =
                items.iter().map(|item| u8::try_from(item.as_integer()?).ok()).collect();
            return self.charlist(&bytes.unwrap_or_default());
        }
        self.tagged_length(tag::LIST, items.len())?;
        self.nested(|writer| writer.terms(items))?;
        self.bytes.push(tag::NIL);
        Ok(())
    }

    fn pid(&mut self, pid: &Pid) -> Result<(), EncodeError> {
        self.bytes.push(tag::NEW_PID);
        self.atom(&pid.node)?;
        self.words(&[pid.id, pid.serial, pid.creation]);
        Ok(())
    }

    /// A port whose number fits in 28 bits takes the older form, as OTP's own do.
    fn port(&mut self, port: &Port) -> Result<(), EncodeError> {
        match u32::try_from(port.id) {
            Ok(id) if id < 1 << 28 => {
                self.bytes.push(tag::NEW_PORT);
                self.atom(&port.node)?;
                self.words(&[id]);
            }
            _ => {
                self.bytes.push(tag::V4_PORT);
                self.atom(&port.node)?;
                self.bytes.extend(port.id.to_be_bytes());
            }
        }
        self.words(&[port.creation]);
        Ok(())
    }

    fn reference(&mut self, reference: &Reference) -> Result<(), EncodeError> {
        self.bytes.push(tag::NEWER_REFERENCE);
        // At most five.
        self.bytes.extend([0, reference.words().len() as u8]);
        self.atom(&reference.node)?;
        self.words(&[reference.creation]);
        self.words(reference.words());
        Ok(())
    }

    fn fun(&mut self, fun: &Fun) -> Result<(), EncodeError> {
        self.bytes.push(tag::NEW_FUN);
        let begin = self.bytes.len();
        self.words(&[0]);
        self.bytes.push(fun.arity);
        self.bytes.extend(fun.unique);
        self.words(&[fun.index]);
        self.length32(fun.free.len())?;
        self.atom(&fun.module)?;
        self.integer(fun.old_index);
        self.integer(fun.old_unique);
        self.pid(&fun.creator)?;
        self.nested(|writer| writer.terms(&fun.free))?;
        // The size counts itself.
        let size = u32::try_from(self.bytes.len() - begin).map_err(|_| EncodeError::TooLong)?;
        self.bytes[begin..begin + 4].copy_from_slice(&size.to_be_bytes());
        Ok(())
    }

    fn export(&mut self, export: &Export) -> Result<(), EncodeError> {
        self.bytes.push(tag::EXPORT);
        self.atom(&export.module)?;
        self.atom(&export.function)?;
        self.bytes.extend([tag::SMALL_INTEGER, export.arity]);
        Ok(())
    }

    fn record(&mut self, record: &Record) -> Result<(), EncodeError> {
        self.tagged_length(tag::NATIVE_RECORD, record.fields.len())?;
        self.bytes.push(record.flags);
        self.atom(&record.module)?;
        self.atom(&record.name)?;
        record.fields.iter().try_for_each(|(key, _)| self.atom(key))?;
        self.nested(|writer| record.fields.iter().try_for_each(|(_, value)| writer.term(value)))
    }

    fn words(&mut self, words: &[u32]) {
        words.iter().for_each(|word| self.bytes.extend(word.to_be_bytes()));
    }

    fn short_or_long(&mut self, short: u8, long: u8, length: usize) -> Result<(), EncodeError> {
        match u8::try_from(length) {
            Ok(length) => self.bytes.extend([short, length]),
            Err(_) => self.tagged_length(long, length)?,
        }
        Ok(())
    }

    fn tagged_length(&mut self, tag: u8, length: usize) -> Result<(), EncodeError> {
        self.bytes.push(tag);
        self.length32(length)
    }

    fn length32(&mut self, length: usize) -> Result<(), EncodeError> {
        let length = u32::try_from(length).map_err(|_| EncodeError::TooLong)?;
        self.bytes.extend(length.to_be_bytes());
        Ok(())
    }
}
