//! Which ports an app has, and that no two have the same.

use std::collections::BTreeMap;
use std::fmt;

use super::app::AppSettings;
use super::checks::PortName;
use crate::names::{AppName, Place, Slot};

/// Erlang's port mapper daemon; every node of the host needs it.
pub const EPMD_PORT: u16 = 4369;

/// The ports that one variable of an app may ever hold: `base` for each place and slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reservation {
    /// The variable.
    pub name: PortName,
    /// Its value for place 1 in slot a.
    pub base: u16,
    /// Most places of the app.
    pub max: u16,
}

impl Reservation {
    /// First and last port, both slots; the last may lie beyond 65535.
    pub fn range(&self) -> PortRange {
        let first = u32::from(self.base);
        PortRange { first, last: first + 2 * u32::from(self.max.max(1)) - 1 }
    }

    /// The port of one instance; `None` for a place beyond `max`, or a port beyond 65535.
    pub fn port_of(&self, slot: Slot, place: Place) -> Option<u16> {
        if !(1..=self.max).contains(&place.0) {
            return None;
        }
        let shift = match slot {
            Slot::A => 0,
            Slot::B => self.max,
        };
        self.base.checked_add(shift)?.checked_add(place.0 - 1)
    }
}

/// Ports from `first` to `last`, shown as `4000–4005`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange {
    /// The first one.
    pub first: u32,
    /// The last one.
    pub last: u32,
}

impl PortRange {
    /// Both hold some port.
    pub fn overlaps(self, other: PortRange) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// All ports are ones that exist.
    pub fn exists(self) -> bool {
        self.last <= u32::from(u16::MAX)
    }

    fn at(self, first: u32) -> PortRange {
        PortRange { first, last: first + (self.last - self.first) }
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}–{}", self.first, self.last)
    }
}

/// All ports of an app: `PORT` first, then the keys of `ports`.
pub fn reservations(app: &AppSettings) -> Vec<Reservation> {
    let max = app.max();
    let port = Reservation { name: PortName::Port, base: app.port, max };
    let extra = app.ports.iter();
    std::iter::once(port)
        .chain(extra.map(|(name, base)| Reservation {
            name: PortName::Extra(name.clone()),
            base: *base,
            max,
        }))
        .collect()
}

/// The port variables of one instance. Empty for a place beyond `max`.
pub fn ports_of(app: &AppSettings, slot: Slot, place: Place) -> BTreeMap<PortName, u16> {
    reservations(app)
        .into_iter()
        .filter_map(|reservation| {
            let port = reservation.port_of(slot, place)?;
            Some((reservation.name, port))
        })
        .collect()
}

/// One of an app's reservations holds ports that are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlap {
    /// The reservation that must move.
    pub name: PortName,
    /// Its ports.
    pub range: PortRange,
    /// Who has some of them.
    pub holder: Holder,
    /// Ports of the holder.
    pub taken: PortRange,
    /// The next base above where all its ports are free.
    pub free: Option<u16>,
}

/// Who holds ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// A variable of an app.
    App(AppName, PortName),
    /// epmd
    Epmd,
}

impl Overlap {
    /// What is wrong.
    pub fn message(&self) -> String {
        let holder = match &self.holder {
            Holder::App(app, PortName::Port) => format!("\"{app}\" ({})", self.taken),
            Holder::App(app, PortName::Extra(name)) => format!("{name} of \"{app}\" ({})", self.taken),
            Holder::Epmd => format!("{EPMD_PORT}, the port of epmd, which every node needs"),
        };
        let verb = if self.holder == Holder::Epmd { "holds" } else { "overlaps" };
        format!("{} {verb} {holder}", self.range)
    }

    /// What to do about it.
    pub fn remedy(&self) -> String {
        match self.free {
            Some(base) => format!("choose {base}"),
            None => "choose a lower one: no range above it is free".to_owned(),
        }
    }
}

/// All reservations that take ports of an earlier app, of the same app or of epmd. Apps come in the order in
/// which they were reserved: the earlier one keeps its ports. The proposed bases fit together, so whoever follows
/// all of them is done. Ranges beyond 65535 are not looked at; merging the settings refuses them.
///
/// An app that comes more than once reserves the ports of all its settings (what it runs and what it is about to
/// run), which may overlap each other.
pub fn overlaps(apps: &[(&AppName, &AppSettings)]) -> Vec<(AppName, Overlap)> {
    let epmd = PortRange { first: EPMD_PORT.into(), last: EPMD_PORT.into() };
    let mut held: Vec<(Option<usize>, Holder, PortRange)> = vec![(None, Holder::Epmd, epmd)];
    let mut refused = Vec::new();
    for (nth, (app, settings)) in apps.iter().enumerate() {
        // What this app holds by other settings is its own.
        let own = |by: Option<usize>| by.is_some_and(|by| by != nth && apps[by].0 == *app);
        for reservation in reservations(settings).into_iter().filter(|wanted| wanted.range().exists()) {
            let range = reservation.range();
            match held.iter().find(|(by, _, taken)| taken.overlaps(range) && !own(*by)) {
                Some((_, holder, taken)) => refused.push((*app, reservation, (holder.clone(), *taken))),
                None => held.push((Some(nth), Holder::App((*app).clone(), reservation.name), range)),
            }
        }
    }
    let mut taken: Vec<PortRange> = held.into_iter().map(|(_, _, range)| range).collect();
    let propose = |(app, reservation, (holder, held)): (&AppName, Reservation, (Holder, PortRange))| {
        let range = reservation.range();
        let free = next_free(range, &taken);
        taken.extend(free.map(|base| range.at(base.into())));
        (app.clone(), Overlap { name: reservation.name, range, holder, taken: held, free })
    };
    refused.into_iter().map(propose).collect()
}

/// The next base from which the whole range is free.
fn next_free(range: PortRange, others: &[PortRange]) -> Option<u16> {
    let mut candidate = range;
    while let Some(taken) = others.iter().find(|taken| taken.overlaps(candidate)) {
        candidate = candidate.at(taken.last + 1);
    }
    u16::try_from(candidate.first).ok().filter(|_| candidate.exists())
}
