//! Erlang terms as text, as `file:consult/1` reads them: `.app`, `.rel`, `RELEASES`, `sys.config`.
//!
//! A recursive-descent reader with a depth limit, so that its stack is bounded too. Texts are UTF-8; what is not is
//! read as Latin-1, as Erlang did before OTP 17.

mod cursor;
mod number;
mod quoted;

use cursor::Cursor;

use crate::Term;

/// Longest text that is read. The largest `.app` files (thousands of modules) are below 1 MB.
pub const MAX_BYTES: usize = 8 << 20;
/// Deepest nesting of lists, tuples and maps.
pub const MAX_DEPTH: usize = 128;
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
    #[error("only plain bytes and strings are read inside << >>")]
    Binary,
    /// `[a|b]`.
    #[error("an improper list is not read")]
    Improper,
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
            first if first.is_lowercase() => Ok(Term::atom(self.cursor.take_while(is_name))),
            found => Err(self.cursor.error(Problem::Unexpected { found, expected: "a term" })),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Term, TextError> {
        self.cursor.advance();
        self.sequence(depth, ']').map(Term::list)
    }

    fn tuple(&mut self, depth: usize) -> Result<Term, TextError> {
        self.cursor.advance();
        self.sequence(depth, '}').map(Term::tuple)
    }

    fn sequence(&mut self, depth: usize, close: char) -> Result<Vec<Term>, TextError> {
        let mut items = Vec::new();
        if self.closed(close) {
            return Ok(items);
        }
        loop {
            items.push(self.term(depth + 1)?);
            if self.closed(close) {
                return Ok(items);
            }
            if close == ']' && self.cursor.peek() == Some('|') {
                return Err(self.cursor.error(Problem::Improper));
            }
            self.cursor.expect(',', "a comma or the end of a list or tuple")?;
        }
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
        if !self.closed('>') {
            loop {
                self.binary_segment(&mut bytes)?;
                if self.closed('>') {
                    break;
                }
                self.cursor.expect(',', "a comma or >>")?;
            }
        }
        self.cursor.expect('>', ">>")?;
        Ok(Term::binary(bytes))
    }

    fn binary_segment(&mut self, bytes: &mut Vec<u8>) -> Result<(), TextError> {
        self.cursor.skip_blank();
        match self.cursor.peek() {
            Some('"') => {
                let text = quoted::text(&mut self.cursor)?;
                if self.cursor.take_prefix("/utf8") {
                    bytes.extend_from_slice(text.as_bytes());
                    return Ok(());
                }
                for character in text.chars() {
                    let byte = u8::try_from(u32::from(character));
                    bytes.push(byte.map_err(|_| self.cursor.error(Problem::Binary))?);
                }
                Ok(())
            }
            Some('0'..='9') => match number::number(&mut self.cursor)? {
                Term::Integer(value) => {
                    let byte = u8::try_from(value).map_err(|_| self.cursor.error(Problem::Binary))?;
                    bytes.push(byte);
                    Ok(())
                }
                _ => Err(self.cursor.error(Problem::Binary)),
            },
            Some(_) => Err(self.cursor.error(Problem::Binary)),
            None => Err(self.cursor.error(Problem::End("a byte or a string"))),
        }
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

fn is_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_' || character == '@'
}
