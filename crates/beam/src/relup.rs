//! How a release gets from one version to another, `relup` (OTP, SASL Reference Manual, `relup(4)`).

use crate::Term;
use crate::appup::{self, AppupError};
use crate::instruction::Instruction;
use crate::text;

/// What a `relup` says.
#[derive(Clone, Debug, PartialEq)]
pub struct Relup {
    /// The release's version.
    pub version: String,
    /// From which versions it is reached, and how.
    pub up_from: Vec<Step>,
    /// To which versions it goes back, and how.
    pub down_to: Vec<Step>,
}

/// What is done between two versions of a release.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The other version.
    pub other: String,
    /// What its author says about it, any term.
    pub description: Term,
    /// What is done: low-level instructions only.
    pub instructions: Vec<Instruction>,
}

/// Reads a `relup`.
///
/// # Errors
/// It is none.
pub fn parse(bytes: &[u8]) -> Result<Relup, AppupError> {
    let terms = text::consult(bytes)?;
    let [Term::Tuple(elements)] = terms.as_slice() else { return Err(AppupError::Shape) };
    let [version, up_from, down_to] = &elements[..] else { return Err(AppupError::Shape) };
    Ok(Relup {
        version: version.as_text().ok_or(AppupError::Shape)?,
        up_from: steps(up_from)?,
        down_to: steps(down_to)?,
    })
}

fn steps(term: &Term) -> Result<Vec<Step>, AppupError> {
    term.as_list().ok_or(AppupError::Shape)?.iter().map(step).collect()
}

fn step(term: &Term) -> Result<Step, AppupError> {
    let Some([other, description, instructions]) = term.as_tuple() else { return Err(AppupError::Shape) };
    Ok(Step {
        other: other.as_text().ok_or(AppupError::Shape)?,
        description: description.clone(),
        instructions: appup::list(instructions)?,
    })
}

impl Relup {
    /// The file's text.
    pub fn print(&self) -> String {
        let step = |step: &Step| {
            let instructions = step.instructions.iter().map(Instruction::to_term);
            Term::tuple([Term::string(&step.other), step.description.clone(), Term::list(instructions)])
        };
        let steps = |steps: &[Step]| Term::list(steps.iter().map(step));
        appup::file(&Term::tuple([Term::string(&self.version), steps(&self.up_from), steps(&self.down_to)]))
    }
}
