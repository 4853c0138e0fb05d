//! Elixir text, equal to `inspect/2` of Elixir 1.14.
//!
//! A term becomes a [`document`] of words and places where a line may end; that is laid out.

mod atom;
mod document;
mod word;

use self::document::Document;
use super::{Erlang, erlang, number};
use crate::Term;
use crate::term::{BigInteger, Bitstring, Fun};

/// How Elixir text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elixir {
    /// Columns of a line; everything is on one line without.
    pub width: Option<usize>,
    /// Most elements of a container; one inside another has what the outer has left.
    pub limit: usize,
}

impl Default for Elixir {
    /// What `inspect/1` does.
    fn default() -> Self {
        Self { width: None, limit: 50 }
    }
}

impl Elixir {
    /// What `inspect(term, pretty: true)` does.
    pub fn pretty() -> Self {
        Self { width: Some(80), ..Self::default() }
    }

    /// The term's text.
    pub fn print(&self, term: &Term) -> String {
        Document::group(document(term, self.limit)).lay_out(self.width)
    }
}

fn document(term: &Term, limit: usize) -> Document {
    match term {
        Term::Integer(value) => Document::word(value.to_string()),
        Term::BigInteger(value) => Document::word(big(value)),
        Term::Float(value) => {
            Document::word(number::whole_float(*value).unwrap_or_else(|| number::float(*value)))
        }
        Term::Atom(name) => Document::word(atom::literal(name)),
        Term::Binary(bytes) => match word::string(bytes) {
            Some(text) => Document::word(text),
            None => bits(bytes, None, limit),
        },
        Term::Bitstring(it) => bitstring(it, limit),
        Term::Charlist(_) | Term::List(_) => list(term, limit),
        Term::ImproperList(it) => improper(&it.0, &it.1, limit),
        Term::Tuple(elements) => {
            let (elements, _) = each(elements.iter(), limit, document);
            container("{", elements, "}", true)
        }
        Term::Map(pairs) => map(pairs, limit),
        Term::Pid(pid) => Document::word(format!("#PID<0.{}.{}>", pid.id, pid.serial)),
        Term::Port(port) => Document::word(format!("#Port<0.{}>", port.id)),
        Term::Reference(it) => Document::word(format!("#Reference<{}>", erlang::reference(it))),
        Term::Fun(it) => Document::word(fun(it)),
        Term::Export(it) => {
            let (module, function) = (atom::literal(&it.module), atom::call(&it.function));
            Document::word(format!("&{module}.{function}/{}", it.arity))
        }
        // Elixir has no notation of its own for it.
        Term::Record(_) => Document::word(Erlang::default().print_flat(term)),
    }
}

fn big(value: &BigInteger) -> String {
    number::big(value, "0x")
}

/// As of a module that is not loaded: the name of its function is known to the node only.
fn fun(fun: &Fun) -> String {
    format!("#Function<{}.{}/{} in {}>", fun.index, fun.old_unique, fun.arity, atom::literal(&fun.module))
}

fn list(term: &Term, limit: usize) -> Document {
    if let Some(text) = word::charlist(term) {
        return Document::word(text);
    }
    let items = term.as_list().unwrap_or_default();
    if let Some(pairs) = keywords(items.iter().map(|item| match item.as_tuple() {
        Some([Term::Atom(key), value]) => Some((&**key, value)),
        _ => None,
    })) {
        let (pairs, _) = each(pairs.into_iter(), limit, keyword);
        return container("[", pairs, "]", false);
    }
    let (items, are_words) = each(items.iter(), limit, document);
    container("[", items, "]", are_words)
}

fn map(pairs: &[(Term, Term)], limit: usize) -> Document {
    let named = keywords(pairs.iter().map(|(key, value)| match key {
        Term::Atom(key) => Some((&**key, value)),
        _ => None,
    }));
    let (pairs, _) = match named {
        Some(named) => each(named.into_iter(), limit, keyword),
        None => each(pairs.iter(), limit, |(key, value), limit| {
            Document::all([document(key, limit), Document::word(" => "), document(value, limit)])
        }),
    };
    container("%{", pairs, "}", false)
}

/// The pairs, when there are some and each key is an atom that is no module's name.
fn keywords<'a>(
    pairs: impl ExactSizeIterator<Item = Option<(&'a str, &'a Term)>>,
) -> Option<Vec<(&'a str, &'a Term)>> {
    if pairs.len() == 0 {
        return None;
    }
    pairs.map(|pair| pair.filter(|(key, _)| !key.starts_with("Elixir."))).collect()
}

fn keyword((key, value): (&str, &Term), limit: usize) -> Document {
    Document::all([Document::word(atom::key(key) + " "), document(value, limit)])
}

fn improper(items: &[Term], tail: &Term, limit: usize) -> Document {
    let (mut documents, mut are_words) = each(items.iter().take(items.len() - 1), limit, document);
    let left = limit.saturating_sub(items.len() - 1);
    match (left.checked_sub(1), items.last()) {
        (Some(limit), Some(last)) => {
            let (last, tail) = (document(last, limit), document(tail, limit));
            are_words &= last.is_words() && tail.is_words();
            documents.push(Document::all([last, Document::word(" |"), Document::space(are_words), tail]));
        }
        _ => {
            // What `each` did not show already.
            if limit == items.len() - 1 {
                documents.push(Document::word("..."));
            }
        }
    }
    container("[", documents, "]", are_words)
}

/// The documents of so many items, then dots; and whether all are single words.
fn each<T>(
    items: impl ExactSizeIterator<Item = T>,
    limit: usize,
    document: impl Fn(T, usize) -> Document,
) -> (Vec<Document>, bool) {
    let is_cut = items.len() > limit;
    let mut documents: Vec<Document> =
        items.take(limit).zip(1..).map(|(item, number)| document(item, limit - number)).collect();
    let are_words = documents.iter().all(Document::is_words);
    if is_cut {
        documents.push(Document::word("..."));
    }
    (documents, are_words)
}

/// Items with commas. Those that flow fill each line; others have one line each if not all fit on one.
fn container(open: &'static str, items: Vec<Document>, close: &'static str, is_flowing: bool) -> Document {
    if items.is_empty() {
        return Document::all([Document::word(open), Document::word(close)]);
    }
    let mut inner = Vec::with_capacity(3 * items.len());
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            inner.extend([Document::word(","), Document::space(is_flowing)]);
        }
        inner.push(item);
    }
    let (open, close) = (Document::word(open), Document::word(close));
    if is_flowing {
        return Document::group(Document::all([open, Document::nest(1, Document::All(inner)), close]));
    }
    let inner = Document::nest(2, Document::all([open, Document::line(), Document::All(inner)]));
    Document::group(Document::all([inner, Document::line(), close]))
}

fn bitstring(bits_: &Bitstring, limit: usize) -> Document {
    let (last, whole) = bits_.bytes().split_last().unwrap_or((&0, &[]));
    let size = bits_.last_bits();
    bits(whole, Some(format!("{}::size({size})", last >> (8 - size))), limit)
}

fn bits(bytes: &[u8], last: Option<String>, limit: usize) -> Document {
    if bytes.is_empty() && last.is_none() {
        return Document::word("<<>>");
    }
    let segments = bytes.iter().map(u8::to_string).chain(last);
    let length = bytes.len() + 1;
    let mut inner = Vec::with_capacity(3 * length.min(limit + 1));
    for (index, segment) in segments.enumerate() {
        if index > 0 {
            inner.extend([Document::word(","), Document::space(true)]);
        }
        if index == limit {
            inner.push(Document::word("..."));
            break;
        }
        inner.push(Document::word(segment));
    }
    let inner = Document::nest(2, Document::All(inner));
    Document::group(Document::all([Document::word("<<"), inner, Document::word(">>")]))
}
