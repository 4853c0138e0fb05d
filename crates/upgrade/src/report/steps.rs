//! What is done on the node, as numbered lines.

use crate::finding::module_name;
use crate::plan::{Applications, Children, Conversion, Direction, Plan, Steps};

/// Most names on one line.
const SHOWN: usize = 8;

/// One line: what is done, and to what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What is done, in a word or two.
    pub what: &'static str,
    /// To what.
    pub whom: String,
}

/// How much differs, on one line.
pub fn summary(plan: &Plan) -> String {
    let Steps { load, delete, applications, .. } = &plan.steps;
    let Applications { added, removed, .. } = applications;
    let new = load.iter().filter(|load| load.from.is_none()).count();
    let counts = [(load.len() - new, "changed"), (new, "added"), (delete.len(), "removed")];
    let modules: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    let mut parts = Vec::new();
    if !modules.is_empty() {
        parts.push(format!("modules: {}", modules.join(", ")));
    }
    for (names, what) in [(added, "added"), (removed, "removed")] {
        if !names.is_empty() {
            parts.push(format!("applications {what}: {}", some(names.iter().map(String::as_str))));
        }
    }
    if parts.is_empty() { "no module differs".to_owned() } else { parts.join("; ") }
}

/// The steps in their order, without those that have nothing to do.
pub fn lines(plan: &Plan) -> Vec<Line> {
    let steps = &plan.steps;
    let modules = |names: &mut dyn Iterator<Item = &String>| some(names.map(|name| module_name(name)));
    let suspended = some(steps.conversions.iter().map(|it| module_name(&it.module)));
    let (stopped, started) = stopped_and_started(&steps.applications);
    let configured = steps.environment.keys.iter().map(|(application, keys)| {
        let keys = some(keys.iter().map(String::as_str));
        format!("{application}: {keys}")
    });
    let computed = steps.environment.computed.iter().map(|file| format!("computed by {file}"));
    let configuration: Vec<String> = configured.chain(computed).collect();
    let folders = match steps.folders.len() {
        0 => String::new(),
        1 => "1 application".to_owned(),
        count => format!("{count} applications"),
    };
    let calls = steps.calls.iter().map(|it| format!("{}:{}", module_name(&it.module), it.function));
    let all = [
        ("purge old code of", modules(&mut steps.purge.iter())),
        ("stop applications", stopped),
        ("suspend processes of", suspended.clone()),
        ("set configuration", configuration.join("; ")),
        ("load together", modules(&mut steps.load.iter().map(|load| &load.module))),
        ("convert states of", some(steps.conversions.iter().filter_map(converted))),
        ("code paths", folders),
        ("resume processes of", suspended),
        ("tell config_change/3", some(steps.environment.keys.keys().map(String::as_str))),
        ("restart processes of", modules(&mut steps.restarts.iter())),
        ("compare children of", some(steps.supervisors.iter().map(reconciled))),
        ("start applications", started),
        ("call", some(calls)),
        ("delete", modules(&mut steps.delete.iter().map(|gone| &gone.module))),
    ];
    let wanted = all.into_iter().filter(|(_, whom)| !whom.is_empty());
    wanted.map(|(what, whom)| Line { what, whom }).collect()
}

fn stopped_and_started(applications: &Applications) -> (String, String) {
    let Applications { added, removed, restarted, .. } = applications;
    let stopped = restarted.iter().rev().chain(removed);
    let started = added.iter().chain(restarted);
    (some(stopped.map(String::as_str)), some(started.map(String::as_str)))
}

fn converted(conversion: &Conversion) -> Option<String> {
    let convert = conversion.convert.as_ref()?;
    let way = if convert.direction == Direction::Down { " (down)" } else { "" };
    Some(format!("{}{way}", module_name(&conversion.module)))
}

fn reconciled(supervisor: &crate::plan::Reconcile) -> String {
    match supervisor.children {
        Children::OfInit => module_name(&supervisor.module).to_owned(),
        Children::OfStart => format!("the root supervisor of {}", supervisor.application),
    }
}

/// Some of the names.
fn some<T: AsRef<str>>(names: impl Iterator<Item = T>) -> String {
    let names: Vec<T> = names.collect();
    let shown: Vec<&str> = names.iter().take(SHOWN).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
