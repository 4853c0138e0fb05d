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
    /// Whether it has a callback module (`mod`), so that starting it starts processes.
    pub has_callback: bool,
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
        has_callback: properties.property("mod").is_some_and(|callback| callback.as_tuple().is_some()),
    })
}

fn atoms(term: Option<&Term>) -> Vec<String> {
    let items = term.and_then(Term::as_list).unwrap_or_default();
    items.iter().filter_map(Term::as_atom).map(str::to_owned).collect()
}
