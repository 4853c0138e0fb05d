//! Applications: their specifications, as the new version's `.app` files say them.

use beam::Term;
use hot::{AddedApplication, Applications, StartType};
use upgrade::inventory;
use upgrade::plan::Plan;

use super::{LowerError, Version};

pub(super) fn lower(plan: &Plan, new: Version<'_>) -> Result<Applications, LowerError> {
    let planned = &plan.steps.applications;
    let added = planned.added.iter().map(|name| {
        let application = new.release.applications.get(name).ok_or_else(|| new.foreign(name))?;
        let start = match application.start_type {
            inventory::StartType::Permanent => StartType::Permanent,
            inventory::StartType::Transient => StartType::Transient,
            inventory::StartType::Temporary => StartType::Temporary,
            inventory::StartType::Load => StartType::Load,
            inventory::StartType::None => StartType::None,
        };
        Ok(AddedApplication { specification: specification(new, name)?, start })
    });
    let names = |names: &[String]| names.iter().map(|name| name.as_str().into()).collect();
    Ok(Applications {
        added: added.collect::<Result<_, LowerError>>()?,
        changed: planned.refreshed.iter().map(|name| specification(new, name)).collect::<Result<_, _>>()?,
        restarted: names(&planned.restarted),
        removed: names(&planned.removed),
    })
}

/// `{application, Name, Keys}`.
fn specification(version: Version<'_>, name: &str) -> Result<Term, LowerError> {
    let application = version.release.applications.get(name).ok_or_else(|| version.foreign(name))?;
    let file = format!("{}/ebin/{name}.app", application.folder);
    match &version.terms(&file)?[..] {
        [term] if is_specification(term, name) => Ok(term.clone()),
        _ => Err(version.broken(&file, format!("does not hold {{application, {name}, Keys}}"))),
    }
}

fn is_specification(term: &Term, name: &str) -> bool {
    let said = |tag: &Term, of: &Term| tag.as_atom() == Some("application") && of.as_atom() == Some(name);
    matches!(term.as_tuple(), Some([tag, of, Term::List(_)]) if said(tag, of))
}

/// The defaults of a specification (`env`).
pub(super) fn defaults(version: Version<'_>, name: &str) -> Result<Vec<(String, Term)>, LowerError> {
    let specification = specification(version, name)?;
    let env = specification.as_tuple().and_then(|parts| parts[2].property("env"));
    let pairs = env.and_then(Term::as_list).unwrap_or_default();
    let pair = |pair: &Term| match pair.as_tuple()? {
        [key, value] => Some((key.as_atom()?.to_owned(), value.clone())),
        _ => None,
    };
    Ok(pairs.iter().filter_map(pair).collect())
}
