//! Modules that are loaded and deleted, whose processes stand still, what is called.

use hot::{Apply, Before, Behaviour, Deleted, Direction, Module, Processes};
use upgrade::inventory;
use upgrade::plan::{self, Plan};

use super::{LowerError, Version, term};

/// What is loaded: the new object code, and the old in case it has to come back.
pub(super) fn loaded(plan: &Plan, old: Version<'_>, new: Version<'_>) -> Result<Vec<Module>, LowerError> {
    let one = |load: &plan::Load| {
        let before = match load.from {
            None => None,
            Some(digest) => {
                let (file, _) = held(old, &load.module)?;
                Some(Before { md5: *digest.as_bytes(), code: Some(old.code(&file)?) })
            }
        };
        Ok(Module { name: load.module.as_str().into(), code: new.code(&load.file)?, before })
    };
    plan.steps.load.iter().map(one).collect()
}

pub(super) fn deleted(plan: &Plan, old: Version<'_>) -> Result<Vec<Deleted>, LowerError> {
    let one = |gone: &plan::Gone| {
        let (_, module) = held(old, &gone.module)?;
        Ok(Deleted { name: gone.module.as_str().into(), md5: *module.digest.as_bytes() })
    };
    plan.steps.delete.iter().map(one).collect()
}

/// The file of a module that a version runs: a consolidated protocol takes the place of its application's own module.
fn held<'a>(version: Version<'a>, name: &str) -> Result<(String, &'a inventory::Module), LowerError> {
    if let Some(module) = version.release.protocols.get(name) {
        return Ok((format!("{}/consolidated/{name}.beam", version.release_folder()), module));
    }
    let (application, module) = version.release.module(name).ok_or_else(|| version.foreign(name))?;
    let folder = &version.release.applications[application].folder;
    Ok((format!("{folder}/ebin/{name}.beam"), module))
}

/// Whose processes stand still, and which way their states go, if any does.
pub(super) fn processes(plan: &Plan) -> Result<(Option<Direction>, Vec<Processes>), LowerError> {
    let conversions = &plan.steps.conversions;
    let first = |way: plan::Direction| {
        let goes = |it: &&plan::Conversion| it.convert.as_ref().is_some_and(|it| it.direction == way);
        conversions.iter().find(goes).map(|it| it.module.clone())
    };
    let direction = match (first(plan::Direction::Up), first(plan::Direction::Down)) {
        (Some(up), Some(down)) => return Err(LowerError::BothWays { up, down }),
        (Some(_), None) => Some(Direction::Up),
        (None, Some(_)) => Some(Direction::Down),
        (None, None) => None,
    };
    let all = conversions.iter().map(|conversion| {
        Ok(Processes {
            module: conversion.module.as_str().into(),
            behaviour: match conversion.behaviour.as_str() {
                "gen_event" => Behaviour::Handler,
                _ => Behaviour::Server,
            },
            convert: conversion.convert.as_ref().map(|it| convert(&conversion.module, it)).transpose()?,
        })
    });
    Ok((direction, all.collect::<Result<_, LowerError>>()?))
}

fn convert(module: &str, convert: &plan::Convert) -> Result<hot::Convert, LowerError> {
    Ok(hot::Convert { vsn: term(module, &convert.vsn)?, extra: term(module, &convert.extra)? })
}

/// What an appup has called.
pub(super) fn calls(plan: &Plan) -> Result<Vec<Apply>, LowerError> {
    let one = |call: &plan::Call| {
        let what = format!("the arguments of {}:{}", call.module, call.function);
        let arguments = term(&what, &call.arguments)?;
        let wrong = || LowerError::Text { what: what.clone(), text: call.arguments.clone() };
        Ok(Apply {
            module: call.module.as_str().into(),
            function: call.function.as_str().into(),
            arguments: arguments.as_list().ok_or_else(wrong)?.into_owned(),
        })
    };
    plan.steps.calls.iter().map(one).collect()
}
