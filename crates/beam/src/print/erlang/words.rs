//! Atoms and strings with their quotes and escapes.

use super::Range;

/// Words that are atoms only in quotes. The last two became so with OTP 27 (`maybe`).
const RESERVED: [&str; 29] = [
    "after", "and", "andalso", "band", "begin", "bnot", "bor", "bsl", "bsr", "bxor", "case", "catch", "cond",
    "div", "end", "fun", "if", "let", "not", "of", "or", "orelse", "receive", "rem", "try", "when", "xor",
    "else", "maybe",
];

pub(super) fn atom(name: &str) -> String {
    if is_bare(name) { name.to_owned() } else { quoted(name.chars(), '\'') }
}

fn is_bare(name: &str) -> bool {
    let mut characters = name.chars();
    let is_lower = |first: char| first.is_ascii_lowercase() || (matches!(first, 'ß'..='ÿ') && first != '÷');
    characters.next().is_some_and(is_lower)
        && characters.all(|next| is_lower(next) || is_upper_digit_or_mark(next))
        && !RESERVED.contains(&name)
}

fn is_upper_digit_or_mark(character: char) -> bool {
    character.is_ascii_uppercase()
        || (matches!(character, 'À'..='Þ') && character != '×')
        || character.is_ascii_digit()
        || matches!(character, '_' | '@')
}

/// In quotes of that kind.
pub(super) fn quoted(characters: impl Iterator<Item = char>, quote: char) -> String {
    let mut text = String::from(quote);
    for character in characters {
        match character {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{b}' => text.push_str("\\v"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            '\u{1b}' => text.push_str("\\e"),
            '\u{7f}' => text.push_str("\\d"),
            '\0'..=' ' | '\u{80}'..='\u{9f}' if character != ' ' => {
                text.push_str(&format!("\\{:03o}", u32::from(character)));
            }
            _ => {
                if character == quote {
                    text.push('\\');
                }
                text.push(character);
            }
        }
    }
    text.push(quote);
    text
}

/// Whether a character may stand in a text.
pub(super) fn is_printable(character: char, range: Range) -> bool {
    match character {
        '\n' | '\r' | '\t' | '\u{b}' | '\u{8}' | '\u{c}' | '\u{1b}' | ' '..='~' | '\u{a0}'..='\u{ff}' => true,
        '\u{100}'..='\u{fffd}' | '\u{10000}'.. => range == Range::Unicode,
        _ => false,
    }
}
