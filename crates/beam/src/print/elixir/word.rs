//! Strings and charlists with their quotes and escapes.

use std::fmt::Write;

use crate::Term;

/// Most characters of a string that are shown.
const LIMIT: usize = 4096;

/// A binary that is a text: its first characters are valid UTF-8 and printable.
pub(super) fn string(bytes: &[u8]) -> Option<String> {
    let (valid, is_whole) = match std::str::from_utf8(bytes) {
        Ok(text) => (text, true),
        Err(error) => (std::str::from_utf8(bytes.get(..error.valid_up_to())?).ok()?, false),
    };
    let end = valid.char_indices().nth(LIMIT).map(|(at, _)| at);
    let shown = &valid[..end.unwrap_or(valid.len())];
    // What is beyond the limit is not looked at.
    let is_text = is_whole || end.is_some() || shown.chars().count() == LIMIT;
    if !is_text || !shown.chars().all(is_printable) {
        return None;
    }
    let more = if shown.len() < bytes.len() { " <> ..." } else { "" };
    Some(quoted(shown.chars(), '"') + more)
}

/// A list of printable ASCII characters.
pub(super) fn charlist(term: &Term) -> Option<String> {
    let characters: Option<Vec<char>> = match term {
        Term::Charlist(bytes) => {
            bytes.iter().take(LIMIT).map(|&byte| Some(char::from(byte)).filter(is_printable_ascii)).collect()
        }
        Term::List(items) if !items.is_empty() => {
            items.iter().take(LIMIT).map(|item| item.as_character().filter(is_printable_ascii)).collect()
        }
        _ => None,
    };
    let characters = characters?;
    let length = match term {
        Term::Charlist(bytes) => bytes.len(),
        Term::List(items) => items.len(),
        _ => 0,
    };
    let more = if characters.len() < length { " ++ ..." } else { "" };
    Some(quoted(characters.into_iter(), '\'') + more)
}

fn is_printable_ascii(character: &char) -> bool {
    matches!(character, ' '..='~' | '\u{7}'..='\r' | '\u{1b}')
}

fn is_printable(character: char) -> bool {
    matches!(character, ' '..='\u{7f}' | '\u{7}'..='\r' | '\u{1b}')
        || matches!(character, '\u{a0}'..='\u{fffd}' | '\u{10000}'..)
}

/// In quotes of that kind.
pub(super) fn quoted(characters: impl Iterator<Item = char>, quote: char) -> String {
    let mut text = String::from(quote);
    let mut characters = characters.peekable();
    while let Some(character) = characters.next() {
        let escape = match character {
            '\u{7}' => 'a',
            '\u{8}' => 'b',
            '\u{7f}' => 'd',
            '\u{1b}' => 'e',
            '\u{c}' => 'f',
            '\n' => 'n',
            '\r' => 'r',
            '\t' => 't',
            '\u{b}' => 'v',
            '\\' => '\\',
            '\0' => '0',
            '#' if characters.peek() == Some(&'{') => '#',
            _ if character == quote => quote,
            _ => {
                plain(character, &mut text);
                continue;
            }
        };
        text.extend(['\\', escape]);
    }
    text.push(quote);
    text
}

fn plain(character: char, text: &mut String) {
    let code = u32::from(character);
    // Writing to a string never fails.
    let _ = match character {
        '\u{feff}' => write!(text, "\\uFEFF"),
        _ if is_printable(character) => write!(text, "{character}"),
        _ if code < 0x100 => write!(text, "\\x{code:02X}"),
        _ if code < 0x10000 => write!(text, "\\x{{{code:04X}}}"),
        _ => write!(text, "\\x{{{code:06X}}}"),
    };
}
