//! Changed configuration, given to a running node.
//!
//! OTP's own way, `application_controller:change_application_data/2`, is meant for a release that is upgraded: it makes
//! the environment of each application anew from its `.app` file and `sys.config`, and so forgets what `runtime.exs` or
//! a program has set since. Here only keys are set that a file names or has named. The callback is the same,
//! `config_change/3`, after all applications have their new environment; but a process of its own calls it and not the
//! application controller, which would answer nobody while a callback hangs.

use std::time::Duration;

use beam::Term;
use beam::text::{TextError, consult};

use crate::answer::{Part, Unexpected};
use crate::probe::{Probe, ProbeError, millis};
use crate::question::{PROCESS, Question};

static RELOAD: Question =
    Question::new("the change of configuration", &[PROCESS, include_str!("config.txt")]);

/// Configuration: the terms of a `sys.config`, or what a VM has made of one.
#[derive(Clone, PartialEq)]
pub struct Config {
    /// `{Application, [{Key, Value}]}`.
    applications: Vec<Term>,
    /// `{Application, [Key]}`: keys that are configured, with values that mean something in one node only.
    elsewhere: Vec<(String, Vec<String>)>,
}

/// Values may be secret.
impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let applications = self.applications.iter().filter_map(Term::as_tuple);
        f.debug_list().entries(applications.map(|parts| parts[0].as_atom())).finish()
    }
}

/// A text is no `sys.config`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// It is not made of Erlang terms.
    #[error("the configuration is not one Erlang term")]
    Text(#[from] TextError),
    /// It is none, or several.
    #[error("the configuration has {0} terms, where one list is expected")]
    Terms(usize),
    /// It is something else than a list of applications.
    #[error("the configuration is no list of {{Application, [{{Key, Value}}]}}: look at its item {0}")]
    Item(usize),
    /// It names another file.
    #[error("the configuration includes the file {0}, which is not read here: write its terms into it")]
    Includes(String),
    /// Twice.
    #[error("the configuration has the application {0} more than once")]
    Twice(String),
}

impl Config {
    /// Reads a `sys.config`.
    ///
    /// # Errors
    /// When it is none, or includes other files.
    pub fn parse(text: &[u8]) -> Result<Self, ConfigError> {
        let terms = consult(text)?;
        let [term] = &terms[..] else { return Err(ConfigError::Terms(terms.len())) };
        Self::of_term(term)
    }

    /// The configuration that a term is: `[{Application, [{Key, Value}]}]`.
    ///
    /// # Errors
    /// When it is none, or includes other files.
    pub fn of_term(term: &Term) -> Result<Self, ConfigError> {
        let items = term.as_list().ok_or(ConfigError::Terms(1))?;
        let mut names = Vec::new();
        for (at, item) in items.iter().enumerate() {
            if let Some(file) = item.as_text() {
                return Err(ConfigError::Includes(file));
            }
            let name = application(item).ok_or(ConfigError::Item(at + 1))?;
            if names.contains(&name) {
                return Err(ConfigError::Twice(name.to_owned()));
            }
            names.push(name);
        }
        Ok(Self { applications: items.to_vec(), elsewhere: Vec::new() })
    }

    /// The same, and keys by application that are configured too, with values that cannot leave their node: processes,
    /// ports, references and closures. Whatever a node has there stays.
    #[must_use]
    pub fn with_elsewhere(self, elsewhere: Vec<(String, Vec<String>)>) -> Self {
        Self { elsewhere, ..self }
    }

    /// Keys by application whose values cannot leave their node.
    pub fn elsewhere(&self) -> &[(String, Vec<String>)] {
        &self.elsewhere
    }

    /// The value of an application's key.
    pub fn value(&self, application: &str, key: &str) -> Option<&Term> {
        let item = self.applications.iter().find(|item| self::application(item) == Some(application))?;
        let [_, Term::List(pairs)] = item.as_tuple()? else { return None };
        pairs.iter().find_map(|pair| match pair.as_tuple()? {
            [name, value] if name.as_atom() == Some(key) => Some(value),
            _ => None,
        })
    }

    /// `[{Application, [{Key, Value}]}]`.
    pub fn term(&self) -> Term {
        Term::list(self.applications.iter().cloned())
    }

    /// `[{Application, [Key]}]`.
    fn elsewhere_term(&self) -> Term {
        let atoms = |names: &[String]| Term::list(names.iter().map(|name| Term::atom(name)));
        let of = |(name, keys): &(String, Vec<String>)| Term::tuple([Term::atom(name), atoms(keys)]);
        Term::list(self.elsewhere.iter().map(of))
    }
}

/// The application's name, when the item is one with keys.
fn application(item: &Term) -> Option<&str> {
    let [name, Term::List(pairs)] = item.as_tuple()? else { return None };
    let is_pair = |pair: &Term| matches!(pair.as_tuple(), Some([Term::Atom(_), _]));
    pairs.iter().all(is_pair).then(|| name.as_atom())?
}

/// What came of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reload {
    /// Applications of which something has changed.
    pub changed: Vec<Changed>,
    /// Applications of the configuration that the node has not loaded: nothing was set for them.
    pub not_loaded: Vec<String>,
}

/// What has changed for an application: keys, as values may be secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// Its name.
    pub application: String,
    /// Keys with another value than before.
    pub changed: Vec<String>,
    /// Keys that it did not have.
    pub new: Vec<String>,
    /// Keys that it has no more.
    pub removed: Vec<String>,
    /// What it said to that.
    pub told: Told,
}

/// How an application was told of the change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// Its `config_change/3` returned `ok`.
    Ok,
    /// It has a `config_change/3`, which was not called as nothing was to be changed yet.
    Would,
    /// It has none: what it reads each time is as it shall be, what it has read at its start needs a restart.
    NotImplemented,
    /// It is loaded and does not run.
    NotRunning,
    /// Its `config_change/3` failed or returned something else, as Erlang text.
    Failed(String),
    /// Its `config_change/3` did not return in time, and goes on.
    Late,
}

impl Told {
    fn read(part: Part<'_>) -> Result<Self, Unexpected> {
        match part.atom() {
            Ok("ok") => Ok(Self::Ok),
            Ok("would") => Ok(Self::Would),
            Ok("not_implemented") => Ok(Self::NotImplemented),
            Ok("not_running") => Ok(Self::NotRunning),
            Ok("late") => Ok(Self::Late),
            Ok(_) => Err(Unexpected { part: "what an application said", wanted: "something known" }),
            Err(_) => {
                let [_, why] = part.tuple()?;
                Ok(Self::Failed(why.text()?))
            }
        }
    }
}

fn names(part: Part<'_>) -> Result<Vec<String>, Unexpected> {
    part.each(|name| name.atom().map(str::to_owned))
}

impl Changed {
    fn read(part: Part<'_>) -> Result<Self, Unexpected> {
        let [application, changed, new, removed, told] = part.tuple()?;
        Ok(Self {
            application: application.atom()?.to_owned(),
            changed: names(changed)?,
            new: names(new)?,
            removed: names(removed)?,
            told: Told::read(told)?,
        })
    }
}

impl Reload {
    fn read(answer: Part<'_>) -> Result<Self, Unexpected> {
        let [changed, not_loaded] = answer.tuple()?;
        Ok(Self { changed: changed.each(Changed::read)?, not_loaded: names(not_loaded)? })
    }
}

/// The configuration that a node has so far: keys that are only there are taken back.
#[derive(Clone, Copy, Debug)]
pub enum Before<'a> {
    /// This one; none: nothing is taken back.
    Known(Option<&'a Config>),
    /// What its application controller holds: what it was started with, by `sys.config` and config providers, and what was
    /// set since so that it lasts.
    Held,
}

impl Before<'_> {
    fn term(self) -> Term {
        match self {
            Before::Known(config) => config.map_or_else(|| Term::list([]), Config::term),
            Before::Held => Term::atom("held"),
        }
    }
}

/// How a node is given a changed configuration.
#[derive(Clone, Copy, Debug)]
pub struct ReloadPlan<'a> {
    /// What it has so far.
    pub before: Before<'a>,
    /// Nothing is set and nobody told: only what would change is said.
    pub dry_run: bool,
    /// How long each application may take to say something to it.
    pub patience: Duration,
}

impl Probe {
    /// Gives the node a changed configuration, and tells applications that run. Keys that are said on its command line
    /// (`-kernel logger_level debug`) stay as they are said there, as they would at a start.
    ///
    /// # Errors
    /// When there is no connection, or no answer within the time: the change may have happened then, in part.
    pub async fn reload_config(
        &self,
        wanted: &Config,
        plan: ReloadPlan<'_>,
        within: Duration,
    ) -> Result<Reload, ProbeError> {
        let variables = [
            ("Wanted", wanted.term()),
            ("Closed", wanted.elsewhere_term()),
            ("Before", plan.before.term()),
            ("Dry", Term::atom(if plan.dry_run { "true" } else { "false" })),
            ("Patience", millis(plan.patience)),
        ];
        self.ask(&RELOAD, variables, within, Reload::read).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        match Config::parse(text.as_bytes()) {
            Ok(config) => assert_eq!(format!("{config:?}"), expected),
            Err(error) => assert_eq!(error.to_string(), expected),
        }
    }

    #[test]
    fn a_configuration_is_read_and_its_values_are_not_shown() {
        check("[{shop, [{key, \"secret\"}]}, {kernel, []}].", "[Some(\"shop\"), Some(\"kernel\")]");
        check("[].", "[]");
    }

    #[test]
    fn what_is_none_is_refused() {
        check("[{shop, []}]. [].", "the configuration has 2 terms, where one list is expected");
        check("shop.", "the configuration has 1 terms, where one list is expected");
        let item = "the configuration is no list of {Application, [{Key, Value}]}: look at its item 2";
        check("[{shop, []}, {kernel, [odd]}].", item);
        check("[{shop, []}, {\"kernel\", []}].", item);
        check(
            "[\"other.config\"].",
            "the configuration includes the file other.config, which is not read here: write its terms into it",
        );
        check("[{shop, []}, {shop, []}].", "the configuration has the application shop more than once");
        check("[{shop, []", "the configuration is not one Erlang term");
    }
}
