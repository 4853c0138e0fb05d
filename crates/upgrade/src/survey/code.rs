//! What the instructions of a module say.

use std::collections::{BTreeMap, BTreeSet};

use beam::code::{Code, Function, Identities, Identity, Instruction, Operand, opcode};
use beam::module::{Atoms, ContentError, Import, Literals};

use super::names::Names;
use super::shapes::Shapes;
use super::{SurveyError, text};
use crate::function::FunctionName;

/// What only instructions tell.
#[derive(Default)]
pub(super) struct Facts {
    pub(super) functions: BTreeMap<FunctionName, crate::inventory::Function>,
    /// Conversions that return the state as it is.
    pub(super) trivial: BTreeSet<FunctionName>,
    pub(super) structure: Option<BTreeMap<String, String>>,
    pub(super) shapes: Shapes,
    pub(super) receives: bool,
    pub(super) has_on_load: bool,
}

pub(super) fn survey(file: &beam::module::Module, names: &Names<'_>) -> Result<Facts, SurveyError> {
    let code = file.code()?;
    let functions = code.functions()?;
    let literals = file.literals()?;
    let mut identities = Identities::new(file, names.atoms(), &functions)?;
    let mut facts = Facts { shapes: Shapes::of_tables(names, &literals)?, ..Facts::default() };
    for function in functions.all() {
        let name = names.function(function.name, function.arity, "AtU8")?;
        if facts.functions.contains_key(&name) {
            return Err(ContentError::Damaged("Code").into());
        }
        if is_trivial(&name, &code, function, names.atoms())? {
            facts.trivial.insert(name.clone());
        }
        if name.is("__struct__", 0) {
            facts.structure = structure(&code, function, &literals)?;
        }
        facts.functions.insert(name, described(&identities.of(function)?, names)?);
    }
    look_through(&code, names, &file.imports()?, &mut facts)?;
    Ok(facts)
}

fn described(identity: &Identity, names: &Names<'_>) -> Result<crate::inventory::Function, SurveyError> {
    let calls = identity.calls.iter().map(|&(name, arity)| names.function(name, arity, "AtU8"));
    let calls = calls.collect::<Result<_, _>>()?;
    Ok(crate::inventory::Function { digest: identity.digest, skeleton: identity.skeleton, calls })
}

/// Looks at every instruction for those that say something by themselves.
fn look_through(
    code: &Code<'_>,
    names: &Names<'_>,
    imports: &[Import],
    facts: &mut Facts,
) -> Result<(), SurveyError> {
    let mut instructions = code.instructions();
    let mut instruction = Instruction::new();
    while instructions.next(&mut instruction)? {
        match instruction.number {
            opcode::LOOP_REC | opcode::WAIT | opcode::WAIT_TIMEOUT => facts.receives = true,
            opcode::ON_LOAD => facts.has_on_load = true,
            _ => facts.shapes.take(&instruction, names, imports)?,
        }
    }
    Ok(())
}

/// Whether a conversion does nothing but return its state with `ok`:
///
/// `code_change(OldVsn, State, Extra) -> {ok, State}`, `code_change(OldVsn, State, Data, Extra) -> {ok, State, Data}`,
/// `system_code_change(State, Module, OldVsn, Extra) -> {ok, State}`.
fn is_trivial(
    name: &FunctionName,
    code: &Code<'_>,
    function: &Function,
    atoms: &Atoms<'_>,
) -> Result<bool, ContentError> {
    let states: &[u32] = match (name.name.as_str(), name.arity) {
        ("code_change", 3) => &[1],
        ("code_change", 4) => &[1, 2],
        ("system_code_change", 4) => &[0],
        _ => return Ok(false),
    };
    let mut is_made = false;
    let mut returns = false;
    let mut instructions = code.instructions_of(function);
    let mut instruction = Instruction::new();
    while instructions.next(&mut instruction)? {
        match (instruction.number, &instruction.operands[..]) {
            (number, _) if is_frame(number) => {}
            (opcode::PUT_TUPLE2, &[Operand::X(0), Operand::List(elements)]) if !is_made => {
                let Some((&Operand::Atom(first), rest)) = instruction.list(elements).split_first() else {
                    return Ok(false);
                };
                let same =
                    rest.iter().eq(states.iter().map(|&state| Operand::X(state)).collect::<Vec<_>>().iter());
                is_made = atoms.get(first) == Some("ok") && same;
                if !is_made {
                    return Ok(false);
                }
            }
            (opcode::RETURN, _) if is_made && !returns => returns = true,
            _ => return Ok(false),
        }
    }
    Ok(returns)
}

/// What every function has around what it does.
fn is_frame(number: u8) -> bool {
    matches!(
        number,
        opcode::LABEL | opcode::FUNC_INFO | opcode::LINE | opcode::EXECUTABLE_LINE | opcode::TEST_HEAP
    )
}

/// The fields of a struct, when `__struct__/0` returns a literal; in Elixir it always does, unless a default is made when it
/// is asked for.
fn structure(
    code: &Code<'_>,
    function: &Function,
    literals: &Literals<'_>,
) -> Result<Option<BTreeMap<String, String>>, ContentError> {
    let mut instructions = code.instructions_of(function);
    let mut instruction = Instruction::new();
    let mut literal = None;
    while instructions.next(&mut instruction)? {
        match (instruction.number, &instruction.operands[..]) {
            (number, _) if is_frame(number) => {}
            (opcode::MOVE, &[Operand::Literal(number), Operand::X(0)]) if literal.is_none() => {
                literal = Some(number);
            }
            (opcode::RETURN, _) => break,
            _ => return Ok(None),
        }
    }
    let Some(term) = literal.and_then(|number| literals.get(number)) else { return Ok(None) };
    let Some(pairs) = term.as_map() else { return Ok(None) };
    let fields = pairs.iter().filter_map(|(name, value)| Some((name.as_atom()?.to_owned(), text(value))));
    Ok(Some(fields.filter(|(name, _)| name != "__struct__").collect()))
}
