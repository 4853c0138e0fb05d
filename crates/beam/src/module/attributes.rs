//! Attributes, chunk `Attr`: a list of `{Name, Values}`.

use bytes::Bytes;

use super::{ContentError, Module};
use crate::Term;
use crate::etf::{self, Limits};
use crate::term::Atom;

const LIMITS: Limits = Limits { depth: etf::MAX_DEPTH, bytes: 8 << 20, terms: 1 << 20, atoms: 1 << 12 };

impl Module {
    /// Its attributes in the order of the source, with their values (nearly always lists). A name can be there several
    /// times.
    ///
    /// # Errors
    /// The chunk is damaged.
    pub fn attributes(&self) -> Result<Vec<(Atom, Term)>, ContentError> {
        const DAMAGED: ContentError = ContentError::Damaged("Attr");
        let Some(chunk) = self.chunk(b"Attr") else { return Ok(Vec::new()) };
        let term = etf::decode(&Bytes::copy_from_slice(chunk), LIMITS).map_err(|_| DAMAGED)?;
        let list = term.as_list().ok_or(DAMAGED)?;
        list.iter().map(attribute).collect::<Option<_>>().ok_or(DAMAGED)
    }
}

fn attribute(term: &Term) -> Option<(Atom, Term)> {
    match term.as_tuple()? {
        [Term::Atom(name), values] => Some((name.clone(), values.clone())),
        _ => None,
    }
}
