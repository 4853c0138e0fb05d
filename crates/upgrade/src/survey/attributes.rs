//! What the attributes of a module say.

use std::collections::BTreeSet;

use beam::Term;
use beam::term::Atom;

use super::text;
use crate::digest::Digest;
use crate::inventory::Module;

pub(super) struct Attributes {
    pub(super) digest: Digest,
    pub(super) vsn: Option<String>,
    pub(super) has_own_vsn: bool,
    pub(super) behaviours: BTreeSet<String>,
}

pub(super) fn survey(attributes: &[(Atom, Term)]) -> Attributes {
    let mut others = String::new();
    let mut behaviours = BTreeSet::new();
    for (name, value) in attributes.iter().filter(|(name, _)| name.as_str() != "vsn") {
        if matches!(name.as_str(), "behaviour" | "behavior") {
            let names = value.as_list().unwrap_or_default();
            behaviours.extend(names.iter().filter_map(Term::as_atom).map(str::to_owned));
        }
        others.push_str(&text(&Term::tuple([Term::Atom(name.clone()), value.clone()])));
        others.push('\n');
    }
    let vsn = attributes.iter().find(|(name, _)| name.as_str() == "vsn").map(|(_, value)| value);
    let has_own_vsn = vsn.is_some_and(|vsn| !is_compilers(vsn));
    let vsn = vsn.map(text);
    Attributes { digest: Digest::of(others.as_bytes()), vsn, has_own_vsn, behaviours }
}

/// The compiler makes a version of the MD5 of the code that it wrote, which is not that of a stripped file: a list of one
/// integer that no author would count to.
fn is_compilers(vsn: &Term) -> bool {
    vsn.as_list().is_some_and(|values| matches!(*values, [Term::BigInteger(_)]))
}

/// What a module without attributes (`beam_lib:strip/1`, rebar3's `{debug_info, strip}`) must behave as, by the callbacks
/// that it exports.
pub(super) fn inferred(module: &Module) -> BTreeSet<String> {
    const CALLBACKS: [(&str, &[(&str, u8)]); 5] = [
        ("application", &[("start", 2), ("stop", 1)]),
        ("gen_event", &[("init", 1), ("handle_event", 2), ("handle_call", 2)]),
        ("gen_server", &[("init", 1), ("handle_call", 3), ("handle_cast", 2)]),
        ("gen_statem", &[("init", 1), ("callback_mode", 0)]),
        ("supervisor", &[("init", 1)]),
    ];
    let has_all =
        |callbacks: &[(&str, u8)]| callbacks.iter().all(|&(name, arity)| module.exports(name, arity));
    let found = CALLBACKS.iter().filter(|(_, callbacks)| has_all(callbacks));
    let names: BTreeSet<String> = found.map(|(name, _)| (*name).to_owned()).collect();
    let starts_supervisor =
        ["supervisor", "Elixir.Supervisor"].iter().any(|it| module.imports.contains_key(*it));
    let is_other = names.iter().any(|name| name.starts_with("gen_"));
    names.into_iter().filter(|name| name != "supervisor" || (starts_supervisor && !is_other)).collect()
}
