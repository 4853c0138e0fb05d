//! Tables of 32-bit numbers: `ImpT`, `ExpT`, `FunT`. Each begins with the number of its rows.

use super::{ContentError, Module};

/// Most rows of a table. Real modules have some thousands.
pub const MAX_ROWS: usize = 1 << 16;

/// A function of a module that is called by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Import {
    /// The atom of the module.
    pub module: u32,
    /// The atom of the function.
    pub function: u32,
    /// Number of its arguments.
    pub arity: u8,
}

/// A function that others may call by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Export {
    /// The atom of its name.
    pub function: u32,
    /// Number of its arguments.
    pub arity: u8,
    /// The label where its code begins.
    pub label: u32,
}

/// A closure that the module makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closure {
    /// The atom of the function that holds its code.
    pub function: u32,
    /// Number of that function's arguments: those of the closure, then what it closes over.
    pub arity: u8,
    /// The label where that function begins.
    pub label: u32,
    /// Which of the module's closures it is.
    pub index: u32,
    /// How many values it closes over.
    pub free: u8,
}

impl Module {
    /// The functions of other modules that it calls, in the order that instructions number them by.
    ///
    /// # Errors
    /// The table is damaged, or has more than [`MAX_ROWS`].
    pub fn imports(&self) -> Result<Vec<Import>, ContentError> {
        rows(self, b"ImpT", "ImpT")?
            .map(|[module, function, arity]| Some(Import { module, function, arity: small(arity)? }))
            .collect::<Option<_>>()
            .ok_or(ContentError::Damaged("ImpT"))
    }

    /// The functions that others may call.
    ///
    /// # Errors
    /// The table is damaged, or has more than [`MAX_ROWS`].
    pub fn exports(&self) -> Result<Vec<Export>, ContentError> {
        rows(self, b"ExpT", "ExpT")?
            .map(|[function, arity, label]| Some(Export { function, arity: small(arity)?, label }))
            .collect::<Option<_>>()
            .ok_or(ContentError::Damaged("ExpT"))
    }

    /// The closures that it makes, in the order that instructions number them by.
    ///
    /// # Errors
    /// The table is damaged, or has more than [`MAX_ROWS`].
    pub fn closures(&self) -> Result<Vec<Closure>, ContentError> {
        rows(self, b"FunT", "FunT")?
            .map(|[function, arity, label, index, free, _old_unique]| {
                Some(Closure { function, arity: small(arity)?, label, index, free: small(free)? })
            })
            .collect::<Option<_>>()
            .ok_or(ContentError::Damaged("FunT"))
    }
}

fn small(number: u32) -> Option<u8> {
    u8::try_from(number).ok()
}

/// The rows of a table; none when the chunk is not there.
fn rows<'a, const COLUMNS: usize>(
    module: &'a Module,
    id: &[u8; 4],
    name: &'static str,
) -> Result<impl Iterator<Item = [u32; COLUMNS]> + 'a, ContentError> {
    let table = module.chunk(id).unwrap_or(&[0; 4]);
    let whole = || {
        let (count, rest) = table.split_first_chunk::<4>()?;
        let count = usize::try_from(u32::from_be_bytes(*count)).ok().filter(|&count| count <= MAX_ROWS)?;
        rest.get(..count.checked_mul(COLUMNS * 4)?)
    };
    let rows = whole().ok_or(ContentError::Damaged(name))?;
    Ok(rows.chunks_exact(COLUMNS * 4).map(|row| {
        let mut numbers = [0; COLUMNS];
        for (number, bytes) in numbers.iter_mut().zip(row.as_chunks::<4>().0) {
            *number = u32::from_be_bytes(*bytes);
        }
        numbers
    }))
}
