//! What is done about each module that differs.

use std::collections::BTreeSet;

use super::Planner;
use super::pairs::{Held, Pair};
use super::runtime::is_core;
use super::state::{StateChange, has_new_conversion, shape_change, state_change, vsn_falls};
use super::vsn::vsn;
use crate::finding::{Code, Place, module_name};
use crate::function::FunctionName;
use crate::inventory::{CodeChange, Module};
use crate::plan::{Conversion, Convert, Direction, Gone, Load, Source};
use crate::policy::Override;
use crate::reach::{self, Change, Root};
use crate::role::{Behaviour, OWN, Role, STARTERS, role};

/// What converts the state of a special process.
const SPECIAL: Root = ("system_code_change", 4);

impl Planner<'_> {
    /// Modules that are new, gone or differ.
    pub(super) fn modules(&mut self) {
        for pair in &self.pairs.changed {
            let of_core = |held: &Option<Held<'_>>| held.is_some_and(|held| is_core(held.application));
            if of_core(&pair.old) || of_core(&pair.new) {
                continue;
            }
            match (pair.old, pair.new) {
                (Some(old), Some(new)) => self.changed(pair, old, new),
                (None, Some(new)) => self.new_module(pair.name, new),
                (Some(old), None) => self.gone(pair.name, old),
                (None, None) => {}
            }
        }
        self.missing_functions();
    }

    fn load(&mut self, name: &str, old: Option<Held<'_>>, new: Held<'_>) {
        let source = match (self.policy.overrides.contains_key(name), self.appups.names(name)) {
            (true, _) => Source::Settings,
            (false, true) => Source::Appup,
            (false, false) => Source::Planned,
        };
        let folder = self.new.applications.get(new.application).map_or("", |app| app.folder.as_str());
        let file = match new.is_protocol {
            true => format!("releases/{}/consolidated/{name}.beam", self.new.version),
            false => format!("{folder}/ebin/{name}.beam"),
        };
        if old.is_some() {
            self.steps.purge.insert(name.to_owned());
        }
        self.steps.load.push(Load {
            application: new.application.to_owned(),
            module: name.to_owned(),
            file,
            from: old.map(|old| old.module.digest),
            to: new.module.digest,
            calls: self.calls(name, new.module),
            functions: old.map(|old| changed_functions(old.module, new.module)).unwrap_or_default(),
            is_protocol: new.is_protocol,
            has_on_load: new.module.has_on_load,
            source,
        });
    }

    /// Other modules of the group that it calls.
    fn calls(&self, name: &str, module: &Module) -> BTreeSet<String> {
        let loaded = |other: &&String| {
            other.as_str() != name && self.pairs.changed(other).is_some_and(|pair| pair.new.is_some())
        };
        module.imports.keys().filter(loaded).cloned().collect()
    }

    fn gone(&mut self, name: &str, old: Held<'_>) {
        let application = old.application.to_owned();
        self.steps.delete.push(Gone { application, module: name.to_owned(), from: old.module.digest });
        self.steps.purge.insert(name.to_owned());
    }

    fn new_module(&mut self, name: &str, new: Held<'_>) {
        self.load(name, None, new);
        if new.module.has_on_load {
            self.found(Code::OnLoadAdded, Place::module(new.application, name), &[]);
        }
    }

    fn changed(&mut self, pair: &Pair<'_>, old: Held<'_>, new: Held<'_>) {
        let name = pair.name;
        self.load(name, Some(old), new);
        let place = Place::module(new.application, name);
        if old.application != new.application {
            let values = [("from", old.application), ("to", new.application)];
            self.found(Code::ModuleMoved, place.clone(), &values);
        }
        if new.is_protocol {
            return self.found(Code::ProtocolChanged, place, &[]);
        }
        self.native(&place, old.module, new.module);
        match self.policy.overrides.get(name) {
            Some(Override::Load) => return,
            Some(Override::Convert) => return self.convert(name, old, new, Source::Settings),
            Some(Override::Restart) => {
                self.steps.restarts.insert(name.to_owned());
                return self.found(Code::RestartedByOverride, place, &[]);
            }
            None => {}
        }
        // an appup's author has decided
        if !self.appups.names(name) {
            self.decide(name, &place, old, new);
        }
    }

    fn native(&mut self, place: &Place, old: &Module, new: &Module) {
        if old.loads_nif || new.loads_nif {
            self.found(Code::NativeReload, place.clone(), &[]);
        } else if old.has_on_load || new.has_on_load {
            self.found(Code::OnLoad, place.clone(), &[]);
        }
    }

    fn decide(&mut self, name: &str, place: &Place, old: Held<'_>, new: Held<'_>) {
        let (before, after) = (self.role_of(old.module), self.role_of(new.module));
        let keeps_state = |role: Role| !matches!(role, Role::Plain | Role::Loop);
        if let Some(why) = old.module.unread.as_ref().or(new.module.unread.as_ref())
            && (keeps_state(before) || before == Role::Loop)
        {
            return self.found(Code::Unreadable, place.clone(), &[("why", why)]);
        }
        if keeps_state(before) && before != after {
            let values = [("from", before.word()), ("to", after.word())];
            return self.found(Code::BehaviourChanged, place.clone(), &values);
        }
        match before {
            Role::Stateful(behaviour) => self.stateful(name, place, behaviour, old, new),
            Role::Special => self.special(name, place, old, new),
            Role::Actor => self.found(Code::ActorChanged, place.clone(), &[]),
            Role::Loop => self.looping(name, place, old.module, new.module),
            Role::Supervisor | Role::DynamicSupervisor | Role::Plain => {
                self.tables(place, old.module, new.module);
            }
        }
    }

    fn stateful(
        &mut self,
        name: &str,
        place: &Place,
        behaviour: &'static Behaviour,
        old: Held<'_>,
        new: Held<'_>,
    ) {
        let mut change = state_change(old.module, new.module, behaviour.makers);
        if let Some(state) = lost_state_function(behaviour, old.module, new.module) {
            change = StateChange::Shape(format!("the state {state} is gone"));
        }
        let values = |what: &str| [("behaviour", behaviour.word.to_owned()), ("change", what.to_owned())];
        if let Some(converter) = behaviour.converter {
            let goes_back = self.goes_back(old.module, new.module);
            let has_new = has_new_conversion(old.module, new.module, converter);
            // the version that is left knows the way back, if any does
            let had_new = goes_back && has_new_conversion(new.module, old.module, converter);
            let is_known_before =
                old.module.code_change == CodeChange::Own && (change != StateChange::None || had_new);
            match (has_new && !goes_back, is_known_before) {
                (true, _) => return self.convert(name, old, new, Source::Planned),
                (false, true) if goes_back || new.module.code_change != CodeChange::Own => {
                    return self.convert_down(name, place, old, new);
                }
                _ => {}
            }
        }
        self.started_otherwise(place, behaviour, old.module, new.module);
        match change {
            StateChange::None => {}
            StateChange::Constants => {
                let values = [("behaviour", behaviour.word)];
                self.found(Code::ConstantsOfStart, place.clone(), &values);
            }
            StateChange::Shape(what) => {
                let code = match (behaviour.is_clients, new.module.code_change) {
                    (true, _) => Code::ClientStateChanged,
                    (false, CodeChange::Own) => Code::CodeChangeUntouched,
                    (false, _) => Code::StateShapeChanged,
                };
                let values = values(&what);
                let values: Vec<(&str, &str)> = values.iter().map(|(key, it)| (*key, it.as_str())).collect();
                self.found(code, place.clone(), &values);
            }
        }
    }

    /// Whether a module goes back to an earlier version, by the releases' versions, the caller or its author's numbers.
    fn goes_back(&self, old: &Module, new: &Module) -> bool {
        self.is_way_back || vsn_falls(old, new)
    }

    /// Running processes keep the name and the options that they were started with.
    fn started_otherwise(&mut self, place: &Place, behaviour: &Behaviour, old: &Module, new: &Module) {
        let differs = |root: &&Root| {
            let is_in_both = old.function(root.0, root.1).is_some() && new.function(root.0, root.1).is_some();
            is_in_both && reach::change(old, new, &[**root]) == Change::Code
        };
        let of_state = behaviour.makers.iter().any(|maker| STARTERS.contains(maker));
        if let (false, Some((name, arity))) = (of_state, STARTERS.iter().find(differs)) {
            let values = [("function", format!("{name}/{arity}")), ("behaviour", behaviour.word.to_owned())];
            let values: Vec<(&str, &str)> = values.iter().map(|(key, it)| (*key, it.as_str())).collect();
            self.found(Code::StartedOtherwise, place.clone(), &values);
        }
    }

    /// What a module is in this release: one of a behaviour that the release itself defines and that has processes keeps
    /// its state in them.
    fn role_of(&self, module: &Module) -> Role {
        let found = role(module);
        let is_of_processes = |behaviour: &String| {
            let held = self.pairs.new.get(behaviour.as_str()).or(self.pairs.old.get(behaviour.as_str()));
            held.is_some_and(|held| matches!(role(held.module), Role::Stateful(_) | Role::Special))
        };
        match found {
            Role::Plain | Role::Loop if module.behaviours.iter().any(is_of_processes) => Role::Stateful(&OWN),
            found => found,
        }
    }

    /// The way back to a version that does not know the state: the one that runs converts it.
    fn convert_down(&mut self, name: &str, place: &Place, old: Held<'_>, new: Held<'_>) {
        self.found(Code::ConvertedDown, place.clone(), &[]);
        let vsn = vsn(new.module);
        let convert = Convert { direction: Direction::Down, vsn, extra: "[]".to_owned() };
        self.suspend(name, old, Some(convert), Source::Planned);
    }

    fn convert(&mut self, name: &str, old: Held<'_>, new: Held<'_>, source: Source) {
        let vsn = vsn(old.module);
        let has_any = new.module.code_change != CodeChange::None;
        let convert = Convert { direction: Direction::Up, vsn, extra: "[]".to_owned() };
        self.suspend(name, new, has_any.then_some(convert), source);
    }

    pub(super) fn suspend(&mut self, name: &str, held: Held<'_>, convert: Option<Convert>, source: Source) {
        self.steps.conversions.push(Conversion {
            application: held.application.to_owned(),
            module: name.to_owned(),
            behaviour: role(held.module).word().to_owned(),
            convert,
            source,
        });
    }

    fn special(&mut self, name: &str, place: &Place, old: Held<'_>, new: Held<'_>) {
        if self.goes_back(old.module, new.module) && old.module.code_change == CodeChange::Own {
            self.found(Code::SpecialProcess, place.clone(), &[]);
            return self.convert_down(name, place, old, new);
        }
        if has_new_conversion(old.module, new.module, SPECIAL) {
            self.found(Code::SpecialProcess, place.clone(), &[]);
            return self.convert(name, old, new, Source::Planned);
        }
        if let Some(change) = shape_change(old.module, new.module) {
            let values = [("behaviour", "special"), ("change", change.as_str())];
            self.found(Code::StateShapeChanged, place.clone(), &values);
        }
    }

    /// Processes that run the module's own functions: as long as they do, they run the old ones. Those that call themselves
    /// with the module's name go over to the new ones with the state that they have.
    fn looping(&mut self, name: &str, place: &Place, old: &Module, new: &Module) {
        let loops = old.imports.get(name);
        let begun = loops.map(|loops| reach::changed_besides(old, new, loops)).unwrap_or_default();
        let begun = begun.first().map(|function| format!("{function} begins it otherwise"));
        match shape_change(old, new).or(begun) {
            Some(change) => {
                let values = [("behaviour", "spawned"), ("change", change.as_str())];
                self.found(Code::StateShapeChanged, place.clone(), &values);
            }
            None => self.found(Code::LoopInModule, place.clone(), &[]),
        }
    }

    /// Data that outlives the code in tables.
    fn tables(&mut self, place: &Place, old: &Module, new: &Module) {
        const TABLES: &[&str] = &["ets", "dets", "mnesia", "persistent_term"];
        let used: Vec<&str> =
            TABLES.iter().filter(|table| old.imports.contains_key(**table)).copied().collect();
        if let (false, Some(change)) = (used.is_empty(), shape_change(old, new)) {
            let values = [("tables", used.join(", ")), ("change", change)];
            let values: Vec<(&str, &str)> = values.iter().map(|(key, it)| (*key, it.as_str())).collect();
            self.found(Code::TableShapeChanged, place.clone(), &values);
        }
    }

    /// Functions that are gone and still called.
    fn missing_functions(&mut self) {
        for missing in &self.difference.missing {
            let place = match self.pairs.old.get(missing.module.as_str()) {
                Some(held) => Place::module(held.application, &missing.module),
                None => Place::module("", &missing.module),
            };
            let function = missing.function.to_string();
            let values = [("caller", module_name(&missing.caller)), ("function", function.as_str())];
            self.found(Code::MissingFunction, place, &values);
        }
    }
}

/// A state function of a `gen_statem` that is gone: a process in that state would have nowhere to go.
fn lost_state_function(behaviour: &Behaviour, old: &Module, new: &Module) -> Option<String> {
    const NO_STATES: &[&str] = &["code_change", "terminate", "handle_event", "format_status", "start_link"];
    let is_state_machine = matches!(behaviour.word, "gen_statem" | "gen_fsm");
    let is_state = |name: &&FunctionName| name.arity == 3 && !NO_STATES.contains(&name.name.as_str());
    let mut gone = old.exports.iter().filter(|name| is_state(name) && !new.exports.contains(*name));
    // who calls it from outside calls an interface, not a state
    gone.next().filter(|_| is_state_machine).map(|name| name.name.clone())
}

/// Functions that differ, are new or are gone.
fn changed_functions(old: &Module, new: &Module) -> Vec<String> {
    let names: BTreeSet<&FunctionName> = old.functions.keys().chain(new.functions.keys()).collect();
    let digest = |module: &Module, name: &FunctionName| module.functions.get(name).map(|it| it.digest);
    let differs = |name: &&FunctionName| digest(old, name) != digest(new, name);
    names.into_iter().filter(differs).map(FunctionName::to_string).collect()
}

/// Whether the code below one function differs.
pub(super) fn differs(old: &Module, new: &Module, root: Root) -> bool {
    reach::change(old, new, &[root]) != Change::Same
}
