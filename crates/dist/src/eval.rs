//! Erlang text that a node evaluates: by `erl_scan`, `erl_parse` and `erl_eval`, which every release has (stdlib).

use std::time::Duration;

use beam::Term;
use tokio::time::Instant;

use crate::call::{Call, CallError};
use crate::link::Link;

/// Erlang text that a node has parsed. It is plain data: any node of the same OTP can evaluate it.
#[derive(Clone, Debug)]
pub struct Prepared {
    expressions: Term,
}

/// Why a text was not parsed.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The node was not asked, or did not answer.
    #[error(transparent)]
    Call(#[from] CallError),
    /// It is no Erlang.
    #[error("line {line}: {message}")]
    Syntax {
        /// Where, from 1.
        line: i64,
        /// What the node says about it.
        message: String,
    },
    /// The node's parser answered something that it never does.
    #[error("the node's {0} gave an answer that it never gives")]
    Answer(&'static str),
}

impl Prepared {
    /// The call that evaluates it with these variables. Its result is the value alone: what the text binds stays in the node.
    /// A fun around the text would do that too, but within one `erl_eval` of OTP 25 makes funs that double in size with each
    /// one that another uses, and copies them when a process is spawned. It says that there are no local functions (the first
    /// `none`), as without that `erl_eval` has the linter look at the whole text each time.
    pub(crate) fn call(&self, bindings: Term) -> Call {
        let block = Term::tuple([Term::atom("block"), Term::Integer(0), self.expressions.clone()]);
        let [nobody, alone] = ["none", "value"].map(Term::atom);
        Call::new("erl_eval", "expr", [block, bindings, nobody.clone(), nobody, alone])
    }
}

/// Variables of a text with their values: an `orddict`, which is sorted.
pub(crate) fn bindings<'a>(variables: impl IntoIterator<Item = (&'a str, Term)>) -> Term {
    let mut variables: Vec<_> = variables.into_iter().collect();
    variables.sort_by_key(|(name, _)| *name);
    Term::list(variables.into_iter().map(|(name, value)| Term::tuple([Term::atom(name), value])))
}

impl Link {
    /// Has a text parsed: expressions between commas, a full stop at the end or not.
    pub(crate) async fn prepare(&self, text: &str, within: Duration) -> Result<Prepared, PrepareError> {
        let deadline = Instant::now() + within;
        let left = || deadline.saturating_duration_since(Instant::now());
        let scan = Call::new("erl_scan", "string", [Term::string(&ended(text)), Term::Integer(1)]);
        let tokens = ok_or_syntax("erl_scan", self.call(&scan, left()).await?, self, left()).await?;
        let parse = Call::new("erl_parse", "parse_exprs", [tokens]);
        let parsed = self.call(&parse, left()).await?;
        let expressions = ok_or_syntax("erl_parse", parsed, self, left()).await?;
        Ok(Prepared { expressions })
    }

    /// Evaluates a prepared text; its value is that of the last expression.
    pub(crate) async fn eval<'a>(
        &self,
        prepared: &Prepared,
        variables: impl IntoIterator<Item = (&'a str, Term)>,
        within: Duration,
    ) -> Result<Term, CallError> {
        let call = prepared.call(bindings(variables));
        self.call(&call, within).await
    }
}

/// With one full stop at its end, on a line of its own: the last one may be a comment.
fn ended(text: &str) -> String {
    let text = text.trim_end();
    // the full stop, but not the character
    let text = text.strip_suffix('.').filter(|text| !text.ends_with('$')).unwrap_or(text);
    format!("{text}\n.")
}

/// What is in `{ok, It}` and `{ok, It, _}`, or the error in words of the node.
async fn ok_or_syntax(
    module: &'static str,
    answer: Term,
    link: &Link,
    within: Duration,
) -> Result<Term, PrepareError> {
    let Some([tag, it, ..]) = answer.as_tuple() else { return Err(PrepareError::Answer(module)) };
    match (tag.as_atom(), it) {
        (Some("ok"), it) => Ok(it.clone()),
        (Some("error"), Term::Tuple(info)) => {
            let [location, module_of_error, description] = &info[..] else {
                return Err(PrepareError::Answer(module));
            };
            let format =
                Call::new(module_of_error.as_atom().unwrap_or(module), "format_error", [description.clone()]);
            let message = crate::chardata::text(&link.call(&format, within).await?);
            Err(PrepareError::Syntax { line: line(location), message })
        }
        _ => Err(PrepareError::Answer(module)),
    }
}

/// `Line` or `{Line, Column}`.
fn line(location: &Term) -> i64 {
    let line = location.as_tuple().and_then(|parts| parts.first()).unwrap_or(location);
    line.as_integer().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_keeps_its_lines() {
        assert_eq!(ended("A = 1,\nA + 1. "), "A = 1,\nA + 1\n.");
        assert_eq!(ended("ok % of course"), "ok % of course\n.");
    }

    #[test]
    fn a_line_is_found_with_and_without_column() {
        assert_eq!(line(&Term::Integer(3)), 3);
        assert_eq!(line(&Term::tuple([Term::Integer(4), Term::Integer(9)])), 4);
    }
}
