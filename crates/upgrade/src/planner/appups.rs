//! Appups that the packages bring: followed where they match.

use std::collections::BTreeSet;

use beam::Term;
use beam::appup::{self, Appup};
use beam::instruction::{Instruction, Mode as Way, Update};
use beam::print::Erlang;

use super::Planner;
use super::pairs::{Held, Pairs};
use super::runtime::is_core;
use super::vsn::vsn;
use crate::finding::{Code, Finding, Place};
use crate::inventory::{Application, Release};
use crate::plan::{Call, Children, Convert, Direction, Reconcile, Source};
use crate::policy::{Mode, Policy};

/// What appups say about this upgrade.
pub(super) struct Appups {
    followed: Vec<Followed>,
    named: BTreeSet<String>,
}

/// An appup that matches.
struct Followed {
    application: String,
    direction: Direction,
    instructions: Vec<Instruction>,
}

impl Appups {
    /// Reads the appups of the applications that change.
    pub(super) fn read(
        old: &Release,
        new: &Release,
        pairs: &Pairs<'_>,
        policy: &Policy,
        findings: &mut Vec<Finding>,
    ) -> Self {
        let mut appups = Appups { followed: Vec::new(), named: BTreeSet::new() };
        for (name, after) in &new.applications {
            let Some(before) = old.applications.get(name) else { continue };
            let differs = pairs.of_application(name).next().is_some();
            if !differs || is_core(name) {
                continue;
            }
            let followed = match policy.ignored_appups.contains(name) {
                true => None,
                false => matching(name, before, after, findings),
            };
            match followed {
                Some(followed) => appups.take(followed, before, after, pairs, findings),
                None if policy.mode == Mode::Package => {
                    findings.push(Finding::new(Code::PolicyPackage, Place::application(name), &[]));
                }
                None => {}
            }
        }
        appups
    }

    /// Whether an appup says what is done about a module.
    pub(super) fn names(&self, module: &str) -> bool {
        self.named.contains(module)
    }

    fn take(
        &mut self,
        followed: Followed,
        before: &Application,
        after: &Application,
        pairs: &Pairs<'_>,
        findings: &mut Vec<Finding>,
    ) {
        let place = Place::application(&followed.application);
        let values = [("from", before.version.as_str()), ("to", after.version.as_str())];
        findings.push(Finding::new(Code::AppupHonoured, place.clone(), &values));
        for instruction in &followed.instructions {
            if let Some((code, text)) = refused(instruction) {
                findings.push(Finding::new(code, place.clone(), &[("instruction", &text)]));
            }
            self.named.extend(named(instruction));
        }
        for pair in pairs.of_application(&followed.application) {
            let is_protocol = pair.new.or(pair.old).is_some_and(|held| held.is_protocol);
            if !is_protocol && !self.named.contains(pair.name) {
                let place = Place::module(&followed.application, pair.name);
                findings.push(Finding::new(Code::AppupIncomplete, place, &[]));
            }
        }
        self.followed.push(followed);
    }
}

/// The instructions for this step: those that the newer version's file has for coming from the older, or the older's
/// for going back to the newer (as OTP has it, the file of the version that is left says how to go down).
fn matching(
    name: &str,
    before: &Application,
    after: &Application,
    findings: &mut Vec<Finding>,
) -> Option<Followed> {
    let mut said = |code: Code, values: &[(&str, &str)]| {
        findings.push(Finding::new(code, Place::application(name), values));
    };
    if before.version == after.version || (before.appup.is_none() && after.appup.is_none()) {
        return None;
    }
    let sides = [(after, before, Direction::Up), (before, after, Direction::Down)];
    for (holder, other, direction) in sides {
        let Some(text) = &holder.appup else { continue };
        match step(text, &holder.version, &other.version, direction) {
            Ok(Some(instructions)) => {
                return Some(Followed { application: name.to_owned(), direction, instructions });
            }
            Ok(None) => {}
            Err(why) => {
                said(Code::AppupUnreadable, &[("why", &why)]);
                return None;
            }
        }
    }
    let values = [("from", before.version.as_str()), ("to", after.version.as_str())];
    said(Code::AppupUnmatched, &values);
    None
}

fn step(
    text: &str,
    version: &str,
    other: &str,
    direction: Direction,
) -> Result<Option<Vec<Instruction>>, String> {
    let appup: Appup = appup::parse(text.as_bytes()).map_err(|error| chain(&error))?;
    if appup.version != version {
        return Ok(None);
    }
    let found = match direction {
        Direction::Up => appup.from(other),
        Direction::Down => appup.to(other),
    };
    found.map(|found| found.map(<[Instruction]>::to_vec)).map_err(|error| chain(&error))
}

/// An error with its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn refused(instruction: &Instruction) -> Option<(Code, String)> {
    let code = match instruction {
        Instruction::RestartNewEmulator | Instruction::RestartEmulator => Code::AppupRestartsVm,
        Instruction::SyncNodes { .. } => Code::AppupUnsupported,
        _ => return None,
    };
    Some((code, Erlang::default().print_flat(&instruction.to_term())))
}

/// The modules that an instruction says something about.
fn named(instruction: &Instruction) -> Vec<String> {
    match instruction {
        Instruction::Update(Update { module, .. })
        | Instruction::UpdateSupervisor { module }
        | Instruction::LoadModule { module, .. }
        | Instruction::AddModule { module, .. }
        | Instruction::DeleteModule { module, .. }
        | Instruction::Load { module, .. }
        | Instruction::Remove { module, .. } => vec![module.clone()],
        Instruction::LoadObjectCode { modules, .. } | Instruction::Stop(modules) => modules.clone(),
        _ => Vec::new(),
    }
}

impl<'a> Planner<'a> {
    /// Takes what the appups say into the steps.
    pub(super) fn follow_appups(&mut self) {
        let appups: &'a Appups = self.appups;
        for followed in &appups.followed {
            for instruction in &followed.instructions {
                self.follow(followed, instruction);
            }
        }
    }

    fn follow(&mut self, followed: &Followed, instruction: &Instruction) {
        match instruction {
            Instruction::Update(update) => {
                self.suspend_as_told(&update.module, update.extra.as_ref(), followed.direction);
            }
            Instruction::CodeChange { mode, modules } => {
                let direction = if *mode == Way::Down { Direction::Down } else { Direction::Up };
                for (module, extra) in modules {
                    self.suspend_as_told(module, Some(extra), direction);
                }
            }
            Instruction::Suspend(modules) => {
                for (module, _) in modules {
                    self.suspend_as_told(module, None, followed.direction);
                }
            }
            Instruction::UpdateSupervisor { module } => self.reconcile_as_told(followed, module),
            Instruction::Stop(modules) | Instruction::Start(modules) => {
                self.steps.restarts.extend(modules.iter().cloned());
            }
            Instruction::RestartApplication { name } => self.restart_as_told(name),
            Instruction::Apply { module, function, arguments } => self.steps.calls.push(Call {
                application: followed.application.clone(),
                module: module.clone(),
                function: function.clone(),
                arguments: Erlang::default().print_flat(arguments),
            }),
            _ => {}
        }
    }

    /// Once for each module, with a conversion if any instruction has one.
    fn suspend_as_told(&mut self, module: &str, extra: Option<&Term>, direction: Direction) {
        let held = |held: Option<&Held<'a>>| held.copied();
        let (old, new) = (held(self.pairs.old.get(module)), held(self.pairs.new.get(module)));
        let (Some(old), Some(new)) = (old, new) else { return };
        let version = match direction {
            Direction::Up => vsn(old.module),
            Direction::Down => vsn(new.module),
        };
        let convert = extra.map(|extra| Convert {
            direction,
            vsn: version.clone(),
            extra: Erlang::default().print_flat(extra),
        });
        match self.steps.conversions.iter_mut().find(|conversion| conversion.module == module) {
            Some(known) => known.convert = convert.or(known.convert.take()),
            None => self.suspend(module, new, convert, Source::Appup),
        }
    }

    fn reconcile_as_told(&mut self, followed: &Followed, module: &str) {
        let told = Reconcile {
            application: followed.application.clone(),
            module: module.to_owned(),
            children: Children::OfInit,
        };
        if !self.steps.supervisors.contains(&told) {
            self.steps.supervisors.push(told);
        }
    }

    fn restart_as_told(&mut self, name: &str) {
        if !self.steps.applications.restarted.iter().any(|it| it == name) {
            self.steps.applications.restarted.push(name.to_owned());
        }
        let values = [("why", "its appup says so")];
        self.found(Code::ApplicationRestarted, Place::application(name), &values);
    }
}
