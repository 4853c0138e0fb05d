//! What a term's text is made of, with the length that it has on one line.

use std::iter::once;

use super::{Range, words};
use crate::Term;
use crate::print::number;
use crate::term::{Fun, Reference};

/// A piece of text.
pub(super) struct Piece<'a> {
    pub(super) shape: Shape<'a>,
    /// Characters on one line.
    pub(super) length: usize,
}

pub(super) enum Shape<'a> {
    /// What cannot be broken.
    Word(String),
    /// The bytes and last bits of a binary that is no text; broken after any comma.
    Bits(&'a [u8], Option<LastBits>),
    /// Elements, and the tail of an improper list.
    List(Vec<Piece<'a>>, Option<Box<Piece<'a>>>),
    /// Elements, and whether they are at least two of which the first is an atom.
    Tuple(Vec<Piece<'a>>, bool),
    Map(Vec<(Piece<'a>, Piece<'a>)>),
}

#[derive(Clone, Copy)]
pub(super) struct LastBits {
    value: u8,
    size: u8,
}

impl<'a> Piece<'a> {
    pub(super) fn new(term: &'a Term, range: Range) -> Self {
        let all = |terms: &'a [Term]| terms.iter().map(|term| Self::new(term, range)).collect::<Vec<_>>();
        match term {
            Term::Integer(value) => Self::word(value.to_string()),
            Term::BigInteger(value) => Self::word(number::big(value, "16#")),
            Term::Float(value) => Self::word(number::float(*value)),
            Term::Atom(name) => Self::word(words::atom(name)),
            Term::Charlist(bytes) => match string(bytes.iter().map(|&byte| Some(char::from(byte))), range) {
                Some(text) => Self::word(text),
                None => Self::list(bytes.iter().map(|byte| Self::word(byte.to_string())).collect(), None),
            },
            Term::List(items) if items.is_empty() => Self::word("[]".to_owned()),
            Term::List(items) => match string(items.iter().map(Term::as_character), range) {
                Some(text) => Self::word(text),
                None => Self::list(all(items), None),
            },
            Term::ImproperList(list) => Self::list(all(&list.0), Some(Box::new(Self::new(&list.1, range)))),
            Term::Binary(bytes) => match binary(bytes, range) {
                Some(text) => Self::word(text),
                None => Self::bits(bytes, None),
            },
            Term::Bitstring(bits) => {
                let (last, whole) = bits.bytes().split_last().unwrap_or((&0, &[]));
                let size = bits.last_bits();
                Self::bits(whole, Some(LastBits { value: last >> (8 - size), size }))
            }
            Term::Tuple(elements) if elements.is_empty() => Self::word("{}".to_owned()),
            Term::Tuple(elements) => {
                let is_tagged = elements.len() > 1 && matches!(elements.first(), Some(Term::Atom(_)));
                let elements = all(elements);
                let length = 1 + joined(&elements);
                Self { shape: Shape::Tuple(elements, is_tagged), length: length + 1 }
            }
            Term::Map(pairs) if pairs.is_empty() => Self::word("#{}".to_owned()),
            Term::Map(pairs) => Self::map(
                shown_order(pairs)
                    .into_iter()
                    .map(|(key, value)| (Self::new(key, range), Self::new(value, range)))
                    .collect(),
            ),
            Term::Pid(pid) => Self::word(format!("<0.{}.{}>", pid.id, pid.serial)),
            Term::Port(port) => Self::word(format!("#Port<0.{}>", port.id)),
            Term::Reference(it) => Self::word(format!("#Ref<{}>", reference(it))),
            Term::Fun(it) => Self::word(fun(it)),
            Term::Export(it) => {
                let (module, function) = (words::atom(&it.module), words::atom(&it.function));
                Self::word(format!("fun {module}:{function}/{}", it.arity))
            }
            Term::Record(record) => {
                let mut text = format!("#{}:{}{{", words::atom(&record.module), words::atom(&record.name));
                for (index, (key, value)) in record.fields.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    text.push_str(&format!("{comma}{} = ", words::atom(key)));
                    Self::new(value, range).write(&mut text);
                }
                Self::word(text + "}")
            }
        }
    }

    fn word(text: String) -> Self {
        Self { length: text.chars().count(), shape: Shape::Word(text) }
    }

    fn list(items: Vec<Self>, tail: Option<Box<Self>>) -> Self {
        let length = 2 + joined(&items) + tail.as_ref().map_or(0, |tail| 1 + tail.length);
        Self { shape: Shape::List(items, tail), length }
    }

    fn map(pairs: Vec<(Self, Self)>) -> Self {
        let length = 2 + pairs.iter().map(|pair| 1 + pair_length(pair)).sum::<usize>();
        Self { shape: Shape::Map(pairs), length }
    }

    fn bits(bytes: &'a [u8], last: Option<LastBits>) -> Self {
        if bytes.is_empty() && last.is_none() {
            return Self::word("<<>>".to_owned());
        }
        let length = 3 + segments(bytes, last).map(|segment| 1 + segment.len()).sum::<usize>();
        Self { shape: Shape::Bits(bytes, last), length }
    }

    pub(super) fn is_word(&self) -> bool {
        matches!(self.shape, Shape::Word(_))
    }

    /// Writes it on one line.
    pub(super) fn write(&self, text: &mut String) {
        match &self.shape {
            Shape::Word(word) => text.push_str(word),
            Shape::Bits(bytes, last) => {
                text.push_str("<<");
                separated(segments(bytes, *last), text, |segment, text| text.push_str(&segment));
                text.push_str(">>");
            }
            Shape::List(items, tail) => {
                text.push('[');
                separated(items.iter(), text, Self::write);
                if let Some(tail) = tail {
                    text.push('|');
                    tail.write(text);
                }
                text.push(']');
            }
            Shape::Tuple(elements, _) => {
                text.push('{');
                separated(elements.iter(), text, Self::write);
                text.push('}');
            }
            Shape::Map(pairs) => {
                text.push_str("#{");
                separated(pairs.iter(), text, write_pair);
                text.push('}');
            }
        }
    }
}

/// Elements with commas between them.
fn joined(pieces: &[Piece<'_>]) -> usize {
    pieces.iter().map(|piece| 1 + piece.length).sum::<usize>().saturating_sub(1)
}

fn separated<T>(items: impl Iterator<Item = T>, text: &mut String, write: impl Fn(T, &mut String)) {
    for (index, item) in items.enumerate() {
        if index > 0 {
            text.push(',');
        }
        write(item, text);
    }
}

pub(super) fn pair_length((key, value): &(Piece<'_>, Piece<'_>)) -> usize {
    key.length + " => ".len() + value.length
}

pub(super) fn write_pair((key, value): &(Piece<'_>, Piece<'_>), text: &mut String) {
    key.write(text);
    text.push_str(" => ");
    value.write(text);
}

/// The numbers between the commas.
pub(super) fn segments(bytes: &[u8], last: Option<LastBits>) -> impl Iterator<Item = String> {
    let last = last.map(|LastBits { value, size }| format!("{value}:{size}"));
    bytes.iter().map(u8::to_string).chain(last)
}

/// The text of characters, when all are.
fn string(characters: impl Iterator<Item = Option<char>> + Clone, range: Range) -> Option<String> {
    let is_text = characters.clone().all(|it| it.is_some_and(|it| words::is_printable(it, range)));
    is_text.then(|| words::quoted(characters.flatten(), '"'))
}

/// The text of a binary: of UTF-8, or of Latin-1 if it is not that.
fn binary(bytes: &[u8], range: Range) -> Option<String> {
    if bytes.is_empty() {
        return None;
    }
    let is_printable = |character| words::is_printable(character, range);
    let (text, kind): (String, _) = match std::str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => (text.to_owned(), ""),
        Ok(text) => (text.to_owned(), "/utf8"),
        Err(error) => {
            let valid = std::str::from_utf8(bytes.get(..error.valid_up_to())?).ok()?;
            if !valid.chars().all(is_printable) {
                return None;
            }
            (bytes.iter().map(|&byte| char::from(byte)).collect(), "")
        }
    };
    text.chars().all(is_printable).then(|| format!("<<{}{kind}>>", words::quoted(text.chars(), '"')))
}

pub(in crate::print) fn reference(reference: &Reference) -> String {
    let words = once("0".to_owned()).chain(reference.words().iter().rev().map(u32::to_string));
    words.collect::<Vec<_>>().join(".")
}

fn fun(fun: &Fun) -> String {
    format!("#Fun<{}.{}.{}>", words::atom(&fun.module), fun.old_index, fun.old_unique)
}

/// Maps with more pairs are kept as trees by nodes. `term_to_binary/1` and `maps:to_list/1` go through them in one
/// order and iterators, with which text is made, in the opposite one.
const MOST_FLAT_PAIRS: usize = 32;

/// A map's pairs in the order in which the node that sent it shows them.
fn shown_order(pairs: &[(Term, Term)]) -> Vec<&(Term, Term)> {
    if pairs.len() > MOST_FLAT_PAIRS { pairs.iter().rev().collect() } else { pairs.iter().collect() }
}
