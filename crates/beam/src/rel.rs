//! A release resource file, `{release}.rel`, and `start_erl.data`.

use crate::Term;
use crate::text::{self, TextError};

/// What a `.rel` file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rel {
    /// The release's name.
    pub name: String,
    /// The release's version.
    pub version: String,
    /// The ERTS version that it was made for (named also when the release does not carry one).
    pub erts: String,
    /// Its applications, in the order of their start.
    pub applications: Vec<RelApplication>,
}

/// One application of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelApplication {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// How it is started at boot.
    pub start_type: StartType,
}

/// How an application of a release is started at boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StartType {
    /// Started; the node ends with it. What is meant when nothing is said.
    #[default]
    Permanent,
    /// Started; the node ends with it when it fails.
    Transient,
    /// Started; its end is only reported.
    Temporary,
    /// Loaded and not started.
    Load,
    /// Its modules are loaded, it is not.
    None,
}

impl StartType {
    /// As it is written in a `.rel`.
    pub fn of(word: &str) -> Option<Self> {
        match word {
            "permanent" => Some(Self::Permanent),
            "transient" => Some(Self::Transient),
            "temporary" => Some(Self::Temporary),
            "load" => Some(Self::Load),
            "none" => Some(Self::None),
            _ => None,
        }
    }
}

/// Why a text is not a `.rel` file.
#[derive(Debug, thiserror::Error)]
pub enum RelError {
    /// Not Erlang terms.
    #[error("is not Erlang text")]
    Text(#[from] TextError),
    /// Terms, but not a release.
    #[error("does not hold {{release, {{Name, Version}}, {{erts, Version}}, Applications}}")]
    Shape,
}

/// Reads a `.rel` file.
pub fn parse(bytes: &[u8]) -> Result<Rel, RelError> {
    let terms = text::consult(bytes)?;
    release(&terms).ok_or(RelError::Shape)
}

fn release(terms: &[Term]) -> Option<Rel> {
    let [term] = terms else { return None };
    let [kind, Term::Tuple(name), Term::Tuple(erts), applications] = term.as_tuple()? else { return None };
    let ([name, version], [erts_key, erts_version]) = (&name[..], &erts[..]) else { return None };
    if kind.as_atom() != Some("release") || erts_key.as_atom() != Some("erts") {
        return None;
    }
    Some(Rel {
        name: name.as_text()?,
        version: version.as_text()?,
        erts: erts_version.as_text()?,
        applications: applications.as_list()?.iter().map(application).collect::<Option<_>>()?,
    })
}

/// `{Name, Vsn}`, `{Name, Vsn, Type}`, `{Name, Vsn, Included}` or `{Name, Vsn, Type, Included}`.
fn application(term: &Term) -> Option<RelApplication> {
    let [name, version, rest @ ..] = term.as_tuple()? else { return None };
    let start_type = rest.first().and_then(Term::as_atom).and_then(StartType::of).unwrap_or_default();
    Some(RelApplication { name: name.as_atom()?.to_owned(), version: version.as_text()?, start_type })
}

/// What `releases/start_erl.data` says: which release boots next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartErl {
    /// ERTS version.
    pub erts: String,
    /// Release version.
    pub version: String,
}

/// Reads `start_erl.data`: two words, plain text. `None` when it is something else.
pub fn parse_start_erl(bytes: &[u8]) -> Option<StartErl> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut words = text.split_whitespace();
    let (erts, version) = (words.next()?, words.next()?);
    words.next().is_none().then(|| StartErl { erts: erts.to_owned(), version: version.to_owned() })
}
