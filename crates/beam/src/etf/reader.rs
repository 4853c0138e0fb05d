//! Reads one term, by recursion that [`Limits::depth`] bounds.

use bytes::Bytes;

use super::compressed::decompress;
use super::{DecodeError, Interner, Limits, MAX_DEPTH, MAX_KEY_DEPTH, Problem, keys, tag};
use crate::Term;
use crate::term::{
    Atom, Binary, Bitstring, Export, Fun, Items, MAX_CHARACTERS, Pid, Port, Record, Reference,
};

/// What a list has at most, whatever [`Limits::terms`] says; a string as its tail adds a little, and it still fits in
/// [`Items`].
const MOST_ITEMS: usize = 1 << 31;

pub(crate) struct Reader<'a> {
    bytes: &'a Bytes,
    at: usize,
    limits: &'a Limits,
    header_atoms: &'a [Atom],
    atoms: &'a mut Interner,
    depth: usize,
    /// Keys that the reader is in: of a map that is in the key of a map, and so on.
    key_depth: usize,
    /// Terms begun.
    terms: usize,
    /// Elements that containers announced and that are not begun: each has at least one byte.
    announced: usize,
}

impl<'a> Reader<'a> {
    /// Reads terms without their version byte.
    pub(crate) fn new(
        bytes: &'a Bytes,
        limits: &'a Limits,
        header_atoms: &'a [Atom],
        atoms: &'a mut Interner,
    ) -> Self {
        Self { bytes, at: 0, limits, header_atoms, atoms, depth: 0, key_depth: 0, terms: 0, announced: 0 }
    }

    /// How many bytes were read.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn versioned(&mut self) -> Result<Term, DecodeError> {
        match self.byte()? {
            tag::VERSION => {}
            other => return Err(self.error_before(1, Problem::Version(other))),
        }
        if self.bytes.get(self.at) != Some(&tag::COMPRESSED) {
            return self.term();
        }
        self.at += 1;
        let size = u32::from_be_bytes(self.array()?);
        let (plain, used) = decompress(&self.bytes[self.at..], size, self.limits.bytes)
            .map_err(|problem| self.error_before(5, problem))?;
        self.at += used;
        let mut inner = Reader::new(&plain, self.limits, &[], self.atoms);
        let term = inner.term()?;
        if inner.at == plain.len() { Ok(term) } else { Err(inner.error(Problem::Trailing)) }
    }

    pub(crate) fn term(&mut self) -> Result<Term, DecodeError> {
        let tag = self.byte()?;
        self.tagged(tag)
    }

    /// The term after its tag.
    pub(super) fn tagged(&mut self, tag: u8) -> Result<Term, DecodeError> {
        self.terms += 1;
        if self.terms > self.limits.terms {
            return Err(self.error(Problem::TooMany));
        }
        match tag {
            tag::SMALL_INTEGER => Ok(Term::Integer(i64::from(self.byte()?))),
            tag::INTEGER => Ok(Term::Integer(i64::from(i32::from_be_bytes(self.array()?)))),
            tag::ATOM_CACHE_REF | tag::ATOM | tag::SMALL_ATOM | tag::ATOM_UTF8 | tag::SMALL_ATOM_UTF8 => {
                self.tagged_atom(tag).map(Term::Atom)
            }
            tag::SMALL_TUPLE => self.length8().and_then(|arity| self.tuple(arity)),
            tag::LARGE_TUPLE => self.length32().and_then(|arity| self.tuple(arity)),
            tag::NIL => Ok(Term::List(Items::new())),
            tag::STRING => self.string(),
            tag::LIST => self.list(),
            tag::BINARY => self.length32().and_then(|length| self.binary(length)).map(Term::Binary),
            tag::BIT_BINARY => self.bitstring(),
            tag::MAP => self.map(),
            tag::NEW_FLOAT => self.float(),
            tag::FLOAT => self.text_float(),
            tag::SMALL_BIG => self.length8().and_then(|length| self.big_integer(length)),
            tag::LARGE_BIG => self.length32().and_then(|length| self.big_integer(length)),
            tag::NEW_PID | tag::PID => self.tagged_pid(tag).map(Term::from),
            tag::V4_PORT | tag::NEW_PORT | tag::PORT => self.port(tag),
            tag::NEWER_REFERENCE | tag::NEW_REFERENCE => self.reference(tag),
            tag::NEW_FUN => self.fun(),
            tag::EXPORT => self.export(),
            tag::NATIVE_RECORD => self.record(),
            other => Err(self.error_before(1, Problem::Tag(other))),
        }
    }

    fn tuple(&mut self, arity: usize) -> Result<Term, DecodeError> {
        self.descend()?;
        let mut elements = Items::new();
        self.elements(arity, &mut elements)?;
        self.ascend();
        Ok(Term::Tuple(elements))
    }

    fn map(&mut self) -> Result<Term, DecodeError> {
        let count = self.length32()?;
        self.descend()?;
        self.announce(count.saturating_mul(2))?;
        let mut pairs = Items::with_capacity(count);
        for _ in 0..count {
            let key = self.key()?;
            pairs.push((key, self.element()?));
        }
        self.ascend();
        if keys::repeat(&pairs) {
            return Err(self.error(Problem::Keys));
        }
        Ok(Term::Map(pairs))
    }

    fn key(&mut self) -> Result<Term, DecodeError> {
        if self.key_depth == MAX_KEY_DEPTH {
            return Err(self.error(Problem::TooDeep));
        }
        self.key_depth += 1;
        let key = self.element()?;
        self.key_depth -= 1;
        Ok(key)
    }

    /// Reads so many terms into `items`.
    pub(super) fn elements(&mut self, count: usize, items: &mut Items<Term>) -> Result<(), DecodeError> {
        self.announce(count)?;
        if items.len() + count > MOST_ITEMS {
            return Err(self.error(Problem::TooMany));
        }
        if items.is_empty() {
            // Not one more: most tuples have two elements.
            *items = Items::with_capacity(count);
        } else {
            items.reserve(count);
        }
        for _ in 0..count {
            items.push(self.element()?);
        }
        Ok(())
    }

    fn element(&mut self) -> Result<Term, DecodeError> {
        self.announced -= 1;
        self.term()
    }

    /// Takes note of elements to come, so that nothing is reserved for what cannot come.
    fn announce(&mut self, count: usize) -> Result<(), DecodeError> {
        let announced = self.announced.saturating_add(count);
        if announced > self.bytes.len() - self.at {
            return Err(self.error(Problem::Truncated));
        }
        if announced > self.limits.terms - self.terms {
            return Err(self.error(Problem::TooMany));
        }
        self.announced = announced;
        Ok(())
    }

    pub(super) fn descend(&mut self) -> Result<(), DecodeError> {
        if self.depth >= self.limits.depth.min(MAX_DEPTH) {
            return Err(self.error(Problem::TooDeep));
        }
        self.depth += 1;
        Ok(())
    }

    pub(super) fn ascend(&mut self) {
        self.depth -= 1;
    }

    fn bitstring(&mut self) -> Result<Term, DecodeError> {
        let length = self.length32()?;
        let last_bits = self.byte()?;
        let bytes = self.shared(length)?;
        match last_bits {
            8 => Ok(Term::Binary(bytes.into())),
            _ => Bitstring::new(bytes, last_bits)
                .map(|bits| Term::Bitstring(Box::new(bits)))
                .ok_or_else(|| self.error(Problem::Parts("bitstring"))),
        }
    }

    fn float(&mut self) -> Result<Term, DecodeError> {
        let value = f64::from_be_bytes(self.array()?);
        self.finite(Some(value))
    }

    /// 31 bytes of text, ended by zeros, as `term_to_binary(_, [{minor_version, 0}])` writes.
    fn text_float(&mut self) -> Result<Term, DecodeError> {
        let text: [u8; 31] = self.array()?;
        let text = std::str::from_utf8(&text).unwrap_or_default();
        self.finite(text.trim_end_matches('\0').parse().ok())
    }

    fn finite(&self, value: Option<f64>) -> Result<Term, DecodeError> {
        let finite = value.filter(|value| value.is_finite());
        finite.map(Term::Float).ok_or_else(|| self.error(Problem::Float))
    }

    fn big_integer(&mut self, length: usize) -> Result<Term, DecodeError> {
        let is_negative = self.byte()? != 0;
        Ok(Term::integer_of_digits(is_negative, self.take(length)?))
    }

    fn atom(&mut self) -> Result<Atom, DecodeError> {
        let tag = self.byte()?;
        self.tagged_atom(tag)
    }

    fn tagged_atom(&mut self, tag: u8) -> Result<Atom, DecodeError> {
        let length = match tag {
            tag::ATOM_CACHE_REF => {
                let index = self.byte()?;
                let known = self.header_atoms.get(usize::from(index)).cloned();
                return known.ok_or_else(|| self.error_before(1, Problem::AtomReference(index)));
            }
            tag::SMALL_ATOM | tag::SMALL_ATOM_UTF8 => self.length8()?,
            tag::ATOM | tag::ATOM_UTF8 => self.length16()?,
            other => return Err(self.error_before(1, Problem::Tag(other))),
        };
        let name = self.take(length)?;
        let is_latin1 = matches!(tag, tag::ATOM | tag::SMALL_ATOM) && !name.is_ascii();
        let atom = if is_latin1 {
            let name: String = name.iter().map(|&byte| char::from(byte)).collect();
            (length <= MAX_CHARACTERS).then(|| self.atoms.atom(&name))
        } else {
            let name = std::str::from_utf8(name).ok();
            let name = name.filter(|name| length <= MAX_CHARACTERS || name.chars().count() <= MAX_CHARACTERS);
            name.map(|name| self.atoms.atom(name))
        };
        atom.ok_or_else(|| self.error_before(length, Problem::AtomName))
    }

    fn tagged_pid(&mut self, tag: u8) -> Result<Pid, DecodeError> {
        let node = self.atom()?;
        let (id, serial) = (self.word()?, self.word()?);
        Ok(Pid { node, id, serial, creation: self.creation(tag == tag::PID)? })
    }

    fn port(&mut self, tag: u8) -> Result<Term, DecodeError> {
        let node = self.atom()?;
        let id =
            if tag == tag::V4_PORT { u64::from_be_bytes(self.array()?) } else { u64::from(self.word()?) };
        let creation = self.creation(tag == tag::PORT)?;
        Ok(Term::Port(Box::new(Port { node, id, creation })))
    }

    fn reference(&mut self, tag: u8) -> Result<Term, DecodeError> {
        let length = self.length16()?;
        let node = self.atom()?;
        let creation = self.creation(tag == tag::NEW_REFERENCE)?;
        let mut words = [0; crate::term::MAX_WORDS];
        let Some(sent) = words.get_mut(..length) else {
            return Err(self.error(Problem::Parts("reference")));
        };
        for word in sent.iter_mut() {
            *word = self.word()?;
        }
        let reference = Reference::new(node, creation, sent);
        reference.map(Term::from).ok_or_else(|| self.error(Problem::Parts("reference")))
    }

    /// A creation had two bits once, in a byte.
    fn creation(&mut self, is_old: bool) -> Result<u32, DecodeError> {
        if is_old { self.byte().map(u32::from) } else { self.word() }
    }

    fn fun(&mut self) -> Result<Term, DecodeError> {
        let begin = self.at;
        self.descend()?;
        let size = self.length32()?;
        let arity = self.byte()?;
        let unique = self.array()?;
        let index = self.word()?;
        let count = self.length32()?;
        let module = self.atom()?;
        let (old_index, old_unique) = (self.fun_number()?, self.fun_number()?);
        let tag = self.byte()?;
        if !matches!(tag, tag::NEW_PID | tag::PID) {
            return Err(self.error_before(1, Problem::Tag(tag)));
        }
        let creator = self.tagged_pid(tag)?;
        let mut free = Items::new();
        self.elements(count, &mut free)?;
        self.ascend();
        if self.at - begin != size {
            return Err(self.error(Problem::Parts("fun")));
        }
        Ok(Term::Fun(Box::new(Fun { arity, unique, index, module, old_index, old_unique, creator, free })))
    }

    fn fun_number(&mut self) -> Result<i64, DecodeError> {
        self.term()?.as_integer().ok_or_else(|| self.error(Problem::Parts("fun")))
    }

    fn export(&mut self) -> Result<Term, DecodeError> {
        let (module, function) = (self.atom()?, self.atom()?);
        match self.byte()? {
            tag::SMALL_INTEGER => {
                Ok(Term::Export(Box::new(Export { module, function, arity: self.byte()? })))
            }
            other => Err(self.error_before(1, Problem::Tag(other))),
        }
    }

    /// The count, flags, module and name, all keys, then all values.
    fn record(&mut self) -> Result<Term, DecodeError> {
        let count = self.length32()?;
        let flags = self.byte()?;
        let (module, name) = (self.atom()?, self.atom()?);
        self.descend()?;
        self.announce(count.saturating_mul(2))?;
        let mut fields = Items::with_capacity(count);
        for _ in 0..count {
            self.announced -= 1;
            fields.push((self.atom()?, Term::Integer(0)));
        }
        for (_, value) in fields.iter_mut() {
            *value = self.element()?;
        }
        self.ascend();
        Ok(Term::Record(Box::new(Record { flags, module, name, fields })))
    }

    /// The bytes that come next, not read.
    pub(crate) fn peek(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    pub(crate) fn skip(&mut self, length: usize) -> Result<(), DecodeError> {
        self.take(length).map(|_| ())
    }

    pub(super) fn byte(&mut self) -> Result<u8, DecodeError> {
        let Some(&byte) = self.bytes.get(self.at) else {
            return Err(self.error(Problem::Truncated));
        };
        self.at += 1;
        Ok(byte)
    }

    fn word(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    fn length8(&mut self) -> Result<usize, DecodeError> {
        self.byte().map(usize::from)
    }

    pub(super) fn length16(&mut self) -> Result<usize, DecodeError> {
        self.array().map(|bytes| usize::from(u16::from_be_bytes(bytes)))
    }

    pub(super) fn length32(&mut self) -> Result<usize, DecodeError> {
        self.word().map(|length| usize::try_from(length).unwrap_or(usize::MAX))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let Some(bytes) = self.peek().first_chunk::<N>() else {
            return Err(self.error(Problem::Truncated));
        };
        self.at += N;
        Ok(*bytes)
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let Some(bytes) = self.peek().get(..length) else {
            return Err(self.error(Problem::Truncated));
        };
        self.at += length;
        Ok(bytes)
    }

    fn binary(&mut self, length: usize) -> Result<Binary, DecodeError> {
        match self.peek().get(..length).and_then(Binary::short) {
            Some(short) => {
                self.at += length;
                Ok(short)
            }
            None => self.shared(length).map(Binary::from),
        }
    }

    /// Bytes that share the memory of the input.
    fn shared(&mut self, length: usize) -> Result<Bytes, DecodeError> {
        let begin = self.at;
        self.take(length)?;
        Ok(self.bytes.slice(begin..self.at))
    }

    pub(super) fn error(&self, problem: Problem) -> DecodeError {
        DecodeError { at: self.at, problem }
    }

    fn error_before(&self, length: usize, problem: Problem) -> DecodeError {
        DecodeError { at: self.at.saturating_sub(length), problem }
    }
}
