//! An Erlang term, as far as files of a release hold them: no pids, ports, references or funs.

/// A term. `"abc"` in a text and a list of small integers in an external term are both [`Term::Text`].
#[derive(Clone, Debug, PartialEq)]
pub enum Term {
    /// An atom, without its quotes.
    Atom(String),
    /// An integer that fits.
    Integer(i64),
    /// An integer that does not fit in 64 bits, as its decimal or based text (external terms: hexadecimal).
    BigInteger(String),
    /// A floating point number.
    Float(f64),
    /// A string (Erlang: a list of characters). The empty list is [`Term::List`].
    Text(String),
    /// A binary.
    Binary(Vec<u8>),
    /// A proper list.
    List(Vec<Term>),
    /// A tuple.
    Tuple(Vec<Term>),
    /// A map, in the order of its text.
    Map(Vec<(Term, Term)>),
}

impl Term {
    /// The atom's name.
    pub fn as_atom(&self) -> Option<&str> {
        match self {
            Self::Atom(name) => Some(name),
            _ => None,
        }
    }

    /// The string's text; the empty list is the empty string, as in Erlang.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::List(items) if items.is_empty() => Some(""),
            _ => None,
        }
    }

    /// The list's items; the empty string is the empty list, as in Erlang.
    pub fn as_list(&self) -> Option<&[Term]> {
        match self {
            Self::List(items) => Some(items),
            Self::Text(text) if text.is_empty() => Some(&[]),
            _ => None,
        }
    }

    /// The tuple's elements.
    pub fn as_tuple(&self) -> Option<&[Term]> {
        match self {
            Self::Tuple(elements) => Some(elements),
            _ => None,
        }
    }

    /// The value of the first `{key, Value}` in a property list.
    pub fn property(&self, key: &str) -> Option<&Term> {
        self.as_list()?.iter().find_map(|item| match item.as_tuple() {
            Some([name, value]) if name.as_atom() == Some(key) => Some(value),
            _ => None,
        })
    }
}
