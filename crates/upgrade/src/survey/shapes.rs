//! Which records and maps a module's code builds, and which it demands.

use std::collections::{BTreeMap, BTreeSet};

use beam::Term;
use beam::code::{Instruction, List, Operand, opcode};
use beam::module::{Import, Literals};

use super::SurveyError;
use super::names::Names;
use crate::inventory::{MapKeys, TupleSizes};

#[derive(Default)]
pub(super) struct Shapes {
    pub(super) records: BTreeMap<String, BTreeSet<u32>>,
    pub(super) records_built: BTreeMap<String, BTreeSet<u32>>,
    pub(super) maps: MapKeys,
    pub(super) tuples: TupleSizes,
    pub(super) mentions: BTreeSet<String>,
}

impl Shapes {
    /// What atoms and literals say.
    pub(super) fn of_tables(names: &Names<'_>, literals: &Literals<'_>) -> Result<Self, SurveyError> {
        let mut shapes = Self::default();
        // the first is the module itself
        for name in (2..).map_while(|number| names.get(number)) {
            shapes.mention(name, names)?;
        }
        for literal in (0..).take(literals.len()).filter_map(|number| literals.get(number)) {
            shapes.term(&literal, names)?;
        }
        if let Some(own) = names.get(1) {
            shapes.mentions.remove(own);
        }
        Ok(shapes)
    }

    /// What an instruction says. One that names an atom that is not there says nothing: who reads functions
    /// refuses it.
    pub(super) fn take(
        &mut self,
        instruction: &Instruction<'_>,
        names: &Names<'_>,
        imports: &[Import],
    ) -> Result<(), SurveyError> {
        let keys = |list: List, step: usize| instruction.list(list).iter().step_by(step).copied();
        let MapKeys { built, read } = &mut self.maps;
        match (instruction.number, &instruction.operands[..]) {
            (opcode::IS_TAGGED_TUPLE, &[_, _, Operand::Number(size), name]) => {
                add(&mut self.records, atom(name, names), size, names)
            }
            (opcode::PUT_TUPLE2, &[_, Operand::List(list)]) => {
                let elements = instruction.list(list);
                match elements.first().and_then(|&first| atom(first, names)) {
                    Some(name) => add(&mut self.records_built, Some(name), size_of(elements), names),
                    None => add_size(&mut self.tuples.built, size_of(elements), names),
                }
            }
            (opcode::TEST_ARITY, &[_, _, Operand::Number(size)]) => {
                add_size(&mut self.tuples.demanded, size, names)
            }
            (opcode::SELECT_TUPLE_ARITY, &[_, _, Operand::List(list)]) => {
                keys(list, 2).try_for_each(|size| match size {
                    Operand::Number(size) => add_size(&mut self.tuples.demanded, size, names),
                    _ => Ok(()),
                })
            }
            (opcode::PUT_MAP_ASSOC, &[_, _, _, _, Operand::List(list)]) => {
                keys(list, 2).try_for_each(|key| insert(built, atom(key, names), names))
            }
            (opcode::PUT_MAP_EXACT, &[_, _, _, _, Operand::List(list)])
            | (opcode::GET_MAP_ELEMENTS, &[_, _, Operand::List(list)]) => {
                keys(list, 2).try_for_each(|key| insert(read, atom(key, names), names))
            }
            (opcode::HAS_MAP_FIELDS, &[_, _, Operand::List(list)]) => {
                keys(list, 1).try_for_each(|key| insert(read, atom(key, names), names))
            }
            (opcode::BIF2, &[_, Operand::Number(row), key, _, _]) if is_map_get(row, names, imports) => {
                insert(read, atom(key, names), names)
            }
            _ => Ok(()),
        }
    }

    /// By recursion, as a literal that was decoded is nested to a bounded depth.
    fn term(&mut self, term: &Term, names: &Names<'_>) -> Result<(), SurveyError> {
        match term {
            Term::Atom(name) => self.mention(name, names),
            Term::Tuple(elements) => {
                let name = elements.first().and_then(Term::as_atom);
                add(&mut self.records_built, name, size_of(elements), names)?;
                elements.iter().try_for_each(|element| self.term(element, names))
            }
            Term::List(items) => items.iter().try_for_each(|item| self.term(item, names)),
            Term::ImproperList(list) => {
                list.0.iter().try_for_each(|item| self.term(item, names))?;
                self.term(&list.1, names)
            }
            Term::Map(pairs) => pairs.iter().try_for_each(|(key, value)| {
                insert(&mut self.maps.built, key.as_atom(), names)?;
                self.term(key, names)?;
                self.term(value, names)
            }),
            _ => Ok(()),
        }
    }

    fn mention(&mut self, name: &str, names: &Names<'_>) -> Result<(), SurveyError> {
        insert(&mut self.mentions, Some(name).filter(|name| name.starts_with("Elixir.")), names)
    }
}

fn size_of<T>(elements: &[T]) -> u32 {
    u32::try_from(elements.len()).unwrap_or(u32::MAX)
}

fn atom<'a>(operand: Operand<'_>, names: &Names<'a>) -> Option<&'a str> {
    match operand {
        Operand::Atom(number) => names.get(number),
        _ => None,
    }
}

fn is_map_get(row: u32, names: &Names<'_>, imports: &[Import]) -> bool {
    let import = usize::try_from(row).ok().and_then(|row| imports.get(row));
    import.is_some_and(|it| it.arity == 2 && names.get(it.function) == Some("map_get"))
}

fn insert(set: &mut BTreeSet<String>, name: Option<&str>, names: &Names<'_>) -> Result<(), SurveyError> {
    if let Some(name) = name.filter(|name| !set.contains(*name)) {
        set.insert(names.copy(name)?);
    }
    Ok(())
}

fn add(
    records: &mut BTreeMap<String, BTreeSet<u32>>,
    name: Option<&str>,
    size: u32,
    names: &Names<'_>,
) -> Result<(), SurveyError> {
    let Some(name) = name else { return Ok(()) };
    if let Some(sizes) = records.get_mut(name) {
        return add_size(sizes, size, names);
    }
    records.insert(names.copy(name)?, BTreeSet::from([size]));
    Ok(())
}

fn add_size(sizes: &mut BTreeSet<u32>, size: u32, names: &Names<'_>) -> Result<(), SurveyError> {
    if sizes.insert(size) { names.charge(0) } else { Ok(()) }
}
