//! Surveys: from the bytes of a module, an `.app` or a `sys.config` to what an [inventory](crate::inventory) holds of it.

mod application;
mod attributes;
mod code;
mod configuration;
mod names;
mod shapes;

use std::collections::{BTreeMap, BTreeSet};

use beam::Term;
use beam::module::{ContentError, ModuleError};
use beam::print::Erlang;

pub use application::application;
pub use configuration::{UNVERSIONED, environment};
use names::Names;

use crate::digest::Digest;
use crate::function::FunctionName;
use crate::inventory::{Closure, CodeChange, Module};

/// Why a file is not a module that an inventory could hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SurveyError {
    /// Not a `.beam` file.
    #[error(transparent)]
    Module(#[from] ModuleError),
    /// One of its chunks is missing or damaged.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// Its tables name the same things so often that to know them all would take many times its size.
    #[error("names more than a module of its size can")]
    TooManyNames,
}

/// Surveys a `.beam` file: its name and what it is.
///
/// # Errors
/// It is none, or damaged outside of its instructions. When only these cannot be read, the module says so
/// ([`Module::unread`]).
pub fn module(bytes: &[u8]) -> Result<(String, Module), SurveyError> {
    const DAMAGED: ContentError = ContentError::Damaged("AtU8");
    let file = beam::module::Module::parse(bytes)?;
    let atoms = file.atoms()?;
    let name = atoms.get(1).ok_or(DAMAGED)?.to_owned();
    let digest = Digest::from_bytes(file.md5());
    let names = Names::new(&atoms, bytes.len());
    let attributes = attributes::survey(&file.attributes()?);
    let mut module = Module {
        digest,
        attributes: attributes.digest,
        vsn: attributes.vsn,
        has_own_vsn: attributes.has_own_vsn,
        lines: file.chunk(b"Line").map(Digest::of),
        behaviours: attributes.behaviours,
        exports: exports(&file, &names)?,
        imports: imports(&file, &names)?,
        closures: closures(&file, &names)?,
        unread: None,
        ..Module::opaque(&[], String::new())
    };
    module.loads_nif = module.calls("erlang", "load_nif", 2);
    module.is_special_process = module.exports("system_code_change", 4);
    if file.chunk(b"Attr").is_none() {
        module.behaviours = attributes::inferred(&module);
    }
    match code::survey(&file, &names) {
        Ok(facts) => take(&mut module, facts),
        Err(error) => {
            module.unread = Some(error.to_string());
            // what is not known is taken for an author's, which is never passed over
            let converts = CONVERSIONS.iter().any(|&(name, arity)| module.exports(name, arity));
            module.code_change = if converts { CodeChange::Own } else { CodeChange::None };
        }
    }
    Ok((name, module))
}

/// Functions that convert a state.
const CONVERSIONS: [(&str, u8); 3] = [("code_change", 3), ("code_change", 4), ("system_code_change", 4)];

fn take(module: &mut Module, facts: code::Facts) {
    let exported = CONVERSIONS.iter().filter(|(name, arity)| module.exports(name, *arity));
    let mut found = exported.map(|(name, arity)| facts.trivial.contains(&FunctionName::new(name, *arity)));
    module.code_change = match found.next() {
        None => CodeChange::None,
        Some(first) if first && found.all(|trivial| trivial) => CodeChange::Trivial,
        Some(_) => CodeChange::Own,
    };
    module.functions = facts.functions;
    module.structure = facts.structure;
    module.records = facts.shapes.records;
    module.records_built = facts.shapes.records_built;
    module.maps = facts.shapes.maps;
    module.tuples = facts.shapes.tuples;
    module.mentions = facts.shapes.mentions;
    module.receives = facts.receives;
    module.has_on_load = facts.has_on_load;
}

fn exports(file: &beam::module::Module, names: &Names<'_>) -> Result<BTreeSet<FunctionName>, SurveyError> {
    file.exports()?.iter().map(|it| names.function(it.function, it.arity, "ExpT")).collect()
}

fn imports(
    file: &beam::module::Module,
    names: &Names<'_>,
) -> Result<BTreeMap<String, BTreeSet<FunctionName>>, SurveyError> {
    let mut imports: BTreeMap<String, BTreeSet<FunctionName>> = BTreeMap::new();
    for import in file.imports()? {
        let module = names.get(import.module).ok_or(ContentError::Damaged("ImpT"))?;
        let function = names.function(import.function, import.arity, "ImpT")?;
        imports.entry(names.copy(module)?).or_default().insert(function);
    }
    Ok(imports)
}

fn closures(file: &beam::module::Module, names: &Names<'_>) -> Result<Vec<Closure>, SurveyError> {
    let closure = |it: &beam::module::Closure| {
        let arity = it.arity.checked_sub(it.free).ok_or(ContentError::Damaged("FunT"))?;
        Ok(Closure { function: names.function(it.function, it.arity, "FunT")?, arity, free: it.free })
    };
    file.closures()?.iter().map(closure).collect()
}

/// A term's text, the same for equal terms (of maps the order does not count).
fn text(term: &Term) -> String {
    Erlang::default().print_flat(term)
}
