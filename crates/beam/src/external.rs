//! External terms (`term_to_binary/1`), as far as chunks of `.beam` files hold them.
//!
//! Pids, ports, references, funs and improper lists are refused: none occurs in the chunks that are read here.

use std::io::Read;

use crate::Term;

/// Deepest nesting.
pub const MAX_DEPTH: usize = 128;
/// Most terms.
pub const MAX_TERMS: usize = 1 << 18;

/// Why bytes are not an external term that is read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExternalError {
    /// The first byte is not 131.
    #[error("does not begin with the version byte 131")]
    Version,
    /// The bytes end inside a term.
    #[error("ends inside a term")]
    Truncated,
    /// A tag that is unknown or not read.
    #[error("holds a term with tag {0}, which is not read")]
    Tag(u8),
    /// Nested too deep, or too many terms.
    #[error("is nested too deep or holds too many terms")]
    TooLarge,
    /// Text that is not UTF-8, or a float that is none.
    #[error("holds a value that is malformed")]
    Malformed,
}

/// Reads one external term; bytes after it are ignored.
pub fn decode(bytes: &[u8]) -> Result<Term, ExternalError> {
    let mut reader = Reader::new(bytes);
    if reader.byte()? != 131 {
        return Err(ExternalError::Version);
    }
    reader.term(0)
}

/// The first bytes (at most `limit`) of a term after its version byte, decompressed if it is compressed.
pub(crate) fn head(bytes: &[u8], limit: u64) -> Option<Vec<u8>> {
    let (&version, rest) = bytes.split_first()?;
    if version != 131 {
        return None;
    }
    let mut head = Vec::new();
    match rest {
        [80, _, _, _, _, compressed @ ..] => {
            flate2::read::ZlibDecoder::new(compressed).take(limit).read_to_end(&mut head).ok()?
        }
        plain => plain.take(limit).read_to_end(&mut head).ok()?,
    };
    Some(head)
}

#[derive(Clone)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    terms: usize,
}

impl<'a> Reader<'a> {
    /// Reads terms without their version byte.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, terms: 0 }
    }

    pub(crate) fn term(&mut self, depth: usize) -> Result<Term, ExternalError> {
        self.terms += 1;
        if depth > MAX_DEPTH || self.terms > MAX_TERMS {
            return Err(ExternalError::TooLarge);
        }
        match self.byte()? {
            97 => Ok(Term::Integer(i64::from(self.byte()?))),
            98 => Ok(Term::Integer(i64::from(i32::from_be_bytes(self.array()?)))),
            70 => self.float(),
            100 => self.length16().and_then(|length| self.latin1_atom(length)),
            115 => self.length8().and_then(|length| self.latin1_atom(length)),
            118 => self.length16().and_then(|length| self.atom(length)),
            119 => self.length8().and_then(|length| self.atom(length)),
            104 => self.length8().and_then(|length| self.terms(length, depth)).map(Term::Tuple),
            105 => self.length32().and_then(|length| self.terms(length, depth)).map(Term::Tuple),
            106 => Ok(Term::List(Vec::new())),
            107 => self.string(),
            108 => self.list(depth),
            109 => {
                self.length32().and_then(|length| self.take(length)).map(|bytes| Term::Binary(bytes.to_vec()))
            }
            110 => self.length8().and_then(|length| self.big(length)),
            111 => self.length32().and_then(|length| self.big(length)),
            116 => self.map(depth),
            tag => Err(ExternalError::Tag(tag)),
        }
    }

    fn terms(&mut self, count: usize, depth: usize) -> Result<Vec<Term>, ExternalError> {
        // Each term takes at least one byte, which bounds what a lying count can reserve.
        if count > self.rest.len() {
            return Err(ExternalError::Truncated);
        }
        (0..count).map(|_| self.term(depth + 1)).collect()
    }

    fn list(&mut self, depth: usize) -> Result<Term, ExternalError> {
        let count = self.length32()?;
        let items = self.terms(count, depth)?;
        match self.byte()? {
            106 => Ok(Term::List(items)),
            tag => Err(ExternalError::Tag(tag)),
        }
    }

    fn map(&mut self, depth: usize) -> Result<Term, ExternalError> {
        let count = self.length32()?;
        if count > self.rest.len() / 2 {
            return Err(ExternalError::Truncated);
        }
        let pairs = (0..count).map(|_| Ok((self.term(depth + 1)?, self.term(depth + 1)?)));
        pairs.collect::<Result<_, _>>().map(Term::Map)
    }

    fn string(&mut self) -> Result<Term, ExternalError> {
        let length = self.length16()?;
        Ok(Term::Text(latin1(self.take(length)?)))
    }

    fn float(&mut self) -> Result<Term, ExternalError> {
        let value = f64::from_be_bytes(self.array()?);
        if value.is_finite() { Ok(Term::Float(value)) } else { Err(ExternalError::Malformed) }
    }

    fn big(&mut self, length: usize) -> Result<Term, ExternalError> {
        let negative = self.byte()? != 0;
        let digits = self.take(length)?;
        let significant = digits.iter().rposition(|&digit| digit != 0).map_or(0, |last| last + 1);
        let sign = if negative { "-" } else { "" };
        let text: String = digits[..significant].iter().rev().map(|digit| format!("{digit:02x}")).collect();
        match i64::from_str_radix(&format!("{sign}{text}"), 16) {
            Ok(value) => Ok(Term::Integer(value)),
            Err(_) if text.is_empty() => Ok(Term::Integer(0)),
            Err(_) => Ok(Term::BigInteger(format!("{sign}16#{text}"))),
        }
    }

    fn atom(&mut self, length: usize) -> Result<Term, ExternalError> {
        let name = std::str::from_utf8(self.take(length)?).map_err(|_| ExternalError::Malformed)?;
        Ok(Term::Atom(name.to_owned()))
    }

    fn latin1_atom(&mut self, length: usize) -> Result<Term, ExternalError> {
        Ok(Term::Atom(latin1(self.take(length)?)))
    }

    pub(crate) fn byte(&mut self) -> Result<u8, ExternalError> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    fn length8(&mut self) -> Result<usize, ExternalError> {
        Ok(usize::from(self.byte()?))
    }

    fn length16(&mut self) -> Result<usize, ExternalError> {
        Ok(usize::from(u16::from_be_bytes(self.array()?)))
    }

    fn length32(&mut self) -> Result<usize, ExternalError> {
        usize::try_from(u32::from_be_bytes(self.array()?)).map_err(|_| ExternalError::TooLarge)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ExternalError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(ExternalError::Truncated)?;
        self.rest = rest;
        Ok(*head)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], ExternalError> {
        let (head, rest) = self.rest.split_at_checked(length).ok_or(ExternalError::Truncated)?;
        self.rest = rest;
        Ok(head)
    }
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}
