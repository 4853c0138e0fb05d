//! Numbers: `-12`, `1_000`, `16#FF`, `1.5e-3`.

use num_bigint::BigInt;

use super::cursor::Cursor;
use super::{Problem, TextError};
use crate::Term;

/// Longest number: what is longer is a mistake or an attack, not a setting.
const MAX_DIGITS: usize = 4096;

pub(super) fn number(cursor: &mut Cursor<'_>) -> Result<Term, TextError> {
    let negative = cursor.peek() == Some('-');
    if negative || cursor.peek() == Some('+') {
        cursor.advance();
    }
    let sign = if negative { "-" } else { "" };
    let whole = digits(cursor, 10)?;
    if cursor.peek() == Some('#') {
        return based(cursor, sign, &whole);
    }
    if is_fraction(cursor.rest()) {
        return float(cursor, sign, &whole);
    }
    let text = format!("{sign}{whole}");
    Ok(integer(&text, 10))
}

/// A full stop ends a term, so it belongs to the number only before a digit.
fn is_fraction(rest: &str) -> bool {
    let mut characters = rest.chars();
    characters.next() == Some('.') && characters.next().is_some_and(|digit| digit.is_ascii_digit())
}

fn based(cursor: &mut Cursor<'_>, sign: &str, base: &str) -> Result<Term, TextError> {
    let radix = base.parse::<u32>().ok().filter(|radix| (2..=36).contains(radix));
    let Some(radix) = radix else {
        return Err(cursor.error(Problem::Number(format!("{base}#"))));
    };
    cursor.advance();
    let text = digits(cursor, radix)?;
    Ok(integer(&format!("{sign}{text}"), radix))
}

/// Digits of this radix, perhaps after a sign.
fn integer(text: &str, radix: u32) -> Term {
    match i64::from_str_radix(text, radix) {
        Ok(value) => Term::Integer(value),
        Err(_) => Term::integer(BigInt::parse_bytes(text.as_bytes(), radix).unwrap_or_default()),
    }
}

fn float(cursor: &mut Cursor<'_>, sign: &str, whole: &str) -> Result<Term, TextError> {
    cursor.advance();
    let mut text = format!("{sign}{whole}.{}", digits(cursor, 10)?);
    if matches!(cursor.peek(), Some('e' | 'E')) {
        cursor.advance();
        text.push('e');
        if let Some(exponent_sign @ ('+' | '-')) = cursor.peek() {
            cursor.advance();
            text.push(exponent_sign);
        }
        text.push_str(&digits(cursor, 10)?);
    }
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(Term::Float(value)),
        _ => Err(cursor.error(Problem::Number(text))),
    }
}

fn digits(cursor: &mut Cursor<'_>, radix: u32) -> Result<String, TextError> {
    let taken = cursor.take_while(|character| character.is_digit(radix) || character == '_');
    let text: String = taken.chars().filter(|&character| character != '_').collect();
    if text.is_empty() || text.len() > MAX_DIGITS {
        let shown = taken.chars().take(40).collect();
        return Err(cursor.error(Problem::Number(shown)));
    }
    Ok(text)
}
