//! A simulated shim and the process tree that it owns.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use model::app::{ExitHow, ShimFact, Target};
use model::{Place, Slot};

use crate::chance::Chance;
use crate::nature::Nature;

/// A shim, living or dead; a dead one's event log lies on disk until it is cleaned up.
#[derive(Debug, Clone)]
pub(crate) struct Shim {
    pub(crate) place: Place,
    pub(crate) slot: Slot,
    /// What its runs begin as.
    pub(crate) target: Target,
    /// What runs in the current one.
    pub(crate) live: Target,
    pub(crate) state: State,
    /// It lives and answers nobody.
    pub(crate) is_mute: bool,
    /// Number of its last run.
    pub(crate) run: u32,
    /// Its event log.
    pub(crate) log: Vec<(u64, ShimFact)>,
    /// The last event that this daemon has taken.
    pub(crate) told: u64,
    /// Whether an event of it is on its way to the daemon.
    pub(crate) is_telling: bool,
    /// Whether the daemon knows of its death.
    is_known_dead: bool,
    /// How runs of what they begin as go.
    pub(crate) nature: Nature,
    chance: Chance,
    consecutive: u32,
}

/// What a shim is doing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum State {
    /// It was told nothing yet.
    Waiting,
    /// Its process runs.
    Up(Up),
    /// Its process exited and is started again at that time.
    Down { until: Timestamp },
    /// Its process is being ended; gone at that time.
    Stopping { until: Timestamp },
    /// It has ended its process, as it was told.
    Stopped,
    /// It died, and its process with it.
    Dead,
}

impl State {
    /// The one word for it.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            State::Waiting => "waiting",
            State::Up(_) => "up",
            State::Down { .. } => "down",
            State::Stopping { .. } => "stopping",
            State::Stopped => "stopped",
            State::Dead => "dead",
        }
    }
}

/// A run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Up {
    pub(crate) since: Timestamp,
    ready_at: Option<Timestamp>,
    sick_at: Option<Timestamp>,
    hangs_until: Option<Timestamp>,
    exits_at: Option<Timestamp>,
}

/// What a check sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// It answers well.
    Well,
    /// It does not answer, or says that it is not ready.
    NotYet,
    /// It was well and is not any more.
    Sick,
}

/// After so long, a shim kills what was told to end and has not.
const KILL_AFTER: Duration = Duration::from_secs(10);

impl Up {
    fn hangs(&self, now: Timestamp) -> bool {
        self.hangs_until.is_some_and(|until| now < until)
    }
}

/// First wait of a shim before it starts its process again, and what each further exit adds.
const STEP: Duration = Duration::from_secs(2);

pub(crate) fn after(time: Timestamp, wait: Duration) -> Timestamp {
    time.checked_add(SignedDuration::try_from(wait).expect("it is short")).expect("it is near")
}

impl Shim {
    pub(crate) fn new(place: Place, slot: Slot, target: Target, nature: Nature, chance: Chance) -> Self {
        Shim {
            place,
            slot,
            target,
            live: target,
            state: State::Waiting,
            is_mute: false,
            run: 0,
            log: Vec::new(),
            told: 0,
            is_telling: false,
            is_known_dead: false,
            nature,
            chance,
            consecutive: 0,
        }
    }

    /// Whether the shim itself lives.
    pub(crate) fn lives(&self) -> bool {
        self.state != State::Dead
    }

    /// Whether a process of its app lives: it holds port and node name.
    pub(crate) fn runs(&self) -> bool {
        matches!(self.state, State::Up(_) | State::Stopping { .. })
    }

    /// Whether it would be seen well by a check.
    pub(crate) fn is_well(&self, now: Timestamp) -> bool {
        self.seen(now) == Seen::Well
    }

    /// Whether nothing that a check saw while it hung can be on its way any more.
    pub(crate) fn is_settled(&self, now: Timestamp) -> bool {
        let State::Up(up) = &self.state else { return true };
        up.hangs_until.is_none_or(|until| after(until, Duration::from_secs(1)) <= now)
    }

    pub(crate) fn seen(&self, now: Timestamp) -> Seen {
        match &self.state {
            State::Up(up) if up.ready_at.is_none_or(|at| now < at) => Seen::NotYet,
            State::Up(up) if up.hangs(now) || up.sick_at.is_some_and(|at| at <= now) => Seen::Sick,
            State::Up(_) => Seen::Well,
            _ => Seen::NotYet,
        }
    }

    /// The next time at which it changes by itself.
    pub(crate) fn next_at(&self, now: Timestamp) -> Option<Timestamp> {
        match &self.state {
            State::Up(up) => {
                let changes = [up.sick_at, up.hangs_until].into_iter().flatten().filter(|at| *at > now);
                changes.chain(up.exits_at).min()
            }
            State::Down { until } | State::Stopping { until } => Some(*until),
            State::Waiting | State::Stopped | State::Dead => None,
        }
    }

    /// Changes by itself, as it is due now.
    pub(crate) fn go_on(&mut self, now: Timestamp) {
        match &self.state {
            State::Up(up) if up.exits_at.is_some_and(|at| at <= now) => self.exit(now),
            State::Down { until } if *until <= now => self.start_run(now),
            State::Stopping { until } if *until <= now => self.state = State::Stopped,
            _ => {}
        }
    }

    /// Starts a run.
    pub(crate) fn start_run(&mut self, now: Timestamp) {
        self.run += 1;
        self.live = self.target;
        let run = self.run;
        let boot = after(now, self.wait(200, 3_000));
        let later = after(boot, self.wait(500, 20_000));
        let (mut ready_at, mut sick_at, mut exits_at) = (Some(boot), None, None);
        match self.nature {
            Nature::Good => {}
            Nature::ExitsAtBoot => (ready_at, exits_at) = (None, Some(boot)),
            Nature::NeverReady => ready_at = None,
            Nature::ExitsLater => exits_at = Some(later),
            Nature::Sickens => sick_at = Some(later),
        }
        self.state = State::Up(Up { since: now, ready_at, sick_at, hangs_until: None, exits_at });
        self.write(ShimFact::Started { run, pid: 1_000 + run, at: now });
    }

    /// Whether its process lives, and is of this run.
    pub(crate) fn is_in_run(&self, run: u32) -> bool {
        self.run == run && matches!(self.state, State::Up(_))
    }

    /// Its process takes in another version, and goes on as that one's do; at once if it did before.
    pub(crate) fn take_in(&mut self, target: Target, nature: Nature, now: Timestamp) {
        if self.live == target {
            return;
        }
        self.live = target;
        let later = after(now, self.wait(500, 20_000));
        let State::Up(up) = &mut self.state else { return };
        up.exits_at = (nature == Nature::ExitsLater).then_some(later);
        up.sick_at = (nature == Nature::Sickens).then_some(later);
    }

    /// Its process exits by itself.
    pub(crate) fn exit(&mut self, now: Timestamp) {
        let State::Up(up) = &self.state else { return };
        let lasted = now.duration_since(up.since);
        let uptime_ms = u64::try_from(lasted.as_millis()).expect("time goes on");
        self.consecutive = if uptime_ms >= 60_000 { 1 } else { self.consecutive + 1 };
        let wait = if self.consecutive == 1 { Duration::ZERO } else { STEP * self.consecutive };
        let until = after(now, wait.min(Duration::from_secs(300)));
        let (run, how) = (self.run, ExitHow::Status(1));
        self.write(ShimFact::Exited { run, at: now, how, uptime_ms, crash_dump: None, tail: None });
        self.write(ShimFact::BackingOff { until, consecutive: self.consecutive });
        self.state = State::Down { until };
    }

    /// Its process fails its checks from now on.
    pub(crate) fn sicken(&mut self, now: Timestamp) {
        if let State::Up(up) = &mut self.state {
            up.sick_at = Some(now);
        }
    }

    /// Its process answers nobody for so long.
    pub(crate) fn hang(&mut self, now: Timestamp, lasting: Duration) {
        if let State::Up(up) = &mut self.state {
            up.hangs_until = Some(after(now, lasting));
        }
    }

    /// It is told to end its process.
    pub(crate) fn begin_stop(&mut self, now: Timestamp) {
        match &self.state {
            State::Up(up) => {
                let answers_at = up.hangs_until.unwrap_or(now).clamp(now, after(now, KILL_AFTER));
                self.state = State::Stopping { until: after(answers_at, self.wait(20, 1_500)) };
            }
            State::Waiting | State::Down { .. } => self.state = State::Stopped,
            State::Stopping { .. } | State::Stopped | State::Dead => {}
        }
    }

    /// It dies. What it had told nobody stays in its log.
    pub(crate) fn die(&mut self) {
        self.state = State::Dead;
        self.is_mute = false;
    }

    /// From now on all goes well with it.
    pub(crate) fn heal(&mut self, now: Timestamp) {
        (self.nature, self.is_mute) = (Nature::Good, false);
        let boot = after(now, self.wait(200, 3_000));
        if let State::Up(up) = &mut self.state {
            up.ready_at = Some(up.ready_at.unwrap_or(boot));
            (up.sick_at, up.hangs_until, up.exits_at) = (None, None, None);
        }
    }

    /// A daemon that has taken its events up to this one follows it from now on. Of one that is dead it knows.
    pub(crate) fn begin_to_tell(&mut self, taken: u64) {
        (self.told, self.is_telling) = (taken, false);
        if self.state == State::Dead {
            (self.told, self.is_known_dead) = (self.log.len() as u64, true);
        }
    }

    /// The number of its last event.
    pub(crate) fn last(&self) -> u64 {
        self.log.len() as u64
    }

    /// Whether there is something that the daemon does not know.
    pub(crate) fn has_news(&self) -> bool {
        !self.is_mute
            && (self.told < self.log.len() as u64 || (self.state == State::Dead && !self.is_known_dead))
    }

    /// The next thing for the daemon to know, if nothing is on its way to it. 0: its own end.
    pub(crate) fn tell(&mut self) -> Option<(u64, ShimFact)> {
        if self.is_telling || !self.has_news() {
            return None;
        }
        self.is_telling = true;
        let next = self.log.iter().find(|(seq, _)| *seq > self.told).cloned();
        next.or(Some((0, ShimFact::Gone)))
    }

    /// The daemon has taken an event.
    pub(crate) fn has_told(&mut self, seq: u64) {
        self.is_telling = false;
        if seq == 0 { self.is_known_dead = true } else { self.told = self.told.max(seq) }
    }

    fn write(&mut self, fact: ShimFact) {
        self.log.push((self.log.len() as u64 + 1, fact));
    }

    fn wait(&mut self, least_ms: u64, most_ms: u64) -> Duration {
        Duration::from_millis(least_ms + self.chance.below(most_ms - least_ms))
    }
}
