//! An application's resource file, `{name}.app`.

use crate::Term;
use crate::text::{self, TextError};

/// What an `.app` file says.
#[derive(Clone, Debug, PartialEq)]
pub struct App {
    /// The application's name.
    pub name: String,
    /// `vsn`, empty when it is not said.
    pub version: String,
    /// Applications that must run before it (`applications`, with `included_applications` kept apart).
    pub applications: Vec<String>,
    /// Applications that it starts by itself.
    pub included_applications: Vec<String>,
    /// Its modules.
    pub modules: Vec<String>,
    /// Those of `applications` that may be missing.
    pub optional_applications: Vec<String>,
    /// Names that its processes register.
    pub registered: Vec<String>,
    /// Defaults of its parameters (`env`).
    pub environment: Vec<(String, Term)>,
    /// What its start calls (`mod`): a module, with an argument. `None` when it only has code.
    pub callback: Option<(String, Term)>,
    /// `start_phases`, as they are written.
    pub start_phases: Option<Term>,
}

/// Why a text is not an `.app` file.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// Not Erlang terms.
    #[error("is not Erlang text")]
    Text(#[from] TextError),
    /// Terms, but not `{application, Name, Properties}`.
    #[error("does not hold {{application, Name, Properties}}")]
    Shape,
}

/// Reads an `.app` file.
pub fn parse(bytes: &[u8]) -> Result<App, AppError> {
    let terms = text::consult(bytes)?;
    let [Term::Tuple(elements)] = terms.as_slice() else { return Err(AppError::Shape) };
    let [kind, Term::Atom(name), properties] = &elements[..] else { return Err(AppError::Shape) };
    if kind.as_atom() != Some("application") || properties.as_list().is_none() {
        return Err(AppError::Shape);
    }
    let version = properties.property("vsn").and_then(Term::as_text).unwrap_or_default();
    Ok(App {
        name: name.to_string(),
        version,
        applications: atoms(properties.property("applications")),
        included_applications: atoms(properties.property("included_applications")),
        modules: atoms(properties.property("modules")),
        optional_applications: atoms(properties.property("optional_applications")),
        registered: atoms(properties.property("registered")),
        environment: environment(properties.property("env")),
        callback: properties.property("mod").and_then(callback),
        start_phases: properties.property("start_phases").cloned(),
    })
}

fn atoms(term: Option<&Term>) -> Vec<String> {
    let items = term.and_then(Term::as_list).unwrap_or_default();
    items.iter().filter_map(Term::as_atom).map(str::to_owned).collect()
}

fn environment(term: Option<&Term>) -> Vec<(String, Term)> {
    let items = term.and_then(Term::as_list).unwrap_or_default();
    let parameter = |item: &Term| match item.as_tuple()? {
        [name, value] => Some((name.as_atom()?.to_owned(), value.clone())),
        _ => None,
    };
    items.iter().filter_map(parameter).collect()
}

fn callback(term: &Term) -> Option<(String, Term)> {
    match term.as_tuple()? {
        [module, argument] => Some((module.as_atom()?.to_owned(), argument.clone())),
        _ => None,
    }
}
