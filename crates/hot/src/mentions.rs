//! What new modules name of what an exchange changes: whether what they do can begin before it.

use std::collections::{BTreeMap, BTreeSet};

use beam::Term;
use beam::module::Module as Beam;

use crate::instructions::{Instructions, Module};

type Names = BTreeSet<String>;

/// For each module that the version before lacks: the replaced modules and the keys of the environment that its code names,
/// itself or by way of other new modules. Who names none of them does the same before the exchange as after it. One that
/// cannot be read names them all.
pub(crate) fn mentions(instructions: &Instructions) -> BTreeMap<String, Names> {
    let (new, replaced): (Vec<&Module>, Vec<&Module>) =
        instructions.modules.iter().partition(|module| module.before.is_none());
    let environment = instructions.environment.iter();
    let keys = environment.flat_map(|it| it.set.iter().map(|(key, _)| key).chain(&it.unset));
    let exchanged: Names =
        replaced.iter().map(|module| &module.name).chain(keys).map(|name| name.as_str().to_owned()).collect();
    let added: Names = new.iter().map(|module| module.name.as_str().to_owned()).collect();
    let of = |module: &&Module| {
        let names = names(&module.code.object).unwrap_or_else(|| exchanged.clone());
        let matter = names.into_iter().filter(|name| exchanged.contains(name) || added.contains(name));
        (module.name.as_str().to_owned(), matter.collect())
    };
    let named: BTreeMap<String, Names> = new.iter().map(of).collect();
    let all = named.keys().map(|name| (name.clone(), reached(name, &named)));
    all.map(|(name, reached)| (name, &reached & &exchanged)).collect()
}

/// All that is named from a module on.
fn reached(from: &str, named: &BTreeMap<String, Names>) -> Names {
    let mut reached = Names::new();
    let mut ahead = vec![from];
    while let Some(next) = ahead.pop() {
        for name in named.get(next).into_iter().flatten() {
            if reached.insert(name.clone()) {
                ahead.push(name);
            }
        }
    }
    reached
}

/// Every atom of a module's code and of its literals; nothing when it cannot be read.
fn names(object: &[u8]) -> Option<Names> {
    let beam = Beam::parse(object).ok()?;
    let (atoms, literals) = (beam.atoms().ok()?, beam.literals().ok()?);
    let mut names: Names = (1..).map_while(|number| atoms.get(number)).map(str::to_owned).collect();
    for number in 0..u32::try_from(literals.len()).ok()? {
        collect(&literals.get(number)?, &mut names);
    }
    Some(names)
}

fn collect(term: &Term, names: &mut Names) {
    match term {
        Term::Atom(atom) => {
            names.insert(atom.as_str().to_owned());
        }
        Term::List(items) | Term::Tuple(items) => items.iter().for_each(|item| collect(item, names)),
        Term::ImproperList(list) => {
            list.0.iter().for_each(|item| collect(item, names));
            collect(&list.1, names);
        }
        Term::Map(pairs) => pairs.iter().for_each(|(key, value)| {
            collect(key, names);
            collect(value, names);
        }),
        Term::Export(export) => {
            names.extend([&export.module, &export.function].map(|name| name.as_str().to_owned()));
        }
        Term::Record(record) => {
            names.extend([&record.module, &record.name].map(|name| name.as_str().to_owned()));
            record.fields.iter().for_each(|(_, value)| collect(value, names));
        }
        _ => {}
    }
}
