//! Whether a module's new code can go on with the states that its old code made.
//!
//! A state has no type that a compiled module tells. What tells it are the code that makes it (`init/1` and what that
//! reaches), the records that patterns test, the keys of maps that patterns demand. Where these do not differ, new code
//! reads what old code made: it is a bug fix. Where they do, only a conversion by the author makes it right.

use std::collections::{BTreeMap, BTreeSet};

use crate::inventory::{CodeChange, Module};
use crate::reach::{self, Change, Root};

/// How the states of a module differ between two versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StateChange {
    /// Not, as far as code shows.
    None,
    /// Only numbers, strings and the like that new processes begin with.
    Constants,
    /// In what they are made of; in words.
    Shape(String),
}

/// Compares the states that two versions make by these functions and read anywhere.
pub(super) fn state_change(old: &Module, new: &Module, makers: &[Root]) -> StateChange {
    if let Some(shape) = shape_change(old, new) {
        return StateChange::Shape(shape);
    }
    match reach::change(old, new, makers) {
        Change::Same => StateChange::None,
        Change::Constants => StateChange::Constants,
        Change::Code => StateChange::Shape(made_anew(old, new, makers)),
    }
}

/// What differs in the data that a module makes and reads again, wherever it keeps it.
pub(super) fn shape_change(old: &Module, new: &Module) -> Option<String> {
    own_struct(old, new)
        .or_else(|| records(old, new))
        .or_else(|| map_keys(old, new))
        .or_else(|| tuple_sizes(old, new))
}

fn own_struct(old: &Module, new: &Module) -> Option<String> {
    let fields = fields_change(old, new)?;
    Some(format!("its struct: {fields}"))
}

/// Which fields a module's struct gets or loses.
pub(super) fn fields_change(old: &Module, new: &Module) -> Option<String> {
    if let (Some(old), Some(new)) = (&old.structure, &new.structure) {
        let gets = new.keys().filter(|field| !old.contains_key(*field)).map(|field| format!("+{field}"));
        let loses = old.keys().filter(|field| !new.contains_key(*field)).map(|field| format!("-{field}"));
        let fields: Vec<String> = gets.chain(loses).collect();
        return (!fields.is_empty()).then(|| fields.join(", "));
    }
    // a struct that is computed: only that it differs is known
    let (before, after) = (old.function("__struct__", 0)?, new.function("__struct__", 0)?);
    (before.digest != after.digest).then(|| "fields that are computed".to_owned())
}

/// Records that the new version demands in a size that the old one neither made nor demanded, and no longer in any that it
/// did. One that is only demanded comes from elsewhere, as a message does.
fn records(old: &Module, new: &Module) -> Option<String> {
    let differing = new.records.iter().filter_map(|(name, sizes)| {
        let before: BTreeSet<u32> =
            sizes_of(&old.records, name).union(&sizes_of(&old.records_built, name)).copied().collect();
        let built = sizes_of(&new.records_built, name);
        let is_other = !before.is_empty() && sizes.is_disjoint(&before);
        let added = sizes.iter().find(|size| built.contains(*size)).filter(|_| is_other)?;
        let fields = |size: &u32| size.saturating_sub(1).to_string();
        let before = before.iter().map(fields).collect::<Vec<_>>().join(" or ");
        Some(format!("record {name}: {before} fields become {}", fields(added)))
    });
    let differing: Vec<String> = differing.collect();
    (!differing.is_empty()).then(|| differing.join(", "))
}

fn sizes_of(records: &BTreeMap<String, BTreeSet<u32>>, name: &str) -> BTreeSet<u32> {
    records.get(name).cloned().unwrap_or_default()
}

/// Keys that patterns of the new version demand, that it builds itself, and that the old one knew nothing of. A key that
/// it demands and does not build comes from elsewhere: from an argument, a message.
fn map_keys(old: &Module, new: &Module) -> Option<String> {
    let known = |key: &&String| old.maps.built.contains(*key) || old.maps.read.contains(*key);
    let new_keys = new.maps.read.iter().filter(|key| !known(key) && new.maps.built.contains(*key));
    let keys: Vec<&str> = new_keys.map(String::as_str).collect();
    (!keys.is_empty()).then(|| format!("key {} of a map", keys.join(", ")))
}

/// Tuples without a name of a size that the new version builds and demands, and that the old one knew nothing of.
fn tuple_sizes(old: &Module, new: &Module) -> Option<String> {
    let (before, after) = (&old.tuples, &new.tuples);
    let is_new = |size: &&u32| !before.built.contains(size) && !before.demanded.contains(size);
    let size = after.built.intersection(&after.demanded).find(is_new)?;
    Some(format!("tuples of {size}"))
}

fn made_anew(old: &Module, new: &Module, makers: &[Root]) -> String {
    let differs = |maker: &&Root| reach::change(old, new, &[**maker]) == Change::Code;
    let functions: Vec<String> =
        makers.iter().filter(differs).map(|(name, arity)| format!("{name}/{arity}")).collect();
    let known: BTreeSet<&String> = old.maps.built.union(&old.maps.read).collect();
    let keys: Vec<&str> =
        new.maps.built.iter().filter(|key| !known.contains(key)).map(String::as_str).collect();
    let keys = if keys.is_empty() { String::new() } else { format!(", new keys: {}", keys.join(", ")) };
    format!("{} does something else{keys}", functions.join(" and "))
}

/// Whether an author's conversion comes with the new version: one that the old version did not have, or had otherwise.
pub(super) fn has_new_conversion(old: &Module, new: &Module, converter: Root) -> bool {
    let vsn = |module: &Module| module.vsn.clone().filter(|_| module.has_own_vsn);
    new.code_change == CodeChange::Own
        && (old.code_change != CodeChange::Own
            || reach::change(old, new, &[converter]) != Change::Same
            || vsn(old) != vsn(new))
}

/// Whether an author's numbers of the two say that the new one is the earlier.
pub(super) fn vsn_falls(old: &Module, new: &Module) -> bool {
    let number = |module: &Module| {
        let vsn = module.vsn.as_ref().filter(|_| module.has_own_vsn)?;
        vsn.strip_prefix('[')?.strip_suffix(']')?.parse::<u64>().ok()
    };
    matches!((number(old), number(new)), (Some(old), Some(new)) if new < old)
}
