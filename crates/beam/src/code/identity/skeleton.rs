//! Literals without their numbers, strings and binaries.

use md5::{Digest, Md5};

use crate::Term;
use crate::term::Items;

pub(super) fn digest(term: &Term) -> [u8; 16] {
    let mut text = Vec::new();
    write(term, &mut text);
    Md5::digest(&text).into()
}

/// By recursion, as a literal that was decoded is nested to a bounded depth.
fn write(term: &Term, text: &mut Vec<u8>) {
    match term {
        Term::Integer(_) | Term::BigInteger(_) | Term::Float(_) => text.push(b'i'),
        Term::Charlist(_) | Term::Binary(_) | Term::Bitstring(_) => text.push(b's'),
        Term::Atom(name) => name_of(b'a', name, text),
        Term::List(items) => all(b'[', items, text),
        Term::Tuple(items) => all(b'{', items, text),
        Term::ImproperList(list) => {
            all(b'|', &list.0, text);
            write(&list.1, text);
        }
        Term::Map(pairs) => {
            sized(b'#', pairs.len(), text);
            for (key, value) in pairs {
                write(key, text);
                write(value, text);
            }
        }
        Term::Export(it) => {
            name_of(b'e', &it.module, text);
            name_of(it.arity, &it.function, text);
        }
        Term::Record(it) => {
            name_of(b'r', &it.module, text);
            name_of(b'r', &it.name, text);
            sized(b'r', it.fields.len(), text);
            for (name, value) in &it.fields {
                name_of(b'f', name, text);
                write(value, text);
            }
        }
        // no module holds these
        Term::Pid(_) | Term::Port(_) | Term::Reference(_) | Term::Fun(_) => text.push(b'p'),
    }
}

fn all(kind: u8, items: &Items<Term>, text: &mut Vec<u8>) {
    sized(kind, items.len(), text);
    items.iter().for_each(|item| write(item, text));
}

fn name_of(kind: u8, name: &str, text: &mut Vec<u8>) {
    sized(kind, name.len(), text);
    text.extend_from_slice(name.as_bytes());
}

fn sized(kind: u8, length: usize, text: &mut Vec<u8>) {
    text.push(kind);
    text.extend_from_slice(&(length as u64).to_be_bytes());
}
