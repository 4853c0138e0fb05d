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
    /// The next base where all its ports are free, and whether all bases above it are as good.
    pub free: Option<(u16, bool)>,
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
            Some((base, true)) => format!("choose {base} or higher"),
            Some((base, false)) => format!("choose {base}"),
            None => "choose a lower one: no range above it is free".to_owned(),
        }
    }
}

/// Reserved ports of apps, in the order in which they were reserved.
#[derive(Debug, Clone, Default)]
pub struct Reserved(Vec<(AppName, Reservation)>);

impl Reserved {
    /// Nothing reserved.
    pub fn new() -> Reserved {
        Reserved::default()
    }

    /// Reserves an app's ports and says which of them were taken, by another app, by the app itself or by epmd.
    /// The earlier one keeps its ports; each reservation is told of the first holder in its way.
    pub fn add(&mut self, app: &AppName, settings: &AppSettings) -> Vec<Overlap> {
        let mut overlaps = Vec::new();
        let wanted = reservations(settings);
        for (nth, reservation) in wanted.iter().enumerate() {
            let later = wanted.get(nth + 1..).unwrap_or_default();
            overlaps.extend(self.overlap(reservation, later));
            self.0.push((app.clone(), reservation.clone()));
        }
        overlaps
    }

    fn overlap(&self, wanted: &Reservation, later: &[Reservation]) -> Option<Overlap> {
        let range = wanted.range();
        let (holder, taken) = self.holders().find(|(_, taken)| taken.overlaps(range))?;
        let mut others: Vec<PortRange> = self.holders().map(|(_, range)| range).collect();
        others.extend(later.iter().map(Reservation::range));
        Some(Overlap { name: wanted.name.clone(), range, holder, taken, free: next_free(range, &others) })
    }

    fn holders(&self) -> impl Iterator<Item = (Holder, PortRange)> {
        let epmd = PortRange { first: EPMD_PORT.into(), last: EPMD_PORT.into() };
        self.0
            .iter()
            .map(|(app, held)| (Holder::App(app.clone(), held.name.clone()), held.range()))
            .chain([(Holder::Epmd, epmd)])
    }
}

/// The next base from which the whole range is free, and whether nothing is taken above it.
fn next_free(range: PortRange, others: &[PortRange]) -> Option<(u16, bool)> {
    let mut candidate = range;
    while let Some(taken) = others.iter().find(|taken| taken.overlaps(candidate)) {
        candidate = candidate.at(taken.last + 1);
    }
    let base = u16::try_from(candidate.first).ok().filter(|_| candidate.exists())?;
    let above = others.iter().any(|taken| taken.first > candidate.first);
    Some((base, !above))
}
