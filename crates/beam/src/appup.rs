//! How an application gets from one version to another, `{name}.appup` (OTP, SASL Reference Manual, `appup(4)`).

use crate::Term;
use crate::instruction::{Instruction, NotAnInstruction};
use crate::print::Erlang;
use crate::text::{self, TextError};

/// Longest regular expression, once compiled, in bytes.
const MAX_PATTERN: usize = 1 << 20;

/// What an `.appup` says.
#[derive(Clone, Debug, PartialEq)]
pub struct Appup {
    /// The version that it belongs to.
    pub version: String,
    /// From which versions it is reached, and how.
    pub up_from: Vec<Step>,
    /// To which versions it goes back, and how.
    pub down_to: Vec<Step>,
}

/// What is done between two versions.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The other version.
    pub other: Pattern,
    /// What is done.
    pub instructions: Vec<Instruction>,
}

/// Which versions a step is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// This one.
    Version(String),
    /// Those that a regular expression matches as a whole.
    Expression(String),
}

/// Why a text is not an appup.
#[derive(Debug, thiserror::Error)]
pub enum AppupError {
    /// Not Erlang terms.
    #[error("is not Erlang text")]
    Text(#[from] TextError),
    /// Terms, but not an appup.
    #[error("does not hold {{Version, [{{From, Instructions}}], [{{To, Instructions}}]}}")]
    Shape,
    /// An instruction that is none.
    #[error("has an instruction that OTP does not know")]
    Instruction(#[from] NotAnInstruction),
}

/// A regular expression that is none, or one that only OTP's own engine understands (with look-around or
/// back-references).
#[derive(Debug, thiserror::Error)]
#[error("the regular expression {expression:?} for versions cannot be used")]
pub struct PatternError {
    /// The expression.
    pub expression: String,
    /// Why.
    #[source]
    pub source: Box<regex::Error>,
}

/// Reads an `.appup`.
///
/// # Errors
/// It is none.
pub fn parse(bytes: &[u8]) -> Result<Appup, AppupError> {
    let terms = text::consult(bytes)?;
    let [Term::Tuple(elements)] = terms.as_slice() else { return Err(AppupError::Shape) };
    let [version, up_from, down_to] = &elements[..] else { return Err(AppupError::Shape) };
    Ok(Appup {
        version: version.as_text().ok_or(AppupError::Shape)?,
        up_from: steps(up_from)?,
        down_to: steps(down_to)?,
    })
}

fn steps(term: &Term) -> Result<Vec<Step>, AppupError> {
    term.as_list().ok_or(AppupError::Shape)?.iter().map(step).collect()
}

fn step(term: &Term) -> Result<Step, AppupError> {
    let Some([other, instructions]) = term.as_tuple() else { return Err(AppupError::Shape) };
    let other = match other {
        Term::Binary(bytes) => {
            std::str::from_utf8(bytes).ok().map(|text| Pattern::Expression(text.to_owned()))
        }
        version => version.as_text().map(Pattern::Version),
    };
    let other = other.ok_or(AppupError::Shape)?;
    Ok(Step { other, instructions: list(instructions)? })
}

pub(crate) fn list(term: &Term) -> Result<Vec<Instruction>, AppupError> {
    let terms = term.as_list().ok_or(AppupError::Shape)?;
    terms.iter().map(|term| Instruction::of(term).map_err(AppupError::from)).collect()
}

impl Appup {
    /// What is done to get here from a version; `None` when it says nothing for that. The first step that matches
    /// counts, as in `systools`.
    ///
    /// # Errors
    /// A regular expression before it cannot be used.
    pub fn from(&self, version: &str) -> Result<Option<&[Instruction]>, PatternError> {
        find(&self.up_from, version)
    }

    /// What is done to go back to a version.
    ///
    /// # Errors
    /// A regular expression before it cannot be used.
    pub fn to(&self, version: &str) -> Result<Option<&[Instruction]>, PatternError> {
        find(&self.down_to, version)
    }

    /// The file's text.
    pub fn print(&self) -> String {
        let step = |step: &Step| {
            let other = match &step.other {
                Pattern::Version(version) => Term::string(version),
                Pattern::Expression(expression) => Term::binary(expression.clone().into_bytes()),
            };
            Term::tuple([other, Term::list(step.instructions.iter().map(Instruction::to_term))])
        };
        let steps = |steps: &[Step]| Term::list(steps.iter().map(step));
        file(&Term::tuple([Term::string(&self.version), steps(&self.up_from), steps(&self.down_to)]))
    }
}

/// The text of a file of one term.
pub(crate) fn file(term: &Term) -> String {
    format!("%% coding: utf-8\n{}.\n", Erlang::default().print(term))
}

fn find<'a>(steps: &'a [Step], version: &str) -> Result<Option<&'a [Instruction]>, PatternError> {
    for step in steps {
        if step.other.matches(version)? {
            return Ok(Some(&step.instructions));
        }
    }
    Ok(None)
}

impl Pattern {
    /// Whether it is for a version.
    ///
    /// # Errors
    /// It is a regular expression that cannot be used.
    pub fn matches(&self, version: &str) -> Result<bool, PatternError> {
        match self {
            Self::Version(other) => Ok(other == version),
            Self::Expression(expression) => {
                // what OTP compares is the first match, which must be the whole version
                let compiled = regex::RegexBuilder::new(expression).size_limit(MAX_PATTERN).build();
                let compiled = compiled.map_err(|source| PatternError {
                    expression: expression.clone(),
                    source: Box::new(source),
                })?;
                Ok(compiled.find(version).is_some_and(|found| found.len() == version.len()))
            }
        }
    }
}
