//! Text as Erlang prints it: lists of characters, binaries in UTF-8 and such lists (`unicode:chardata()`).

use beam::Term;

/// The text; what is none becomes U+FFFD.
pub(crate) fn text(chardata: &Term) -> String {
    let mut text = String::new();
    push(chardata, &mut text);
    text
}

// terms that were decoded are not nested deep
fn push(chardata: &Term, text: &mut String) {
    match chardata {
        Term::Charlist(bytes) => text.extend(bytes.iter().map(|&byte| char::from(byte))),
        Term::Binary(bytes) => text.push_str(&String::from_utf8_lossy(bytes)),
        Term::Integer(number) => {
            let character = u32::try_from(*number).ok().and_then(char::from_u32);
            text.push(character.unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        Term::List(items) => items.iter().for_each(|item| push(item, text)),
        Term::ImproperList(list) => {
            list.0.iter().for_each(|item| push(item, text));
            push(&list.1, text);
        }
        _ => text.push(char::REPLACEMENT_CHARACTER),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_kinds_of_text_are_read() {
        let text_of = |items: Vec<Term>| text(&Term::list(items));
        assert_eq!(
            text_of(vec![Term::string("a\u{e5}"), Term::binary("\u{e5}b"), Term::Integer(0x4e2d)]),
            "a\u{e5}\u{e5}b\u{4e2d}"
        );
        assert_eq!(text_of(vec![Term::atom("x"), Term::list([Term::Integer(-1)])]), "\u{fffd}\u{fffd}");
    }
}
