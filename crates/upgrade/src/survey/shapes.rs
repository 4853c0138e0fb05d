//! Which records and maps a module's code builds, and which it demands.

use std::collections::{BTreeMap, BTreeSet};

use beam::Term;
use beam::code::{Instruction, List, Operand, opcode};
use beam::module::{Atoms, Import, Literals};

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
    pub(super) fn of_tables(atoms: &Atoms<'_>, literals: &Literals<'_>) -> Self {
        let mut shapes = Self::default();
        // the first is the module itself
        (2..).map_while(|number| atoms.get(number)).for_each(|name| shapes.mention(name));
        (0..).take(literals.len()).filter_map(|number| literals.get(number)).for_each(|it| shapes.term(&it));
        if let Some(own) = atoms.get(1) {
            shapes.mentions.remove(own);
        }
        shapes
    }

    /// What an instruction says. One that names an atom that is not there says nothing: who reads functions
    /// refuses it.
    pub(super) fn take(&mut self, instruction: &Instruction<'_>, atoms: &Atoms<'_>, imports: &[Import]) {
        let keys = |list: List, step: usize| {
            let keys = instruction.list(list).iter().step_by(step);
            keys.filter_map(|&key| atom(key, atoms))
        };
        match (instruction.number, &instruction.operands[..]) {
            (opcode::IS_TAGGED_TUPLE, &[_, _, Operand::Number(size), name]) => {
                atom(name, atoms).into_iter().for_each(|name| add(&mut self.records, name, size));
            }
            (opcode::PUT_TUPLE2, &[_, Operand::List(list)]) => {
                let elements = instruction.list(list);
                let size = u32::try_from(elements.len()).unwrap_or(u32::MAX);
                let name = elements.first().and_then(|&first| atom(first, atoms));
                match name {
                    Some(name) => add(&mut self.records_built, name, size),
                    None => drop(self.tuples.built.insert(size)),
                }
            }
            (opcode::TEST_ARITY, &[_, _, Operand::Number(size)]) => drop(self.tuples.demanded.insert(size)),
            (opcode::SELECT_TUPLE_ARITY, &[_, _, Operand::List(list)]) => {
                let sizes = instruction.list(list).iter().step_by(2);
                self.tuples.demanded.extend(sizes.filter_map(|size| match size {
                    Operand::Number(size) => Some(*size),
                    _ => None,
                }));
            }
            (opcode::PUT_MAP_ASSOC, &[_, _, _, _, Operand::List(list)]) => {
                keys(list, 2).for_each(|key| insert(&mut self.maps.built, key));
            }
            (opcode::PUT_MAP_EXACT, &[_, _, _, _, Operand::List(list)])
            | (opcode::GET_MAP_ELEMENTS, &[_, _, Operand::List(list)]) => {
                keys(list, 2).for_each(|key| insert(&mut self.maps.read, key));
            }
            (opcode::HAS_MAP_FIELDS, &[_, _, Operand::List(list)]) => {
                keys(list, 1).for_each(|key| insert(&mut self.maps.read, key));
            }
            (opcode::BIF2, &[_, Operand::Number(row), key, _, _]) if is_map_get(row, atoms, imports) => {
                atom(key, atoms).into_iter().for_each(|key| insert(&mut self.maps.read, key));
            }
            _ => {}
        }
    }

    /// By recursion, as a literal that was decoded is nested to a bounded depth.
    fn term(&mut self, term: &Term) {
        match term {
            Term::Atom(name) => self.mention(name),
            Term::Tuple(elements) => {
                let size = u32::try_from(elements.len()).unwrap_or(u32::MAX);
                let name = elements.first().and_then(Term::as_atom);
                name.into_iter().for_each(|name| add(&mut self.records_built, name, size));
                elements.iter().for_each(|element| self.term(element));
            }
            Term::List(items) => items.iter().for_each(|item| self.term(item)),
            Term::ImproperList(list) => {
                list.0.iter().for_each(|item| self.term(item));
                self.term(&list.1);
            }
            Term::Map(pairs) => {
                for (key, value) in pairs {
                    key.as_atom().into_iter().for_each(|key| insert(&mut self.maps.built, key));
                    self.term(key);
                    self.term(value);
                }
            }
            _ => {}
        }
    }

    fn mention(&mut self, name: &str) {
        if name.starts_with("Elixir.") {
            insert(&mut self.mentions, name);
        }
    }
}

fn atom<'a>(operand: Operand<'_>, atoms: &'a Atoms<'_>) -> Option<&'a str> {
    match operand {
        Operand::Atom(number) => atoms.get(number),
        _ => None,
    }
}

fn is_map_get(row: u32, atoms: &Atoms<'_>, imports: &[Import]) -> bool {
    let import = usize::try_from(row).ok().and_then(|row| imports.get(row));
    import.is_some_and(|it| it.arity == 2 && atoms.get(it.function) == Some("map_get"))
}

fn insert(names: &mut BTreeSet<String>, name: &str) {
    if !names.contains(name) {
        names.insert(name.to_owned());
    }
}

fn add(records: &mut BTreeMap<String, BTreeSet<u32>>, name: &str, size: u32) {
    match records.get_mut(name) {
        Some(sizes) => {
            sizes.insert(size);
        }
        None => {
            records.insert(name.to_owned(), BTreeSet::from([size]));
        }
    }
}
