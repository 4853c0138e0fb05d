//! The simulated host: shims with their processes, runners of commands, packages, trees, links. It goes on while the
//! daemon is away, and says what it saw that must never be.

mod proxy;
mod runner;
mod service;
mod shim;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use engine::Unreached;
use jiff::{SignedDuration, Timestamp};
use model::app::{App, Links, Target};
use model::{AppName, DeploymentId, InstanceId, Place, VersionLabel};

pub(crate) use proxy::Proxy;
pub(crate) use runner::{Progress, Runners};
pub(crate) use service::Service;
pub(crate) use shim::{Seen, Shim, State, after};

use crate::chance::Chance;
use crate::doer::Subject;
use crate::nature::{Nature, Versions};

/// The host.
pub(crate) struct World {
    pub(crate) now: Timestamp,
    /// What the daemon's clock shows is this much later.
    pub(crate) clock_set_by: SignedDuration,
    pub(crate) versions: Versions,
    pub(crate) shims: BTreeMap<InstanceId, Shim>,
    pub(crate) runners: Runners,
    /// Packages that lie here.
    pub(crate) packages: BTreeSet<VersionLabel>,
    /// Instances whose tree is laid out.
    pub(crate) trees: BTreeSet<InstanceId>,
    pub(crate) links: BTreeMap<Place, Links>,
    /// The app as the journal has it.
    pub(crate) durable: Arc<App>,
    pub(crate) proxy: Proxy,
    /// What clients of the app see.
    pub(crate) service: Service,
    /// What an effect is being done about.
    pub(crate) busy: BTreeSet<Subject>,
    /// How many lives the daemon has had.
    pub(crate) life: u64,
    /// The number that the next deployment gets.
    pub(crate) next_deployment: u64,
    /// From now on all goes well.
    pub(crate) is_calm: bool,
    /// What must never be and was.
    pub(crate) broken: Option<String>,
    /// What happened, where somebody wants to read it.
    pub(crate) trace: Option<Vec<String>>,
    began: Timestamp,
}

impl World {
    pub(crate) fn new(versions: Versions) -> Self {
        let now: Timestamp = "2026-11-21T09:00:00Z".parse().expect("it is a time");
        let name: AppName = "beacon".parse().expect("it is a name");
        World {
            now,
            clock_set_by: SignedDuration::ZERO,
            versions,
            shims: BTreeMap::new(),
            runners: Runners::default(),
            packages: BTreeSet::new(),
            trees: BTreeSet::new(),
            links: BTreeMap::new(),
            durable: Arc::new(App::new(name)),
            proxy: Proxy::default(),
            service: Service::default(),
            busy: BTreeSet::new(),
            life: 0,
            next_deployment: 1,
            is_calm: false,
            broken: None,
            trace: None,
            began: now,
        }
    }

    /// A row of numbers for something.
    pub(crate) fn chance(&self, keys: &[u64]) -> Chance {
        Chance::new(self.versions.seed, keys)
    }

    /// Time since the beginning.
    pub(crate) fn age(&self) -> Duration {
        Duration::try_from(self.now.duration_since(self.began)).expect("time goes on")
    }

    /// Writes a line of the trace.
    pub(crate) fn note(&mut self, line: impl FnOnce(&World) -> String) {
        if self.trace.is_some() {
            let line = format!("{:>9.3} {}", self.age().as_secs_f64(), line(self));
            self.trace.iter_mut().for_each(|lines| lines.push(line.clone()));
        }
    }

    /// Something that must never be was seen; the first is kept.
    pub(crate) fn breaks(&mut self, what: impl Into<String>) {
        let what = what.into();
        self.note(|_| format!("BROKEN: {what}"));
        self.broken.get_or_insert(what);
    }

    /// Lets the host go on until a time.
    pub(crate) fn go_on(&mut self, until: Timestamp) {
        while let Some((at, id)) = self.next().filter(|(at, _)| *at <= until) {
            let was_well = self.shims.get(&id).is_some_and(|shim| shim.is_well(self.now));
            self.now = self.now.max(at);
            self.apply(id, was_well, Shim::go_on);
        }
        self.now = self.now.max(until);
    }

    /// When something changes by itself, and which shim.
    fn next(&self) -> Option<(Timestamp, InstanceId)> {
        self.shims.iter().filter_map(|(id, shim)| Some((shim.next_at(self.now)?, *id))).min()
    }

    /// When something changes by itself.
    pub(crate) fn next_at(&self) -> Option<Timestamp> {
        self.next().map(|(at, _)| at)
    }

    /// Something happens to a shim that nobody asked for.
    pub(crate) fn befall(&mut self, id: InstanceId, change: impl FnOnce(&mut Shim, Timestamp)) {
        let was_well = self.shims.get(&id).is_some_and(|shim| shim.is_well(self.now));
        self.apply(id, was_well, change);
    }

    /// The daemon changes a shim.
    pub(crate) fn change(&mut self, id: InstanceId, change: impl FnOnce(&mut Shim, Timestamp)) {
        self.apply(id, false, change);
    }

    /// Changes a shim now, and looks at what follows. Where one that was well is lost, nothing is promised any more.
    fn apply(&mut self, id: InstanceId, was_well: bool, change: impl FnOnce(&mut Shim, Timestamp)) {
        let now = self.now;
        let Some(shim) = self.shims.get_mut(&id) else { return };
        let (ran, run_before, before) = (shim.runs(), shim.run, shim.state.word());
        change(shim, now);
        let (runs, run, word, is_well) = (shim.runs(), shim.run, shim.state.word(), shim.is_well(now));
        if before != word {
            self.note(|_| format!("      {id} is {word}"));
        }
        if ran && (!runs || run != run_before) {
            self.proxy.is_cut_off(id, self.now);
        }
        if was_well && !is_well {
            self.service.is_harmed();
        }
        if runs && (!ran || run != run_before) {
            self.look_at_start(id);
        }
        self.look_at_service();
    }

    /// How runs of a version go.
    pub(crate) fn nature(&self, app: &App, target: Target) -> Nature {
        let label = app.version(target.version).map(|version| version.label.clone());
        label.filter(|_| !self.is_calm).map_or(Nature::Good, |label| self.versions.nature(&label))
    }

    /// A shim is spawned for an instance of the app.
    pub(crate) fn spawn(&mut self, app: &App, id: InstanceId) {
        let Some(instance) = app.instances.get(&id) else { return };
        let nature = self.nature(app, instance.target);
        let chance = self.chance(&[3, id.0]);
        let mut shim = Shim::new(instance.place, instance.slot, instance.target, nature, chance);
        shim.told = instance.seq;
        self.shims.insert(id, shim);
    }

    /// The number of a deployment that may come.
    pub(crate) fn take_deployment(&mut self) -> DeploymentId {
        self.next_deployment += 1;
        DeploymentId(self.next_deployment - 1)
    }

    /// From now on all goes well.
    pub(crate) fn calm(&mut self) {
        self.is_calm = true;
        let now = self.now;
        self.shims.values_mut().for_each(|shim| shim.heal(now));
    }

    /// A fact was told: it may be stale, but never given back because the journal could not be written.
    pub(crate) fn look_at_answer(&mut self, answer: Result<(), Unreached>) {
        if let Err(Unreached::Journal(error)) = answer {
            self.breaks(format!("a fact was dropped: {error}"));
        }
    }

    /// An instance whose shim has told something that the app does not know.
    pub(crate) fn untold(&self, app: &App) -> Option<InstanceId> {
        let living = app.instances.values().filter(|it| !it.is_gone()).map(|it| it.id);
        let has_told = |id: &InstanceId| self.shims.get(id).is_some_and(|shim| shim.lives() && !shim.is_mute);
        living.filter(has_told).find(|id| !self.knows(*id, app))
    }

    /// A place whose links are others than the app wants.
    pub(crate) fn wrong_links(&self, app: &App) -> Option<Place> {
        let is_wrong = |place: &Place, wanted: &Links| self.links.get(place).is_some_and(|is| is != wanted);
        app.places.iter().find(|(place, state)| is_wrong(place, &state.links)).map(|(place, _)| *place)
    }

    /// A person looks at the host: what should have ended is ended, and what did not answer does.
    pub(crate) fn be_looked_at(&mut self) {
        let ids: Vec<InstanceId> = self.shims.keys().copied().collect();
        for id in ids {
            self.befall(id, |shim, _| shim.is_mute = false);
            if self.durable.instances.get(&id).is_none_or(model::app::Instance::is_gone) {
                self.befall(id, |shim, _| shim.die());
                self.shims.remove(&id);
            }
        }
    }

    /// The host goes down and comes up again: no process is left.
    pub(crate) fn reboot(&mut self) {
        self.service.is_harmed();
        self.runners.lose();
        for shim in self.shims.values_mut() {
            shim.die();
        }
    }
}
