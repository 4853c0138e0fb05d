//! What a run of the simulator is given.

use std::collections::BTreeMap;
use std::time::Duration;

use engine::Mistake;

use crate::chance::Chance;
use crate::disturbance::{Ask, Disturbance, What};
use crate::gremlin::Action;
use crate::nature::Versions;

/// A seed and what happens.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// What the versions are like; its seed decides how long everything takes.
    pub versions: Versions,
    /// What happens, in the order of time.
    pub disturbances: Vec<Disturbance>,
    /// What goes wrong at the fault points with these numbers, counted over the run from 0.
    pub at: BTreeMap<usize, Action>,
    /// Where the app is kept.
    pub storage: Storage,
    /// A mistake that the engine makes.
    pub mistake: Option<Mistake>,
}

/// Where a simulation keeps the app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// In memory: quick enough for a million turns.
    Memory,
    /// In the real journal, on a file system in memory where there is one.
    Sqlite,
}

/// Versions that are deployed.
const LABELS: u64 = 8;

impl Scenario {
    /// So many disturbances, as the seed has it.
    pub fn random(seed: u64, disturbances: usize) -> Self {
        let mut chance = Chance::new(seed, &[1]);
        let mut at = Duration::from_secs(1);
        let mut list = vec![Disturbance { at, what: What::Asks(Ask::Deploy("1".into())) }];
        for _ in 1..disturbances {
            let gap_ms = chance.one_of(&[50, 500, 3_000, 3_000, 20_000, 120_000]);
            at += Duration::from_millis(chance.below(gap_ms));
            list.push(Disturbance { at, what: what(&mut chance) });
        }
        Scenario::of(Versions { seed, all: None, hot: false }, list)
    }

    /// Disturbances, with nothing else that goes wrong.
    pub fn of(versions: Versions, disturbances: Vec<Disturbance>) -> Self {
        Scenario { versions, disturbances, at: BTreeMap::new(), storage: Storage::Memory, mistake: None }
    }
}

fn what(chance: &mut Chance) -> What {
    let away = |chance: &mut Chance| Duration::from_millis(chance.one_of(&[10, 500, 5_000, 90_000]));
    let pick = usize::try_from(chance.below(16)).expect("it is small");
    match chance.below(100) {
        0..50 => What::Asks(ask(chance)),
        50..58 => What::Death(away(chance)),
        58..60 => What::Reboot(away(chance)),
        60..64 => What::ShimDies(pick),
        64..71 => What::Exits(pick),
        71 => What::Sickens(pick),
        72..74 => What::Hangs(pick, Duration::from_secs(chance.one_of(&[1, 12, 40, 400]))),
        74 if pick < 8 => What::FallsMute(pick),
        74 => What::Errs,
        75..79 => What::AtEffect(Action::Kill, false),
        79..83 => What::AtEffect(Action::Kill, true),
        83..86 => What::AtEffect(Action::Fail, false),
        86 => What::AtEffect(Action::Lose, false),
        87..90 => What::AtEffect(Action::Repeat, false),
        90..93 => What::AtCommit(Action::Kill, false),
        93..95 => What::AtCommit(Action::Kill, true),
        95 => What::LooksDown(pick, chance.once_in(2)),
        // Far more than what is there may take.
        96 => What::ClockIsSet(chance.one_of(&[-100, -5, 5, 100])),
        _ => What::AtCommit(Action::Fail, false),
    }
}

fn ask(chance: &mut Chance) -> Ask {
    let label = (1 + chance.below(LABELS)).to_string();
    match chance.below(48) {
        0..9 => Ask::Deploy(label),
        9..15 => Ask::Names(label),
        15..18 => Ask::Activate(label),
        18..20 => Ask::Rollback,
        20..22 => Ask::Cancel { queued: false },
        22 => Ask::Cancel { queued: true },
        23 => Ask::Restart(None),
        24 => Ask::Restart(Some(chance.one_of(&[1, 2, 3]))),
        25 => Ask::Stop,
        26..29 => Ask::Start,
        29..32 => Ask::Scale(chance.one_of(&[1, 2, 3, 4])),
        32 => Ask::Set { value: chance.below(3), later: false },
        33 => Ask::Set { value: chance.below(3), later: true },
        34..36 => Ask::Follow,
        36 => Ask::PinTo(label),
        37 => Ask::ClearGhosts,
        38 => Ask::Pin(label),
        39 => Ask::Promote,
        40 => Ask::Pause(1 + chance.below(60)),
        41 => Ask::Resume,
        42 => Ask::BeginMaintenance,
        43 => Ask::EndMaintenance,
        44 => Ask::Freeze,
        45..47 => Ask::Unfreeze,
        _ => Ask::Delete(label),
    }
}
