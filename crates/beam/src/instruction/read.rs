//! Instructions of terms.

use super::{Instruction, Mode, Purge, Purges, Timeout, Update};
use crate::Term;

pub(super) fn instruction(term: &Term) -> Option<Instruction> {
    if let Some(word) = term.as_atom() {
        return match word {
            "point_of_no_return" => Some(Instruction::PointOfNoReturn),
            "restart_new_emulator" => Some(Instruction::RestartNewEmulator),
            "restart_emulator" => Some(Instruction::RestartEmulator),
            _ => None,
        };
    }
    let (kind, rest) = term.as_tuple()?.split_first()?;
    match kind.as_atom()? {
        "update" => update(rest),
        "load_module" => load_module(rest),
        "add_module" => {
            let (module, depends_on) = with_dependencies(rest)?;
            Some(Instruction::AddModule { module, depends_on })
        }
        "delete_module" => {
            let (module, depends_on) = with_dependencies(rest)?;
            Some(Instruction::DeleteModule { module, depends_on })
        }
        "add_application" => add_application(rest),
        "remove_application" => only_atom(rest).map(|name| Instruction::RemoveApplication { name }),
        "restart_application" => only_atom(rest).map(|name| Instruction::RestartApplication { name }),
        kind => low_level(kind, rest),
    }
}

fn update(rest: &[Term]) -> Option<Instruction> {
    let (module, rest) = rest.split_first()?;
    let mut update = Update {
        module: atom(module)?,
        is_static: false,
        timeout: Timeout::Default,
        extra: None,
        purge: Purges::default(),
        depends_on: Vec::new(),
    };
    match rest {
        [] => {}
        [only] if only.as_atom() == Some("supervisor") => {
            return Some(Instruction::UpdateSupervisor { module: update.module });
        }
        [only] if only.as_list().is_some() => update.depends_on = atoms(only)?,
        [change] => update.extra = extra(change)?,
        [change, depends_on] => {
            update.extra = extra(change)?;
            update.depends_on = atoms(depends_on)?;
        }
        [change, before, after, depends_on] => {
            update.extra = extra(change)?;
            update.purge = purges(before, after)?;
            update.depends_on = atoms(depends_on)?;
        }
        [time, change, before, after, depends_on] => {
            update.timeout = timeout(time)?;
            update.extra = extra(change)?;
            update.purge = purges(before, after)?;
            update.depends_on = atoms(depends_on)?;
        }
        [kind, time, change, before, after, depends_on] => {
            update.is_static = match kind.as_atom()? {
                "static" => true,
                "dynamic" => false,
                _ => return None,
            };
            update.timeout = timeout(time)?;
            update.extra = extra(change)?;
            update.purge = purges(before, after)?;
            update.depends_on = atoms(depends_on)?;
        }
        _ => return None,
    }
    Some(Instruction::Update(update))
}

fn load_module(rest: &[Term]) -> Option<Instruction> {
    let (module, rest) = rest.split_first()?;
    let (purge, depends_on) = match rest {
        [] => (Purges::default(), Vec::new()),
        [depends_on] => (Purges::default(), atoms(depends_on)?),
        [before, after, depends_on] => (purges(before, after)?, atoms(depends_on)?),
        _ => return None,
    };
    Some(Instruction::LoadModule { module: atom(module)?, purge, depends_on })
}

fn with_dependencies(rest: &[Term]) -> Option<(String, Vec<String>)> {
    match rest {
        [module] => Some((atom(module)?, Vec::new())),
        [module, depends_on] => Some((atom(module)?, atoms(depends_on)?)),
        _ => None,
    }
}

fn add_application(rest: &[Term]) -> Option<Instruction> {
    let (name, start_type) = match rest {
        [name] => (name, "permanent"),
        [name, start_type] => (name, start_type.as_atom()?),
        _ => return None,
    };
    let is_type = matches!(start_type, "permanent" | "transient" | "temporary" | "load" | "none");
    is_type.then_some(())?;
    Some(Instruction::AddApplication { name: atom(name)?, start_type: start_type.to_owned() })
}

fn low_level(kind: &str, rest: &[Term]) -> Option<Instruction> {
    match (kind, rest) {
        ("load_object_code", [what]) => {
            let [application, version, modules] = what.as_tuple()? else { return None };
            Some(Instruction::LoadObjectCode {
                application: atom(application)?,
                version: version.as_text()?,
                modules: atoms(modules)?,
            })
        }
        ("load", [what]) => {
            let (module, purge) = module_and_purges(what)?;
            Some(Instruction::Load { module, purge })
        }
        ("remove", [what]) => {
            let (module, purge) = module_and_purges(what)?;
            Some(Instruction::Remove { module, purge })
        }
        ("purge", [modules]) => atoms(modules).map(Instruction::Purge),
        ("suspend", [modules]) => {
            modules.as_list()?.iter().map(suspended).collect::<Option<_>>().map(Instruction::Suspend)
        }
        ("resume", [modules]) => atoms(modules).map(Instruction::Resume),
        ("code_change", [modules]) => code_change(Mode::Up, modules),
        ("code_change", [mode, modules]) => match mode.as_atom()? {
            "up" => code_change(Mode::Up, modules),
            "down" => code_change(Mode::Down, modules),
            _ => None,
        },
        ("stop", [modules]) => atoms(modules).map(Instruction::Stop),
        ("start", [modules]) => atoms(modules).map(Instruction::Start),
        ("sync_nodes", [id, nodes]) => Some(Instruction::SyncNodes { id: id.clone(), nodes: nodes.clone() }),
        ("apply", [what]) => {
            let [module, function, arguments] = what.as_tuple()? else { return None };
            arguments.as_list()?;
            let (module, function) = (atom(module)?, atom(function)?);
            Some(Instruction::Apply { module, function, arguments: arguments.clone() })
        }
        _ => None,
    }
}

fn module_and_purges(term: &Term) -> Option<(String, Purges)> {
    match term.as_tuple()? {
        [module, before, after] => Some((atom(module)?, purges(before, after)?)),
        _ => None,
    }
}

fn suspended(term: &Term) -> Option<(String, Option<Timeout>)> {
    match term.as_tuple() {
        Some([module, time]) => Some((atom(module)?, Some(timeout(time)?))),
        Some(_) => None,
        None => Some((atom(term)?, None)),
    }
}

fn code_change(mode: Mode, modules: &Term) -> Option<Instruction> {
    let pair = |term: &Term| match term.as_tuple()? {
        [module, extra] => Some((atom(module)?, extra.clone())),
        _ => None,
    };
    let modules = modules.as_list()?.iter().map(pair).collect::<Option<_>>()?;
    Some(Instruction::CodeChange { mode, modules })
}

/// `soft` or `{advanced, Extra}`.
#[allow(clippy::option_option, reason = "none of the two, or soft, or advanced")]
fn extra(term: &Term) -> Option<Option<Term>> {
    match term.as_tuple() {
        Some([kind, extra]) if kind.as_atom() == Some("advanced") => Some(Some(extra.clone())),
        None if term.as_atom() == Some("soft") => Some(None),
        _ => None,
    }
}

fn timeout(term: &Term) -> Option<Timeout> {
    match term.as_atom() {
        Some("default") => Some(Timeout::Default),
        Some("infinity") => Some(Timeout::Infinity),
        Some(_) => None,
        None => u32::try_from(term.as_integer()?).ok().map(Timeout::Milliseconds),
    }
}

fn purges(before: &Term, after: &Term) -> Option<Purges> {
    Some(Purges { before: purge(before)?, after: purge(after)? })
}

fn purge(term: &Term) -> Option<Purge> {
    match term.as_atom()? {
        "brutal_purge" => Some(Purge::Brutal),
        "soft_purge" => Some(Purge::Soft),
        _ => None,
    }
}

fn only_atom(rest: &[Term]) -> Option<String> {
    let [only] = rest else { return None };
    atom(only)
}

fn atom(term: &Term) -> Option<String> {
    term.as_atom().map(str::to_owned)
}

fn atoms(term: &Term) -> Option<Vec<String>> {
    term.as_list()?.iter().map(atom).collect()
}
