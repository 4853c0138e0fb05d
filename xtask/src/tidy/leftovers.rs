//! Nothing unfinished is left in the code.

use super::{Problem, Source};

/// Words on their own, written in two halves so that this file passes its own check.
const WORDS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// Texts anywhere in a line of Rust.
const TEXTS: &[&str] =
    &[concat!("#[", "ignore"), concat!("dbg", "!("), concat!("todo", "!("), concat!("unimplemented", "!(")];

pub(super) fn check(source: &Source) -> Vec<Problem> {
    let is_rust = source.path.extension().is_some_and(|extension| extension == "rs");
    let mut problems = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        let word = WORDS.iter().find(|word| has_word(line, word));
        let text = TEXTS.iter().find(|text| is_rust && line.contains(**text));
        if let Some(found) = word.or(text) {
            problems.push(Problem::new(&source.path, format!("line {}: {found} is left", index + 1)));
        }
    }
    problems
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|part| part == word)
}

#[cfg(test)]
mod tests {
    use super::super::source_of;
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        check(&source_of(path, text)).into_iter().map(|problem| problem.text).collect()
    }

    #[test]
    fn tells_words_and_their_lines() {
        let text = format!("fn a() {{}}\n// {}: b\n", WORDS[0]);
        assert_eq!(found("a.rs", &text), [format!("line 2: {} is left", WORDS[0])]);
        assert_eq!(found("a.ex", &format!("# {}(me)", WORDS[1])).len(), 1);
    }

    #[test]
    fn tells_what_rust_code_must_not_have() {
        for text in TEXTS {
            assert_eq!(found("a.rs", &format!("    {text}x)]")).len(), 1, "{text}");
            assert!(found("a.sh", text).is_empty(), "{text}");
        }
    }

    #[test]
    fn knows_whole_words_only() {
        assert!(found("a.rs", &format!("let {}S = 1; // a_{}", WORDS[0], WORDS[2])).is_empty());
    }
}
