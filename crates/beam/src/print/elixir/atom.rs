//! Atoms: `:ok`, `Shop.Cart`, `:"with space"`, `key:`.

use super::word::quoted;

/// Operators that are written bare although they are no identifiers.
const OPERATORS: [&str; 44] = [
    "!", "^", "not", "+", "-", "&", "@", "<-", "\\\\", "when", "|", "=", "||", "|||", "or", "&&", "&&&",
    "and", "==", "!=", "=~", "===", "!==", "<", "<=", ">=", ">", "|>", "<<<", ">>>", "<~", "~>", "<<~",
    "~>>", "<~>", "in", "++", "--", "<>", "+++", "---", "*", "/", "**",
];

/// Operators that are written in quotes all the same, but for a function's name.
const QUOTED_OPERATORS: [&str; 4] = ["::", "^^^", "~~~", "<|>"];

/// Special forms: written bare, but they cannot be called.
const NOT_CALLABLE: [&str; 9] = ["%", "%{}", "{}", "<<>>", "...", "..", ".", "..//", "->"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `Elixir.` and names of modules.
    Alias,
    Identifier,
    Operator,
    QuotedOperator,
    NotCallable,
    Other,
}

/// As a value.
pub(super) fn literal(name: &str) -> String {
    if matches!(name, "nil" | "true" | "false") {
        return name.to_owned();
    }
    match kind(name) {
        Kind::Alias => match name.strip_prefix("Elixir.") {
            Some(rest) if rest != "Elixir" && !rest.starts_with("Elixir.") => rest.to_owned(),
            _ => name.to_owned(),
        },
        Kind::QuotedOperator | Kind::Other => format!(":{}", quoted(name.chars(), '"')),
        Kind::Identifier | Kind::Operator | Kind::NotCallable => format!(":{name}"),
    }
}

/// As a key before its value, with the colon.
pub(super) fn key(name: &str) -> String {
    match kind(name) {
        Kind::Alias | Kind::QuotedOperator | Kind::Other => quoted(name.chars(), '"') + ":",
        Kind::Identifier | Kind::Operator | Kind::NotCallable => format!("{name}:"),
    }
}

/// As the function of a call to a module.
pub(super) fn call(name: &str) -> String {
    match kind(name) {
        Kind::Identifier | Kind::Operator | Kind::QuotedOperator => name.to_owned(),
        Kind::Alias | Kind::NotCallable | Kind::Other => quoted(name.chars(), '"'),
    }
}

fn kind(name: &str) -> Kind {
    if NOT_CALLABLE.contains(&name) {
        Kind::NotCallable
    } else if QUOTED_OPERATORS.contains(&name) {
        Kind::QuotedOperator
    } else if OPERATORS.contains(&name) {
        Kind::Operator
    } else if is_alias(name) {
        Kind::Alias
    } else {
        identifier(name)
    }
}

fn is_alias(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("Elixir") else { return false };
    let mut parts = rest.split('.');
    let is_part = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_uppercase())
            && part.chars().all(|next| next.is_ascii_alphanumeric() || next == '_')
    };
    parts.next() == Some("") && parts.all(is_part)
}

/// Letters of any script, digits, `_` and `@`, then perhaps `?` or `!`. (Elixir refuses mixed scripts besides.)
fn identifier(name: &str) -> Kind {
    let body = name.strip_suffix(['?', '!']).unwrap_or(name);
    let mut characters = body.chars();
    let Some(first) = characters.next().filter(|&first| first.is_alphabetic() || first == '_') else {
        return Kind::Other;
    };
    if !characters.all(|next| next.is_alphanumeric() || matches!(next, '_' | '@')) {
        return Kind::Other;
    }
    if first.is_uppercase() || body.contains('@') { Kind::NotCallable } else { Kind::Identifier }
}
