//! Names that are copied out of a module's table of atoms, within a budget.
//!
//! A table has each name once, and an inventory every time that a function is named. So a small file could ask for much
//! memory: what is copied is bounded by the file's size.

use std::cell::Cell;

use beam::module::{Atoms, ContentError};

use super::SurveyError;
use crate::function::FunctionName;

/// What may be copied, in bytes: so many times the file's size, and [`MORE`]. For every module of OTP 25 and Elixir 1.14 as
/// they are installed three times their size and 1 kB is enough; without debug information they are a third as large.
const TIMES: usize = 32;

/// What small modules need besides.
const MORE: usize = 16 << 10;

/// What one copy takes besides its characters.
const EACH: usize = 48;

pub(super) struct Names<'a> {
    atoms: &'a Atoms<'a>,
    left: Cell<usize>,
}

impl<'a> Names<'a> {
    pub(super) fn new(atoms: &'a Atoms<'a>, file_bytes: usize) -> Self {
        Self { atoms, left: Cell::new(file_bytes.saturating_mul(TIMES).saturating_add(MORE)) }
    }

    /// The atoms themselves.
    pub(super) fn atoms(&self) -> &'a Atoms<'a> {
        self.atoms
    }

    /// The atom with this number, not copied.
    pub(super) fn get(&self, number: u32) -> Option<&'a str> {
        self.atoms.get(number)
    }

    /// The name of the function with this atom, in a chunk.
    pub(super) fn function(
        &self,
        number: u32,
        arity: u8,
        chunk: &'static str,
    ) -> Result<FunctionName, SurveyError> {
        let name = self.get(number).ok_or(ContentError::Damaged(chunk))?;
        Ok(FunctionName { name: self.copy(name)?, arity })
    }

    /// A copy of some text.
    pub(super) fn copy(&self, text: &str) -> Result<String, SurveyError> {
        self.charge(text.len())?;
        Ok(text.to_owned())
    }

    /// Something that takes so many bytes is added to the inventory.
    pub(super) fn charge(&self, bytes: usize) -> Result<(), SurveyError> {
        let left = self.left.get().checked_sub(bytes + EACH).ok_or(SurveyError::TooManyNames)?;
        self.left.set(left);
        Ok(())
    }
}
