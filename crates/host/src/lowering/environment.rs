//! The environment of applications: what differs between what a start of either version configures.

use std::collections::{BTreeMap, BTreeSet};

use beam::Term;
use hot::Environment;
use upgrade::inventory::Release;
use upgrade::plan::Plan;

use super::applications::defaults;
use super::{Environments, LowerError, Told, Version};

/// Keys of `elixir` in which Elixir keeps how the node was configured at its start: they stay those of the start.
const OF_THE_START: &[&str] =
    &["config_provider_init", "config_provider_booted", "config_provider_reboot_mode"];

/// The application whose keys these are.
const ELIXIR: &str = "elixir";

pub(super) fn lower(
    plan: &Plan,
    old: Version<'_>,
    new: Version<'_>,
    told: &Told,
) -> Result<Vec<Environment>, LowerError> {
    let planned = &plan.steps.environment;
    let keys = match &told.environments {
        Some((before, after)) => differing(&planned.keys, before, after),
        None if planned.keys.is_empty() && planned.computed.is_empty() => return Ok(Vec::new()),
        None => {
            static_only(old)?;
            static_only(new)?;
            planned.keys.clone()
        }
    };
    let configured = match &told.environments {
        Some((_, after)) => after.clone(),
        None => configured(new)?,
    };
    let kept = keys.iter().filter(|(name, _)| new.release.applications.contains_key(*name));
    kept.map(|(application, keys)| one(new, &configured, application, keys)).collect()
}

/// Keys that differ in what VMs told, and those that the plan knows of.
fn differing(
    planned: &BTreeMap<String, BTreeSet<String>>,
    before: &Environments,
    after: &Environments,
) -> BTreeMap<String, BTreeSet<String>> {
    let mut keys = planned.clone();
    let none = BTreeMap::new();
    for application in before.keys().chain(after.keys()) {
        let (was, is) = (before.get(application).unwrap_or(&none), after.get(application).unwrap_or(&none));
        let differ = was.keys().chain(is.keys()).filter(|key| was.get(*key) != is.get(*key)).cloned();
        let differ: Vec<String> = differ.collect();
        if !differ.is_empty() {
            keys.entry(application.clone()).or_default().extend(differ);
        }
    }
    keys
}

fn one(
    new: Version<'_>,
    configured: &Environments,
    application: &str,
    keys: &BTreeSet<String>,
) -> Result<Environment, LowerError> {
    let defaults: BTreeMap<String, Term> = defaults(new, application)?.into_iter().collect();
    let mut environment = Environment { application: application.into(), set: Vec::new(), unset: Vec::new() };
    for key in keys.iter().filter(|key| application != ELIXIR || !OF_THE_START.contains(&key.as_str())) {
        let configured = configured.get(application).and_then(|keys| keys.get(key));
        match configured.or_else(|| defaults.get(key)) {
            Some(value) => environment.set.push((key.as_str().into(), value.clone())),
            None => environment.unset.push(key.as_str().into()),
        }
    }
    Ok(environment)
}

/// Whether what is in `sys.config` is all that configures a start.
fn static_only(version: Version<'_>) -> Result<(), LowerError> {
    match computes(version.release) {
        None => Ok(()),
        Some(what) => Err(LowerError::Computed { what, version: version.release.version.clone() }),
    }
}

/// What computes the configuration of a release at its start; `None`: its `sys.config` is all.
pub fn computes(release: &Release) -> Option<String> {
    let configuration = &release.configuration;
    let computes = |name: &&String| name.ends_with(".exs") || name.starts_with("sys.config.src");
    let mut what: Vec<String> = configuration.files.keys().filter(computes).cloned().collect();
    what.extend(configuration.included.iter().cloned());
    let elixir = configuration.environment.as_ref().and_then(|all| all.get(ELIXIR));
    if elixir.is_some_and(|keys| keys.contains_key(OF_THE_START[0])) && what.is_empty() {
        what.push("a config provider".to_owned());
    }
    (!what.is_empty()).then(|| what.join(", "))
}

fn configured(version: Version<'_>) -> Result<Environments, LowerError> {
    let file = format!("{}/sys.config", version.release_folder());
    if !version.release.configuration.files.contains_key("sys.config") {
        return Ok(Environments::new());
    }
    let terms = version.terms(&file)?;
    let wrong = || version.broken(&file, "does not hold [{Application, [{Key, Value}]}]".to_owned());
    let [list] = &terms[..] else { return Err(wrong()) };
    environments(list).ok_or_else(wrong)
}

/// `[{Application, [{Key, Value}]}]` by application and key; of what is said twice, the last.
pub fn environments(list: &Term) -> Option<Environments> {
    let pair = |term: &Term| match term.as_tuple()? {
        [name, value] => Some((name.as_atom()?.to_owned(), value.clone())),
        _ => None,
    };
    let application = |term: &Term| {
        let (name, keys) = pair(term)?;
        Some((name, keys.as_list()?.iter().map(pair).collect::<Option<_>>()?))
    };
    list.as_list()?.iter().map(application).collect()
}
