//! Instructions as terms for the node, and its results read.

use std::time::Duration;

use beam::Term;
use beam::term::Atom;
use bytes::Bytes;
use probe::{Part, Unexpected, millis};

use crate::instructions::{
    AddedApplication, Apply, Behaviour, Bounds, CodePath, Direction, Environment, Instructions, Module,
    Processes, StartType, Supervisor, Which,
};
use crate::mentions::mentions;
use crate::outcome::{Cause, Failure, Finding, Installed, Outcome, Progress, Undo};
use crate::step::Step;

fn pair(key: &str, value: Term) -> (Term, Term) {
    (Term::atom(key), value)
}

fn atoms(names: &[Atom]) -> Term {
    Term::list(names.iter().cloned().map(Term::from))
}

fn none_or(term: Option<Term>) -> Term {
    term.unwrap_or_else(|| Term::atom("none"))
}

fn number(value: u64) -> Term {
    Term::integer(value)
}

fn each<T>(items: &[T], term: impl Fn(&T) -> Term) -> Term {
    Term::list(items.iter().map(term))
}

impl Instructions {
    /// All but the code.
    pub(crate) fn plan(&self) -> Term {
        let applications = &self.applications;
        Term::map([
            pair(
                "direction",
                Term::atom(match self.direction {
                    Direction::Up => "up",
                    Direction::Down => "down",
                }),
            ),
            pair("modules", each(&self.modules, module)),
            pair(
                "mentions",
                Term::list(mentions(self).into_iter().map(|(module, names)| {
                    let names = Term::list(names.iter().map(|name| Term::atom(name)));
                    Term::tuple([Term::atom(&module), names])
                })),
            ),
            pair(
                "deleted",
                each(&self.deleted, |deleted| {
                    Term::tuple([deleted.name.clone().into(), Term::binary(deleted.md5.to_vec())])
                }),
            ),
            pair("processes", each(&self.processes, processes)),
            pair("restarts", atoms(&self.restarts)),
            pair("supervisors", each(&self.supervisors, supervisor)),
            pair("added", each(&applications.added, added)),
            pair("changed", Term::list(applications.changed.iter().cloned())),
            pair("restarted", atoms(&applications.restarted)),
            pair("removed", atoms(&applications.removed)),
            pair("environment", each(&self.environment, environment)),
            pair("paths", each(&self.code_paths, code_path)),
            pair(
                "os",
                each(&self.os_environment, |(name, value)| {
                    let value =
                        value.as_ref().map_or_else(|| Term::atom("unset"), |value| Term::string(value));
                    Term::tuple([Term::string(name), value])
                }),
            ),
            pair("calls", each(&self.calls, apply)),
            pair("hold", none_or(self.hold.map(|step| Term::atom(step.name())))),
            pair("bounds", bounds(&self.bounds)),
        ])
    }

    /// The code, `#{Module => {New, Old or none}}`, in parts of so many bytes, or as long as one module needs.
    pub(crate) fn codes(&self, most_bytes: usize) -> Vec<Term> {
        let mut parts = Vec::new();
        let (mut pairs, mut bytes) = (Vec::new(), 0);
        for module in &self.modules {
            let length = module.code_bytes();
            if bytes > 0 && bytes + length > most_bytes {
                parts.push(Term::map(std::mem::take(&mut pairs)));
                bytes = 0;
            }
            bytes += length;
            let old = module.before.as_ref().and_then(|before| before.code.as_ref());
            let old = none_or(old.map(|code| binary(&code.object)));
            let both = Term::tuple([binary(&module.code.object), old]);
            pairs.push((module.name.clone().into(), both));
        }
        parts.push(Term::map(pairs));
        parts
    }
}

impl Module {
    fn code_bytes(&self) -> usize {
        let old = self.before.as_ref().and_then(|before| before.code.as_ref());
        self.code.object.len() + old.map_or(0, |code| code.object.len())
    }
}

fn binary(bytes: &Bytes) -> Term {
    Term::binary(bytes.clone())
}

fn module(module: &Module) -> Term {
    let before = module.before.as_ref();
    let old_file = before.and_then(|before| before.code.as_ref()).map(|code| Term::string(&code.file));
    Term::tuple([
        module.name.clone().into(),
        none_or(before.map(|before| Term::binary(before.md5.to_vec()))),
        Term::string(&module.code.file),
        none_or(old_file),
    ])
}

fn processes(processes: &Processes) -> Term {
    let behaviour = match processes.behaviour {
        Behaviour::Server => "server",
        Behaviour::Handler => "handler",
    };
    let convert = processes.convert.as_ref();
    let convert = convert.map(|convert| Term::tuple([convert.vsn.clone(), convert.extra.clone()]));
    Term::tuple([processes.module.clone().into(), Term::atom(behaviour), none_or(convert)])
}

fn supervisor(supervisor: &Supervisor) -> Term {
    let (which, name) = match &supervisor.which {
        Which::Module(name) => ("module", name),
        Which::Name(name) => ("name", name),
        Which::RootOf(name) => ("root", name),
    };
    let argument = supervisor.argument.clone();
    Term::tuple([
        Term::atom(which),
        name.clone().into(),
        none_or(argument.map(|argument| Term::tuple([Term::atom("argument"), argument]))),
        Term::list(supervisor.restart.iter().cloned()),
    ])
}

fn added(added: &AddedApplication) -> Term {
    let start = match added.start {
        StartType::Permanent => "permanent",
        StartType::Transient => "transient",
        StartType::Temporary => "temporary",
        StartType::Load => "load",
        StartType::None => "none",
    };
    Term::tuple([added.specification.clone(), Term::atom(start)])
}

fn environment(environment: &Environment) -> Term {
    let set = each(&environment.set, |(key, value)| Term::tuple([key.clone().into(), value.clone()]));
    Term::tuple([environment.application.clone().into(), set, atoms(&environment.unset)])
}

fn code_path(path: &CodePath) -> Term {
    let words = match path {
        CodePath::Replace { old, new } => vec![Term::atom("replace"), Term::string(old), Term::string(new)],
        CodePath::First(new) => vec![Term::atom("first"), Term::string(new)],
        CodePath::Last(new) => vec![Term::atom("last"), Term::string(new)],
        CodePath::Remove(old) => vec![Term::atom("remove"), Term::string(old)],
    };
    Term::tuple(words)
}

fn apply(call: &Apply) -> Term {
    let arguments = Term::list(call.arguments.iter().cloned());
    Term::tuple([call.module.clone().into(), call.function.clone().into(), arguments])
}

fn bounds(bounds: &Bounds) -> Term {
    Term::map([
        pair("deadline", millis(bounds.deadline)),
        pair("suspend", millis(bounds.suspend)),
        pair("convert", millis(bounds.convert)),
        pair("patience", millis(bounds.patience)),
        pair("linger", millis(bounds.linger)),
        pair("saved", number(bounds.most_saved_bytes)),
        pair("scanned", number(bounds.most_scanned_bytes)),
        pair("told", number(bounds.most_told.into())),
        pair("keep", millis(bounds.keep)),
    ])
}

impl Step {
    fn read(part: Part<'_>) -> Result<Self, Unexpected> {
        Self::named(part.atom()?).ok_or(Unexpected { part: "a step", wanted: "one that is known" })
    }
}

impl Failure {
    fn read(part: Part<'_>) -> Result<Self, Unexpected> {
        let [step, why] = part.tuple()?;
        Ok(Self { step: Step::read(step)?, why: why.text()? })
    }
}

impl Finding {
    pub(crate) fn read(part: Part<'_>) -> Result<Self, Unexpected> {
        let [cause, module, pid, detail] = part.tuple()?;
        let unknown = Unexpected { part: "a cause", wanted: "one that is known" };
        Ok(Self {
            cause: Cause::named(cause.atom()?).ok_or(unknown)?,
            module: module.optional(Part::atom)?.map(str::to_owned),
            pid: pid.optional(Part::pid)?,
            detail: detail.text()?,
        })
    }
}

impl Undo {
    pub(crate) fn read(part: Part<'_>) -> Result<Self, Unexpected> {
        match part.atom() {
            Ok("hot") => Ok(Self::Hot),
            _ => {
                let [_, why] = part.tuple()?;
                Ok(Self::Full(why.each(Finding::read)?))
            }
        }
    }
}

impl Installed {
    fn read(part: Part<'_>) -> Result<Self, Unexpected> {
        Ok(Self {
            pause: Duration::from_micros(part.field("pause")?.number()?),
            suspended: part.field("suspended")?.number()?,
            converted: part.field("converted")?.number()?,
            failure: part.field("failure")?.optional(Failure::read)?,
            complaints: part.field("complaints")?.each(Failure::read)?,
            undo: Undo::read(part.field("undo")?)?,
        })
    }
}

impl Outcome {
    fn read(part: Part<'_>) -> Result<Self, Unexpected> {
        if let Ok([_, step, why, undo]) = part.tuple() {
            let failure = Failure { step: Step::read(step)?, why: why.text()? };
            return Ok(Self::NeedsFull { failure, undo: undo.text()? });
        }
        if let Ok([_, step, why]) = part.tuple() {
            return Ok(Self::Undone(Failure { step: Step::read(step)?, why: why.text()? }));
        }
        let [kind, what] = part.tuple()?;
        match kind.atom()? {
            "installed" => Ok(Self::Installed(Installed::read(what)?)),
            "refused" => Ok(Self::Refused(what.each(Finding::read)?)),
            _ => Err(Unexpected { part: "an outcome", wanted: "one that is known" }),
        }
    }
}

impl Progress {
    pub(crate) fn read(part: Part<'_>) -> Result<Self, Unexpected> {
        let [id, log, outcome] = part.tuple()?;
        let log = log.each(|each| {
            let [step, at] = each.tuple()?;
            Ok((Step::read(step)?, Duration::from_millis(at.number()?)))
        })?;
        Ok(Self {
            id: id.text()?,
            step: log.last().map(|(step, _)| *step),
            log,
            outcome: outcome.optional(Outcome::read)?,
        })
    }
}
