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
    /// The call that evaluates it with these variables. Its result is `{value, Value, Bindings}`. It says that there are no local
    /// functions (`none`), as without that `erl_eval` has the linter look at the whole text each time.
    pub(crate) fn call(&self, bindings: Term) -> Call {
        Call::new("erl_eval", "exprs", [self.expressions.clone(), bindings, Term::atom("none")])
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
        let scan = Call::new("erl_scan", "string", [Term::string(&wrapped(text)), Term::Integer(0)]);
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
        value(&call, self.call(&call, within).await?)
    }
}

/// Inside a fun, so that what the text binds stays in the node: `erl_eval` sends all bindings back. The text begins on
/// line 1, where the fun is on line 0, and ends its own line, which may be a comment.
fn wrapped(text: &str) -> String {
    let text = text.trim_end();
    // the full stop, but not the character
    let text = text.strip_suffix('.').filter(|text| !text.ends_with('$')).unwrap_or(text);
    format!("(fun() ->\n{text}\nend)().")
}

fn value(call: &Call, answer: Term) -> Result<Term, CallError> {
    let not_one = || CallError::Answer(call.to_string());
    let Term::Tuple(answer) = answer else { return Err(not_one()) };
    match (answer.len(), answer.first().and_then(Term::as_atom)) {
        (3, Some("value")) => answer.into_iter().nth(1).ok_or_else(not_one),
        _ => Err(not_one()),
    }
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
        assert_eq!(wrapped("A = 1,\nA + 1. "), "(fun() ->\nA = 1,\nA + 1\nend)().");
        assert_eq!(wrapped("ok % of course"), "(fun() ->\nok % of course\nend)().");
    }

    #[test]
    fn a_line_is_found_with_and_without_column() {
        assert_eq!(line(&Term::Integer(3)), 3);
        assert_eq!(line(&Term::tuple([Term::Integer(4), Term::Integer(9)])), 4);
    }
}
