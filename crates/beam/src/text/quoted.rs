//! Strings, quoted atoms and `$c`, with their escape sequences.

use super::cursor::Cursor;
use super::{Problem, TextError};
use crate::Term;

/// A string; adjacent ones are one, as in Erlang.
pub(super) fn text(cursor: &mut Cursor<'_>) -> Result<String, TextError> {
    let mut text = quoted(cursor, '"')?;
    loop {
        cursor.skip_blank();
        if cursor.peek() != Some('"') {
            return Ok(text);
        }
        text.push_str(&quoted(cursor, '"')?);
    }
}

pub(super) fn quoted(cursor: &mut Cursor<'_>, quote: char) -> Result<String, TextError> {
    cursor.advance();
    let mut text = String::new();
    loop {
        match cursor.advance() {
            None => return Err(cursor.error(Problem::End("a closing quote"))),
            Some('\\') => text.push(escape(cursor)?),
            Some(next) if next == quote => return Ok(text),
            Some(next) => text.push(next),
        }
    }
}

pub(super) fn character(cursor: &mut Cursor<'_>) -> Result<Term, TextError> {
    cursor.advance();
    let value = match cursor.advance() {
        None => return Err(cursor.error(Problem::End("a character"))),
        Some('\\') => escape(cursor)?,
        Some(next) => next,
    };
    Ok(Term::Integer(i64::from(u32::from(value))))
}

fn escape(cursor: &mut Cursor<'_>) -> Result<char, TextError> {
    match cursor.advance() {
        None => Err(cursor.error(Problem::End("an escape sequence"))),
        Some('b') => Ok('\u{8}'),
        Some('d') => Ok('\u{7f}'),
        Some('e') => Ok('\u{1b}'),
        Some('f') => Ok('\u{c}'),
        Some('n') => Ok('\n'),
        Some('r') => Ok('\r'),
        Some('s') => Ok(' '),
        Some('t') => Ok('\t'),
        Some('v') => Ok('\u{b}'),
        Some('x') => hexadecimal(cursor),
        Some('^') => control(cursor),
        Some(first @ '0'..='7') => octal(cursor, first),
        Some(other) => Ok(other),
    }
}

fn hexadecimal(cursor: &mut Cursor<'_>) -> Result<char, TextError> {
    let digits = if cursor.peek() == Some('{') {
        cursor.advance();
        let digits = cursor.take_while(|character| character.is_ascii_hexdigit());
        cursor.expect('}', "the end of \\x{…}")?;
        digits.to_owned()
    } else {
        let mut digits = String::new();
        while digits.len() < 2 && cursor.peek().is_some_and(|next| next.is_ascii_hexdigit()) {
            digits.extend(cursor.advance());
        }
        digits
    };
    let value = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
    value.ok_or_else(|| cursor.error(Problem::Escape))
}

fn octal(cursor: &mut Cursor<'_>, first: char) -> Result<char, TextError> {
    let mut value = first.to_digit(8).unwrap_or(0);
    let mut length = 1;
    while let Some(digit) = cursor.peek().and_then(|next| next.to_digit(8)).filter(|_| length < 3) {
        cursor.advance();
        value = value * 8 + digit;
        length += 1;
    }
    char::from_u32(value).ok_or_else(|| cursor.error(Problem::Escape))
}

fn control(cursor: &mut Cursor<'_>) -> Result<char, TextError> {
    let value = cursor.advance().map(u32::from).and_then(|value| char::from_u32(value & 0x1f));
    value.ok_or_else(|| cursor.error(Problem::Escape))
}
