//! Where the functions of a module are in its code, and what its labels stand for.

use super::{Code, Instruction, Operand, opcode};
use crate::module::{ContentError, MAX_ROWS};

/// Most functions of a module, as of rows of its tables.
const MAX_FUNCTIONS: usize = MAX_ROWS;

/// Most labels of a module. Real ones have some hundred thousand.
const MAX_LABELS: usize = 1 << 22;

/// A function of a module, exported or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function {
    /// The atom of its name.
    pub name: u32,
    /// Number of its arguments.
    pub arity: u8,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// What a label stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// The beginning of the function with this index: where it is called.
    Entry(u32),
    /// A place within the function with this index: the so-manyth label of it.
    Within(u32, u32),
}

/// All functions of a module in the order of its code, and its labels.
#[derive(Clone, Debug, Default)]
pub struct Functions {
    functions: Vec<Function>,
    labels: Vec<Option<Label>>,
}

impl Functions {
    /// All functions.
    pub fn all(&self) -> &[Function] {
        &self.functions
    }

    /// What a label stands for.
    pub fn label(&self, label: u32) -> Option<Label> {
        *self.labels.get(usize::try_from(label).ok()?)?
    }

    /// The function that begins at a label.
    pub fn at(&self, label: u32) -> Option<&Function> {
        match self.label(label)? {
            Label::Entry(index) => self.functions.get(usize::try_from(index).ok()?),
            Label::Within(..) => None,
        }
    }
}

impl Code<'_> {
    /// Finds its functions.
    ///
    /// # Errors
    /// The code is damaged, or has an instruction that is not known.
    pub fn functions(&self) -> Result<Functions, ContentError> {
        let mut search = Search::new(self)?;
        let mut instructions = self.instructions();
        let mut instruction = Instruction::new();
        loop {
            let at = instructions.at();
            if !instructions.next(&mut instruction)? {
                break;
            }
            search.take(at, &instruction)?;
        }
        Ok(search.finish(instructions.at()))
    }
}

/// A function is `label`, perhaps `line`, `func_info`, and then the label where it is called. Its end is where the
/// next begins.
struct Search {
    found: Functions,
    /// The last label, where it is, and whether nothing of a body followed it.
    last_label: Option<(u32, usize)>,
    /// Labels of the current function so far.
    count: u32,
    /// The label that comes next is where the current function is called.
    entry_is_next: bool,
}

impl Search {
    fn new(code: &Code<'_>) -> Result<Self, ContentError> {
        // a label takes two bytes of the code at least; numbers begin with 1, and there is 0
        let most = MAX_LABELS.min(code.bytes.len() / 2 + 2);
        let labels = usize::try_from(code.labels).ok().filter(|&labels| labels <= most);
        let labels = vec![None; labels.ok_or(ContentError::Damaged("Code"))?];
        let found = Functions { functions: Vec::new(), labels };
        Ok(Self { found, last_label: None, count: 0, entry_is_next: false })
    }

    fn take(&mut self, at: usize, instruction: &Instruction<'_>) -> Result<(), ContentError> {
        match (instruction.number, &instruction.operands[..]) {
            (opcode::LABEL, &[Operand::Number(label)]) => self.label(label, at),
            (opcode::FUNC_INFO, &[_, Operand::Atom(name), Operand::Number(arity)]) => {
                self.function(name, arity, at)
            }
            (opcode::INT_CODE_END, _) => {
                self.end_last(at);
                Some(())
            }
            (opcode::LABEL | opcode::FUNC_INFO, _) => None,
            _ => Some(()),
        }
        .ok_or(ContentError::Operand { at })
    }

    fn label(&mut self, label: u32, at: usize) -> Option<()> {
        let current = u32::try_from(self.found.functions.len()).ok()?.checked_sub(1);
        let meaning = match (current, self.entry_is_next) {
            (Some(current), true) => Some(Label::Entry(current)),
            (Some(current), false) => Some(Label::Within(current, self.count)),
            (None, _) => None,
        };
        self.count += 1;
        self.entry_is_next = false;
        self.last_label = Some((label, at));
        *self.found.labels.get_mut(usize::try_from(label).ok()?)? = meaning;
        Some(())
    }

    fn function(&mut self, name: u32, arity: u32, at: usize) -> Option<()> {
        let (label, start) = self.last_label.unwrap_or((0, at));
        self.end_last(start);
        let count = self.found.functions.len();
        let index = u32::try_from(count).ok().filter(|_| count < MAX_FUNCTIONS)?;
        let function = Function { name, arity: u8::try_from(arity).ok()?, start, end: start };
        self.found.functions.push(function);
        *self.found.labels.get_mut(usize::try_from(label).ok()?)? = Some(Label::Within(index, 0));
        (self.count, self.entry_is_next) = (1, true);
        Some(())
    }

    fn end_last(&mut self, at: usize) {
        if let Some(last) = self.found.functions.last_mut() {
            last.end = last.end.max(at);
        }
    }

    fn finish(mut self, end: usize) -> Functions {
        // `int_code_end` ended the last one, unless the code has none
        if let Some(last) = self.found.functions.last_mut().filter(|last| last.end == last.start) {
            last.end = end;
        }
        self.found
    }
}
