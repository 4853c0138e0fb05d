//! A release's static configuration, `sys.config` (OTP, Kernel Reference Manual, `config(4)`).

use crate::Term;
use crate::text::{self, TextError};

/// What a `sys.config` says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SysConfig {
    /// Applications with their parameters. A parameter that is said twice counts as it is said last.
    pub applications: Vec<(String, Vec<(String, Term)>)>,
    /// Further files that are read, by their names as they are written.
    pub included: Vec<String>,
}

/// Why a text is not a `sys.config`.
#[derive(Debug, thiserror::Error)]
pub enum SysConfigError {
    /// Not Erlang terms.
    #[error("is not Erlang text")]
    Text(#[from] TextError),
    /// Terms, but not one list of applications.
    #[error("does not hold [{{Application, [{{Parameter, Value}}]}}]")]
    Shape,
}

/// Reads a `sys.config`.
///
/// # Errors
/// It is none.
pub fn parse(bytes: &[u8]) -> Result<SysConfig, SysConfigError> {
    let terms = text::consult(bytes)?;
    let [list] = terms.as_slice() else { return Err(SysConfigError::Shape) };
    let mut config = SysConfig::default();
    for item in list.as_list().ok_or(SysConfigError::Shape)?.iter() {
        match item {
            Term::Tuple(elements) => {
                let application = application(elements).ok_or(SysConfigError::Shape)?;
                config.applications.push(application);
            }
            name => config.included.push(name.as_text().ok_or(SysConfigError::Shape)?),
        }
    }
    Ok(config)
}

fn application(elements: &[Term]) -> Option<(String, Vec<(String, Term)>)> {
    let [name, parameters] = elements else { return None };
    let parameter = |term: &Term| match term.as_tuple()? {
        [name, value] => Some((name.as_atom()?.to_owned(), value.clone())),
        _ => None,
    };
    let parameters = parameters.as_list()?.iter().map(parameter).collect::<Option<_>>()?;
    Some((name.as_atom()?.to_owned(), parameters))
}
