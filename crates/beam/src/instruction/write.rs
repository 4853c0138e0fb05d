//! Instructions as terms.

use super::{Instruction, Mode, Purge, Purges, Timeout, Update};
use crate::Term;

pub(super) fn term(instruction: &Instruction) -> Term {
    match instruction {
        Instruction::Update(it) => update(it),
        Instruction::UpdateSupervisor { module } => tagged("update", [atom(module), atom("supervisor")]),
        Instruction::LoadModule { module, purge, depends_on } => load_module(module, *purge, depends_on),
        Instruction::AddModule { module, depends_on } => with_dependencies("add_module", module, depends_on),
        Instruction::DeleteModule { module, depends_on } => {
            with_dependencies("delete_module", module, depends_on)
        }
        Instruction::AddApplication { name, start_type } if start_type == "permanent" => {
            tagged("add_application", [atom(name)])
        }
        Instruction::AddApplication { name, start_type } => {
            tagged("add_application", [atom(name), atom(start_type)])
        }
        Instruction::RemoveApplication { name } => tagged("remove_application", [atom(name)]),
        Instruction::RestartApplication { name } => tagged("restart_application", [atom(name)]),
        low_level => low_level_term(low_level),
    }
}

fn low_level_term(instruction: &Instruction) -> Term {
    match instruction {
        Instruction::LoadObjectCode { application, version, modules } => {
            let what = [atom(application), Term::string(version), atoms(modules)];
            tagged("load_object_code", [Term::tuple(what)])
        }
        Instruction::Load { module, purge } => tagged("load", [module_and_purges(module, *purge)]),
        Instruction::Remove { module, purge } => tagged("remove", [module_and_purges(module, *purge)]),
        Instruction::Purge(modules) => tagged("purge", [atoms(modules)]),
        Instruction::Suspend(modules) => {
            let modules = modules.iter().map(|(module, timeout)| match timeout {
                None => atom(module),
                Some(timeout) => Term::tuple([atom(module), time(*timeout)]),
            });
            tagged("suspend", [Term::list(modules)])
        }
        Instruction::Resume(modules) => tagged("resume", [atoms(modules)]),
        Instruction::CodeChange { mode, modules } => {
            let mode = match mode {
                Mode::Up => "up",
                Mode::Down => "down",
            };
            let modules = modules.iter().map(|(module, extra)| Term::tuple([atom(module), extra.clone()]));
            tagged("code_change", [atom(mode), Term::list(modules)])
        }
        Instruction::Stop(modules) => tagged("stop", [atoms(modules)]),
        Instruction::Start(modules) => tagged("start", [atoms(modules)]),
        Instruction::SyncNodes { id, nodes } => tagged("sync_nodes", [id.clone(), nodes.clone()]),
        Instruction::Apply { module, function, arguments } => {
            tagged("apply", [Term::tuple([atom(module), atom(function), arguments.clone()])])
        }
        Instruction::RestartNewEmulator => atom("restart_new_emulator"),
        Instruction::RestartEmulator => atom("restart_emulator"),
        // the high-level ones were written by the caller
        _ => atom("point_of_no_return"),
    }
}

fn update(update: &Update) -> Term {
    let module = atom(&update.module);
    let extra = match &update.extra {
        None => atom("soft"),
        Some(extra) => Term::tuple([atom("advanced"), extra.clone()]),
    };
    let depends_on = atoms(&update.depends_on);
    let [before, after] = purges(update.purge);
    if update.is_static || update.timeout != Timeout::Default {
        let kind = atom(if update.is_static { "static" } else { "dynamic" });
        return tagged("update", [module, kind, time(update.timeout), extra, before, after, depends_on]);
    }
    if update.purge != Purges::default() {
        return tagged("update", [module, extra, before, after, depends_on]);
    }
    match (update.depends_on.is_empty(), update.extra.is_some()) {
        (true, false) => tagged("update", [module]),
        (true, true) => tagged("update", [module, extra]),
        (false, _) => tagged("update", [module, extra, depends_on]),
    }
}

fn load_module(module: &str, purge: Purges, depends_on: &[String]) -> Term {
    let [before, after] = purges(purge);
    match (purge == Purges::default(), depends_on) {
        (true, []) => tagged("load_module", [atom(module)]),
        (true, depends_on) => tagged("load_module", [atom(module), atoms(depends_on)]),
        (false, depends_on) => tagged("load_module", [atom(module), before, after, atoms(depends_on)]),
    }
}

fn with_dependencies(kind: &str, module: &str, depends_on: &[String]) -> Term {
    match depends_on {
        [] => tagged(kind, [atom(module)]),
        depends_on => tagged(kind, [atom(module), atoms(depends_on)]),
    }
}

fn module_and_purges(module: &str, purge: Purges) -> Term {
    let [before, after] = purges(purge);
    Term::tuple([atom(module), before, after])
}

fn purges(purges: Purges) -> [Term; 2] {
    [purges.before, purges.after].map(|purge| match purge {
        Purge::Brutal => atom("brutal_purge"),
        Purge::Soft => atom("soft_purge"),
    })
}

fn time(timeout: Timeout) -> Term {
    match timeout {
        Timeout::Default => atom("default"),
        Timeout::Infinity => atom("infinity"),
        Timeout::Milliseconds(number) => Term::Integer(i64::from(number)),
    }
}

fn tagged<const N: usize>(kind: &str, rest: [Term; N]) -> Term {
    Term::tuple(std::iter::once(atom(kind)).chain(rest))
}

fn atom(name: &str) -> Term {
    Term::atom(name)
}

fn atoms(names: &[String]) -> Term {
    Term::list(names.iter().map(|name| atom(name)))
}
