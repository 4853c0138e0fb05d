//! Erlang terms as text, as `file:consult/1` reads them: `.app`, `.rel`, `RELEASES`, `sys.config`, and what
//! [`print::Erlang`](crate::print::Erlang) writes, but for what has no text that can be read: processes, ports,
//! references, closures and native records.
//!
//! A recursive-descent reader with a depth limit, so that its stack is bounded too. Texts are UTF-8; what is not is
//! read as Latin-1, as Erlang did before OTP 17.

mod cursor;
mod number;
mod quoted;

use cursor::Cursor;

use crate::Term;
use crate::term::{Atom, Bitstring, Export, Items};

/// Longest text that is read. The largest `.app` files (thousands of modules) are below 1 MB.
pub const MAX_BYTES: usize = 8 << 20;
/// Deepest nesting of lists, tuples and maps.
pub const MAX_DEPTH: usize = crate::etf::MAX_DEPTH;
/// Most terms in one text.
pub const MAX_TERMS: usize = 1 << 20;

/// A text is not a sequence of terms, and where that shows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {problem}")]
pub struct TextError {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong there.
    pub problem: Problem,
}

/// What can be wrong with a text of terms.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Longer than [`MAX_BYTES`].
    #[error("the text is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// Nested deeper than [`MAX_DEPTH`].
    #[error("terms are nested deeper than {MAX_DEPTH}")]
    TooDeep,
    /// More terms than [`MAX_TERMS`].
    #[error("there are more than {MAX_TERMS} terms")]
    TooMany,
    /// The text ends inside a term.
    #[error("the text ends where {0} was expected")]
    End(&'static str),
    /// A character that fits nothing here.
    #[error("found {found:?} where {expected} was expected")]
    Unexpected {
        /// The character.
        found: char,
        /// What would have fitted.
        expected: &'static str,
    },
    /// A number that is none.
    #[error("{0:?} is not a number")]
    Number(String),
    /// An escape sequence that names no character.
    #[error("the escape sequence names no character")]
    Escape,
    /// A binary with a value that is not a byte, or with a size or type.
    #[error("only bytes, strings and, at the end, fewer than eight bits are read inside << >>")]
    Binary,
    /// The number of a function's arguments is none.
    #[error("a function has 0 to 255 arguments")]
    Arity,
}

/// Reads every term of a text, each ended by a full stop.
pub fn consult(bytes: &[u8]) -> Result<Vec<Term>, TextError> {
    if bytes.len() > MAX_BYTES {
        return Err(TextError { line: 1, column: 1, problem: Problem::TooLong });
    }
    let decoded = decode(bytes);
    let mut reader = Reader { cursor: Cursor::new(&decoded), terms: 0 };
    let mut terms = Vec::new();
    loop {
        reader.cursor.skip_blank();
        if reader.cursor.at_end() {
            return Ok(terms);
        }
        terms.push(reader.term(0)?);
        reader.full_stop()?;
    }
}

fn decode(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|&byte| char::from(byte)).collect(),
    }
}

struct Reader<'a> {
    cursor: Cursor<'a>,
    terms: usize,
}

impl Reader<'_> {
    fn term(&mut self, depth: usize) -> Result<Term, TextError> {
        self.terms += 1;
        if self.terms > MAX_TERMS {
            return Err(self.cursor.error(Problem::TooMany));
        }
        if depth > MAX_DEPTH {
            return Err(self.cursor.error(Problem::TooDeep));
        }
        self.cursor.skip_blank();
        let Some(next) = self.cursor.peek() else {
            return Err(self.cursor.error(Problem::End("a term")));
        };
        match next {
            '[' => self.list(depth),
            '{' => self.tuple(depth),
            '#' => self.map(depth),
            '<' => self.binary(),
            '"' => quoted::text(&mut self.cursor).map(|text| Term::string(&text)),
            '\'' => quoted::quoted(&mut self.cursor, '\'').map(|name| Term::atom(&name)),
            '$' => quoted::character(&mut self.cursor),
            '+' | '-' | '0'..='9' => number::number(&mut self.cursor),
            first if first.is_lowercase() => match self.cursor.take_while(is_name) {
                "fun" => self.export(),
                name => Ok(Term::atom(name)),
            },
            found => Err(self.cursor.error(Problem::Unexpected { found, expected: "a term" })),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Term, TextError> {
        let mut items = Items::new();
        // it, its tail, which is a list, that one's tail and so on: they are one list, and cost neither time nor depth
        let mut begun = 0_usize;
        let tail = loop {
            self.cursor.advance();
            if !self.items(depth, &mut items)? {
                break None;
            }
            begun += 1;
            self.cursor.skip_blank();
            if self.cursor.peek() != Some('[') {
                break Some(self.term(depth + 1)?);
            }
        };
        for _ in 0..begun {
            self.cursor.skip_blank();
            self.cursor.expect(']', "the end of a list after its tail")?;
        }
        Ok(match tail {
            Some(tail) => with_tail(items, tail),
            None => Term::List(items),
        })
    }

    /// The elements of a list up to its end or its tail; whether a tail follows.
    fn items(&mut self, depth: usize, items: &mut Items<Term>) -> Result<bool, TextError> {
        if self.closed(']') {
            return Ok(false);
        }
        loop {
            items.push(self.term(depth + 1)?);
            if self.closed(']') {
                return Ok(false);
            }
            if self.cursor.take_prefix("|") {
                return Ok(true);
            }
            self.cursor.expect(',', "a comma or the end of a list or tuple")?;
        }
    }

    fn tuple(&mut self, depth: usize) -> Result<Term, TextError> {
        self.cursor.advance();
        let mut elements = Items::new();
        if self.closed('}') {
            return Ok(Term::Tuple(elements));
        }
        loop {
            elements.push(self.term(depth + 1)?);
            if self.closed('}') {
                return Ok(Term::Tuple(elements));
            }
            self.cursor.expect(',', "a comma or the end of a list or tuple")?;
        }
    }

    /// `Module:Function/Arity` after `fun`.
    fn export(&mut self) -> Result<Term, TextError> {
        let module = self.name()?;
        self.cursor.expect(':', "a colon between a module and a function")?;
        let function = self.name()?;
        self.cursor.expect('/', "a slash before the number of arguments")?;
        let arity = number::number(&mut self.cursor)?;
        let arity = arity.as_integer().and_then(|arity| u8::try_from(arity).ok());
        let arity = arity.ok_or_else(|| self.cursor.error(Problem::Arity))?;
        Ok(Term::Export(Box::new(Export { module, function, arity })))
    }

    fn name(&mut self) -> Result<Atom, TextError> {
        self.cursor.skip_blank();
        let name = match self.cursor.peek() {
            Some('\'') => quoted::quoted(&mut self.cursor, '\'')?,
            Some(first) if first.is_lowercase() => self.cursor.take_while(is_name).to_owned(),
            Some(found) => {
                return Err(self.cursor.error(Problem::Unexpected { found, expected: "an atom" }));
            }
            None => return Err(self.cursor.error(Problem::End("an atom"))),
        };
        Ok(Atom::new(&name))
    }

    fn map(&mut self, depth: usize) -> Result<Term, TextError> {
        self.cursor.advance();
        self.cursor.expect('{', "a map's opening brace")?;
        let mut pairs = Vec::new();
        if self.closed('}') {
            return Ok(Term::map(pairs));
        }
        loop {
            let key = self.term(depth + 1)?;
            self.cursor.skip_blank();
            self.cursor.expect('=', "=>")?;
            self.cursor.expect('>', "=>")?;
            pairs.push((key, self.term(depth + 1)?));
            if self.closed('}') {
                return Ok(Term::map(pairs));
            }
            self.cursor.expect(',', "a comma or the end of a map")?;
        }
    }

    fn binary(&mut self) -> Result<Term, TextError> {
        self.cursor.advance();
        self.cursor.expect('<', "<<")?;
        let mut bytes = Vec::new();
        let mut last_bits = None;
        if !self.closed('>') {
            loop {
                last_bits = self.binary_segment(&mut bytes)?;
                if self.closed('>') {
                    break;
                }
                if last_bits.is_some() {
                    return Err(self.cursor.error(Problem::Binary));
                }
                self.cursor.expect(',', "a comma or >>")?;
            }
        }
        self.cursor.expect('>', ">>")?;
        let bits = last_bits.and_then(|last_bits| Bitstring::new(bytes.clone().into(), last_bits));
        Ok(bits.map_or_else(|| Term::binary(bytes), |bits| Term::Bitstring(Box::new(bits))))
    }

    /// Appends a segment; tells how many bits of its byte count, if not all do.
    fn binary_segment(&mut self, bytes: &mut Vec<u8>) -> Result<Option<u8>, TextError> {
        self.cursor.skip_blank();
        match self.cursor.peek() {
            Some('"') => {
                let text = quoted::text(&mut self.cursor)?;
                if self.cursor.take_prefix("/utf8") {
                    bytes.extend_from_slice(text.as_bytes());
                    return Ok(None);
                }
                for character in text.chars() {
                    let byte = u8::try_from(u32::from(character));
                    bytes.push(byte.map_err(|_| self.cursor.error(Problem::Binary))?);
                }
                Ok(None)
            }
            Some('0'..='9') => {
                let byte = self.small_number()?;
                if !self.cursor.take_prefix(":") {
                    bytes.push(byte);
                    return Ok(None);
                }
                let size = self.small_number()?;
                if !(1..8).contains(&size) || byte >> size != 0 {
                    return Err(self.cursor.error(Problem::Binary));
                }
                bytes.push(byte << (8 - size));
                Ok(Some(size))
            }
            Some(_) => Err(self.cursor.error(Problem::Binary)),
            None => Err(self.cursor.error(Problem::End("a byte or a string"))),
        }
    }

    fn small_number(&mut self) -> Result<u8, TextError> {
        let value = number::number(&mut self.cursor)?.as_integer();
        let byte = value.and_then(|value| u8::try_from(value).ok());
        byte.ok_or_else(|| self.cursor.error(Problem::Binary))
    }

    fn closed(&mut self, close: char) -> bool {
        self.cursor.skip_blank();
        let closed = self.cursor.peek() == Some(close);
        if closed {
            self.cursor.advance();
        }
        closed
    }

    fn full_stop(&mut self) -> Result<(), TextError> {
        self.cursor.skip_blank();
        self.cursor.expect('.', "a full stop")
    }
}

/// `[a|"b"]` is `[a,98]`.
fn with_tail(mut items: Items<Term>, tail: Term) -> Term {
    match tail.as_list() {
        Some(rest) => {
            items.extend(rest.iter().cloned());
            Term::List(items)
        }
        None => Term::ImproperList(Box::new((items, tail))),
    }
}

fn is_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_' || character == '@'
}
