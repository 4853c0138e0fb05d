//! Traces: which function, within which limits, and what is traced as lines.
//!
//! The tracer is [`dist`'s](dist::Trace): its limits hold in the node, one trace runs there at a time, and it goes when we
//! do. Here its limits have limits too, and people's words become a plan.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use beam::Term;
use beam::print::Erlang;
use beam::text::consult;
use dist::{Trace, TraceEnd, TraceError, TraceEvent, TracePlan, Traced, TracedKind};

use crate::probe::Probe;

/// How many messages a trace may have.
pub const LIMIT: RangeInclusive<u32> = 1..=100_000;
/// How long a trace may last.
pub const LASTING: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(3600);

/// A function to be traced: `lists:seq/2`, `'Elixir.Enum':map/2`, `Enum.map/2`, `:lists.seq/2`; without `/N` with any
/// number of arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceTarget {
    /// The module's atom.
    pub module: String,
    /// The function's atom.
    pub function: String,
    /// How many arguments it takes; any, when there is none.
    pub arity: Option<u8>,
}

/// A text names no function.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no function: write module:function/arity, or Module.function/arity as in Elixir")]
pub struct NoTarget(String);

/// Limits that are none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TraceLimits {
    /// Too many messages, or none.
    #[error("{0} messages are not from {least} to {most}", least = LIMIT.start(), most = LIMIT.end())]
    Limit(u32),
    /// Too long, or no time.
    #[error("{0:?} is not from {least:?} to {most:?}", least = LASTING.start(), most = LASTING.end())]
    Lasting(Duration),
}

impl FromStr for TraceTarget {
    type Err = NoTarget;

    fn from_str(text: &str) -> Result<Self, NoTarget> {
        read(text).ok_or_else(|| NoTarget(text.to_owned()))
    }
}

fn read(text: &str) -> Option<TraceTarget> {
    let (name, arity) = match text.rsplit_once('/') {
        Some((name, arity)) if arity.starts_with(|it: char| it.is_ascii_digit()) => {
            (name, Some(arity.parse().ok()?))
        }
        _ => (text, None),
    };
    let (module, function) = match name.chars().next()? {
        ':' | 'A'..='Z' => elixir(name)?,
        _ => erlang(name)?,
    };
    // would be any
    let is_one = |atom: &str| !atom.is_empty() && atom != "_";
    (is_one(&module) && is_one(&function)).then_some(TraceTarget { module, function, arity })
}

/// `Module.function` or `:module.function`.
fn elixir(name: &str) -> Option<(String, String)> {
    let (module, function) = name.rsplit_once('.')?;
    let module = match module.strip_prefix(':') {
        Some(atom) => atom.trim_matches('"').to_owned(),
        None => format!("Elixir.{}", module.strip_prefix("Elixir.").unwrap_or(module)),
    };
    Some((module, function.trim_matches('"').to_owned()))
}

/// `module:function`, each quoted or not.
fn erlang(name: &str) -> Option<(String, String)> {
    let mut atoms = name.match_indices(':').filter_map(|(at, _)| {
        let atom = |text: &str| match consult(format!("{text} .").as_bytes()).ok()?.as_slice() {
            [Term::Atom(atom)] => Some(atom.as_str().to_owned()),
            _ => None,
        };
        Some((atom(&name[..at])?, atom(&name[at + 1..])?))
    });
    atoms.next()
}

impl TraceTarget {
    /// What is to be traced of it: so many messages, so long, results too or calls alone.
    ///
    /// # Errors
    /// When the limits are beyond [`LIMIT`] or [`LASTING`].
    pub fn plan(&self, limit: u32, lasting: Duration, returns: bool) -> Result<TracePlan, TraceLimits> {
        if !LIMIT.contains(&limit) {
            return Err(TraceLimits::Limit(limit));
        }
        if !LASTING.contains(&lasting) {
            return Err(TraceLimits::Lasting(lasting));
        }
        let (module, function) = (self.module.clone(), self.function.clone());
        Ok(TracePlan { module, function, arity: self.arity, returns, limit, lasting })
    }
}

/// What was traced as a line of text: `12:30:05.000123 <0.84.0> lists:seq(1,3)`. Its time is in UTC, by the node's clock.
pub struct TraceLine<'a>(pub &'a TraceEvent);

impl fmt::Display for TraceLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            TraceEvent::Traced(traced) => write_traced(traced, f),
            TraceEvent::Paused => f.write_str("... more happened than is told"),
            TraceEvent::Dropped(dropped) => {
                write!(f, "... {} messages were lost on the way", dropped.events)
            }
            TraceEvent::Ended(TraceEnd::Limit) => f.write_str("ended: as many messages as were wanted"),
            TraceEvent::Ended(TraceEnd::Over) => f.write_str("ended: its time is over"),
            TraceEvent::Ended(TraceEnd::Stopped) => f.write_str("ended: stopped"),
            TraceEvent::Ended(TraceEnd::Lost(why)) => write!(f, "ended: the tracer is gone: {why}"),
        }
    }
}

fn write_traced(traced: &Traced, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let secs = traced.at_us.div_euclid(1_000_000);
    let (hour, minute, second) = (secs / 3600 % 24, secs / 60 % 60, secs % 60);
    write!(f, "{hour:02}:{minute:02}:{second:02}.{:06} ", traced.at_us.rem_euclid(1_000_000))?;
    write!(f, "{} ", Erlang::default().print_flat(&Term::from(traced.pid.clone())))?;
    let (function, text) = (&traced.function, &traced.text);
    match traced.kind {
        TracedKind::Call => match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
            Some(arguments) => {
                let name = function.rsplit_once('/').map_or(&**function, |(name, _)| name);
                write!(f, "{name}({arguments})")
            }
            // cut short
            None => write!(f, "{function} {text}"),
        },
        TracedKind::Return => write!(f, "{function} -> {text}"),
        TracedKind::Exception => write!(f, "{function} raised {text}"),
    }
}

impl Probe {
    /// Traces calls of a function.
    ///
    /// # Errors
    /// When there is no connection, another trace runs, or there is no such function.
    pub async fn trace(&self, plan: &TracePlan, within: Duration) -> Result<Trace, TraceError> {
        self.node().trace(plan, within).await
    }
}

#[cfg(test)]
mod tests {
    use beam::term::{Atom, Pid};

    use super::*;

    fn check(text: &str, module: &str, function: &str, arity: Option<u8>) {
        let target = TraceTarget { module: module.to_owned(), function: function.to_owned(), arity };
        assert_eq!(text.parse::<TraceTarget>(), Ok(target), "{text}");
    }

    #[test]
    fn functions_are_read_as_either_language_writes_them() {
        check("lists:seq/2", "lists", "seq", Some(2));
        check("lists:seq", "lists", "seq", None);
        check("'Elixir.Enum':map/2", "Elixir.Enum", "map", Some(2));
        check("'odd:one':'a/b'/0", "odd:one", "a/b", Some(0));
        check("Enum.map/2", "Elixir.Enum", "map", Some(2));
        check("My.App.Repo.insert!", "Elixir.My.App.Repo", "insert!", None);
        check("Elixir.Enum.map/2", "Elixir.Enum", "map", Some(2));
        check(":lists.seq/2", "lists", "seq", Some(2));
        check("Kernel.//2", "Elixir.Kernel", "/", Some(2));
    }

    #[test]
    fn what_names_no_function_is_refused() {
        for text in
            ["", "lists", "lists:", ":seq", "_:seq/2", "lists:_/2", "lists:seq/256", "Enum", "1:2", "a b:c"]
        {
            assert!(text.parse::<TraceTarget>().is_err(), "{text}");
        }
    }

    #[test]
    fn limits_have_limits() {
        let target: TraceTarget = "lists:seq/2".parse().unwrap();
        let second = Duration::from_secs(1);
        assert_eq!(target.plan(10, second, false).unwrap().limit, 10);
        assert_eq!(target.plan(0, second, false), Err(TraceLimits::Limit(0)));
        assert_eq!(target.plan(u32::MAX, second, false), Err(TraceLimits::Limit(u32::MAX)));
        assert_eq!(target.plan(1, Duration::ZERO, false), Err(TraceLimits::Lasting(Duration::ZERO)));
        let day = Duration::from_secs(86_400);
        assert_eq!(target.plan(1, day, false).unwrap_err().to_string(), "86400s is not from 1ms to 3600s");
    }

    #[test]
    fn what_was_traced_is_a_line() {
        let line = |kind, text: &str| {
            let pid = Pid { node: Atom::new("a@b"), id: 84, serial: 0, creation: 1 };
            let (function, at_us) = ("lists:seq/2".to_owned(), 1_800_000_605_000_123);
            TraceLine(&TraceEvent::Traced(Traced { kind, pid, function, text: text.to_owned(), at_us }))
                .to_string()
        };
        assert_eq!(line(TracedKind::Call, "{1,3}"), "08:10:05.000123 <0.84.0> lists:seq(1,3)");
        assert_eq!(line(TracedKind::Call, "{1,..."), "08:10:05.000123 <0.84.0> lists:seq/2 {1,...");
        assert_eq!(line(TracedKind::Return, "[1]"), "08:10:05.000123 <0.84.0> lists:seq/2 -> [1]");
        let raised = line(TracedKind::Exception, "{error,badarg}");
        assert_eq!(raised, "08:10:05.000123 <0.84.0> lists:seq/2 raised {error,badarg}");
        assert_eq!(TraceLine(&TraceEvent::Paused).to_string(), "... more happened than is told");
    }
}
