//! What the child is doing and what happens to it next.
//!
//! ```text
//! Waiting ─start→ Running ─main process ends→ Sweeping ─nothing left→ BackingOff ─time→ Running
//!                                                      └→ Stopped (asked, or policy) / Finished (task)
//! ```

use crate::cgroup::Cgroup;
use crate::child;
use crate::clock;
use crate::crash_dump;
use crate::event_log::EventLog;
use crate::folders::Folders;
use crate::lend;
use crate::listen::Listeners;
use crate::mark;
use crate::output::{Drained, Output};
use crate::processes;
use crate::renewal::number;
use crate::run::{End, Run};
use crate::start_check;
use crate::tree::{self, Reaped};
use rustix::io::Errno;
use rustix::process::{Signal, WaitStatus};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use wire::field::Blob;
use wire::shim::renewal::Renewal;
use wire::shim::saved::{self, Header};
use wire::shim::{
    Began, Exited, Happening, HeartNoticed, How, INSTANCE_VARIABLE, Kind, LISTEN_VARIABLE, Listen,
    LogDropped, MARK_VARIABLE, Refusal, RestartForced, RestartMode, RestartPolicy, Restarting, SetRun, Start,
    Started, State, Status, Stopped, Stream,
};

/// How long the tree may resist SIGKILL before we go on without it, in ms: only uninterruptible sleep does.
const SWEEP_LIMIT_MS: u64 = 10_000;
/// Between two rounds of killing, in ms.
const SWEEP_ROUND_MS: u64 = 20;
/// How long output may take to be written before another program goes on, in ms: the child's pipes wait meanwhile.
const FLUSH_MS: u64 = 1_000;
/// Turns of reading that a pipe gets when its run is over; the kernel holds a quarter of one by default.
const LAST_TURNS: usize = 16;
/// After this uptime, in ms, a BEAM has started its heart, if it has one.
const HEART_AFTER_MS: u64 = 3_000;

/// A request that is refused: the sort of reason, and the reason.
pub(crate) type Refuse = (Refusal, String);

/// Owner of the child.
pub(crate) struct Supervisor {
    id: String,
    /// Random; see [`MARK_VARIABLE`].
    pub(crate) mark: String,
    pub(crate) boot_id: String,
    start: Option<Start>,
    listeners: Listeners,
    phase: Phase,
    pub(crate) log: Option<EventLog>,
    pub(crate) output: Output,
    run: u64,
    crashes: u64,
    consecutive: u64,
    forced_restarts: u64,
}

enum Phase {
    Waiting,
    Running(Run),
    Sweeping(Run, Ended),
    BackingOff { until: u64 },
    Stopped,
    Finished,
}

/// The main process has ended.
struct Ended {
    status: WaitStatus,
    how: How,
    at: u64,
    next_round: u64,
    swept: u32,
}

impl Supervisor {
    pub(crate) fn new(id: String) -> Result<Self, String> {
        let boot_id = processes::read_file("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Ok(Self {
            id,
            mark: mark::random()?,
            boot_id: String::from_utf8_lossy(&boot_id).trim().to_owned(),
            start: None,
            listeners: Listeners::default(),
            phase: Phase::Waiting,
            log: None,
            output: Output::new()?,
            run: 0,
            crashes: 0,
            consecutive: 0,
            forced_restarts: 0,
        })
    }

    /// Goes on where the program before has stopped. A child that is not there after all has ended meanwhile.
    pub(crate) fn handed(renewal: Renewal, folders: &Folders, mut output: Output) -> Self {
        let Renewal {
            start, child, starts_at, log, mark, run, crashes, consecutive, forced_restarts, ..
        } = renewal;
        output.set_files(start.stdout.clone(), start.stderr.clone());
        output.go_on(&renewal.tail.0, renewal.dropped_bytes);
        let boot_id = log.header.boot_id.clone();
        let phase = match child.and_then(Run::handed) {
            Some(run) => Phase::Running(run),
            None => Phase::BackingOff { until: starts_at.unwrap_or(0) },
        };
        Self {
            id: folders.id.clone(),
            mark,
            boot_id,
            start: Some(start),
            listeners: Listeners::handed(renewal.sockets),
            phase,
            log: EventLog::handed(log, folders.state.as_fd()).ok(),
            output,
            run,
            crashes,
            consecutive,
            forced_restarts,
        }
    }

    /// All of it, for another program that goes on in our place; nothing that was written or happened is left here.
    pub(crate) fn renewal(&mut self, folders: &Folders) -> Result<Renewal, Refuse> {
        self.tell_losses(clock::since_boot_ms(), true);
        let (child, starts_at) = match &self.phase {
            Phase::Running(run) if run.end.is_none() => (Some(run.hand()), None),
            Phase::BackingOff { until } => (None, Some(*until)),
            _ => return Err((Refusal::State, "nothing runs in it that would go on".to_owned())),
        };
        let busy = || (Refusal::Disk, "its output or events wait for room on the disk".to_owned());
        if !self.output.flush(FLUSH_MS) {
            return Err(busy());
        }
        let log = self.log.as_ref().and_then(EventLog::hand).ok_or_else(busy)?;
        let start = self.start.clone().ok_or((Refusal::State, "it was not started yet".to_owned()))?;
        Ok(Renewal {
            mark: self.mark.clone(),
            start,
            child,
            starts_at,
            run: self.run,
            crashes: self.crashes,
            consecutive: self.consecutive,
            forced_restarts: self.forced_restarts,
            dropped_bytes: self.output.dropped,
            tail: Blob(self.output.tail(u32::MAX)),
            log,
            folders: folders.hand(),
            sockets: self.listeners.sockets().iter().map(number).collect(),
            ..Renewal::default()
        })
    }

    /// Begins. Said twice, it is done once.
    pub(crate) fn start(&mut self, start: Start, folders: &Folders) -> Result<(), Refuse> {
        start_check::check(&start, &self.id).map_err(|text| (Refusal::Invalid, text))?;
        match (&self.phase, self.start.is_some()) {
            (_, true) => return Ok(()),
            (Phase::Waiting, false) => {}
            _ => return Err((Refusal::State, "it was stopped before it was started".to_owned())),
        }
        let listeners = match &start.listen_from {
            Some(run) => borrow(run).map_err(|text| (Refusal::Other, text))?,
            None => Listeners::default(),
        };
        let header = Header {
            format: saved::FORMAT,
            id: self.id.clone(),
            kind: start.kind,
            boot_id: self.boot_id.clone(),
            mark: self.mark.clone(),
            ..Header::default()
        };
        let log = EventLog::create(folders.state.as_fd(), header).map_err(|error| match error {
            Errno::EXIST => (Refusal::State, "this id was used before: its event log is there".to_owned()),
            error => (Refusal::Disk, format!("could not make the event log: {error}")),
        })?;
        let log = self.log.insert(log);
        if start.kind == Kind::Task
            && let Err(error) = log.append(Happening::Began(Began { run: 1 }))
        {
            log.take_back(0);
            self.phase = Phase::Stopped;
            return Err((Refusal::Disk, format!("could not note the begin in the event log: {error}")));
        }
        self.output.set_files(start.stdout.clone(), start.stderr.clone());
        self.start = Some(start);
        self.listeners = listeners;
        self.launch();
        Ok(())
    }

    /// The listening sockets, and what they were made for.
    pub(crate) fn listening(&self) -> (&[Listen], &[OwnedFd]) {
        (self.start.as_ref().map_or(&[], |start| &start.listen), self.listeners.sockets())
    }

    /// Closes them: another shim has them.
    pub(crate) fn let_go(&mut self) {
        self.listeners = Listeners::default();
    }

    /// SIGTERM after `asked_ms` (it was asked in another way; now if 0), SIGKILL to the tree after `timeout_ms` (at once if
    /// 0).
    pub(crate) fn stop(&mut self, timeout_ms: u64, asked_ms: u64) {
        match &mut self.phase {
            Phase::Running(run) => run.ask_to_end(timeout_ms, asked_ms, false),
            Phase::Sweeping(run, ended) => {
                run.end = Some(End { how: ended.how, kill_at: 0, then_start: false, again: None })
            }
            Phase::Waiting => self.phase = Phase::Stopped,
            Phase::BackingOff { .. } => self.be_stopped(),
            Phase::Stopped | Phase::Finished => {}
        }
    }

    /// As [`Self::stop`], then a start without waiting.
    pub(crate) fn restart(&mut self, timeout_ms: u64) -> Result<(), Refuse> {
        let refuse = |text: &str| Err((Refusal::State, text.to_owned()));
        if self.kind() == Kind::Task {
            return refuse("a task runs only once");
        }
        match &mut self.phase {
            Phase::Running(Run { end: Some(end), .. }) | Phase::Sweeping(Run { end: Some(end), .. }, _)
                if !end.then_start =>
            {
                return refuse("it is being stopped");
            }
            Phase::Running(run) => run.ask_to_end(timeout_ms, 0, true),
            Phase::Sweeping(run, ended) => {
                run.end = Some(End { how: ended.how, kill_at: 0, then_start: true, again: None })
            }
            Phase::BackingOff { until } => {
                *until = 0;
                self.consecutive = 0;
            }
            Phase::Waiting | Phase::Stopped | Phase::Finished => return refuse("it is not running"),
        }
        self.forced_restarts += 1;
        self.note(Happening::RestartForced(RestartForced {}));
        Ok(())
    }

    /// Replaces the policy.
    pub(crate) fn set_policy(&mut self, policy: RestartPolicy) -> Result<(), Refuse> {
        let start = self.start.as_mut().ok_or((Refusal::State, "it was not started yet".to_owned()))?;
        start.restart = policy;
        Ok(())
    }

    /// Replaces what later runs are.
    pub(crate) fn set_run(&mut self, run: SetRun) -> Result<(), Refuse> {
        start_check::check_later(&run).map_err(|why| (Refusal::Invalid, why))?;
        let start = self.start.as_mut().ok_or((Refusal::State, "it was not started yet".to_owned()))?;
        let SetRun { argv, cwd, env, limits, stop_timeout_ms } = run;
        *start = Start { argv, cwd, env, limits, stop_timeout_ms, ..std::mem::take(start) };
        Ok(())
    }

    /// The shim itself was asked to end: stops the child within the time its settings give.
    pub(crate) fn terminate(&mut self) {
        self.stop(self.start.as_ref().map_or(0, |start| start.stop_timeout_ms), 0);
    }

    /// Nothing runs and nothing will.
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Waiting | Phase::Stopped | Phase::Finished)
    }

    /// The pipes to watch.
    pub(crate) fn pipes(&self) -> Option<[(Stream, BorrowedFd<'_>); 2]> {
        match &self.phase {
            Phase::Running(run) | Phase::Sweeping(run, _) => {
                Some([(Stream::Stdout, run.child.stdout.as_fd()), (Stream::Stderr, run.child.stderr.as_fd())])
            }
            _ => None,
        }
    }

    /// Takes what a pipe holds.
    pub(crate) fn drain(&mut self, stream: Stream) -> Drained {
        match &self.phase {
            Phase::Running(run) | Phase::Sweeping(run, _) => run.drain(&mut self.output, stream),
            _ => Drained::Ended,
        }
    }

    /// Number of the last run.
    pub(crate) fn run(&self) -> u64 {
        self.run
    }

    /// Takes ended children; to be called on SIGCHLD and whenever a deadline has passed.
    pub(crate) fn reap(&mut self) {
        let children_left = loop {
            match tree::reap() {
                Reaped::One(ended) => self.main_process_ended(&ended),
                Reaped::NoneEnded => break true,
                Reaped::NoChildren => break false,
            }
        };
        if matches!(self.phase, Phase::Sweeping(..)) {
            self.sweep(children_left);
        }
    }

    /// When [`Self::tick`] has something to do, in ms since boot.
    pub(crate) fn deadline(&self) -> Option<u64> {
        let own = match &self.phase {
            Phase::Running(run) => self.run_deadline(run),
            Phase::Sweeping(_, ended) => Some(ended.next_round),
            Phase::BackingOff { until } => Some(*until),
            _ => None,
        };
        let retry = self.log.as_ref().filter(|log| log.is_waiting()).map(|_| clock::since_boot_ms() + 1_000);
        [own, retry, self.output.deadline()].into_iter().flatten().min()
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self) {
        let now = clock::since_boot_ms();
        match &self.phase {
            Phase::Running(run) if self.run_deadline(run).is_some_and(|due| due <= now) => {
                self.run_is_due(now)
            }
            Phase::Sweeping(_, ended) if ended.next_round <= now => self.reap(),
            Phase::BackingOff { until } if *until <= now => {
                // The only quiet moment of a child that crashes without a wait.
                self.look_after_log();
                self.launch();
            }
            _ => {}
        }
        self.tell_losses(now, false);
        self.look_after_log();
    }

    /// Writes what waits for room on the disk; makes the log shorter when that makes no child wait.
    fn look_after_log(&mut self) {
        let quiet = !matches!(self.phase, Phase::Running(_));
        if let Some(log) = &mut self.log {
            let _ = log.write_waiting();
            log.shorten(quiet);
        }
    }

    pub(crate) fn status(&self) -> Status {
        let now = clock::since_boot_ms();
        let run = match &self.phase {
            Phase::Running(run) | Phase::Sweeping(run, _) => Some(run),
            _ => None,
        };
        Status {
            state: self.state(),
            kind: self.kind(),
            run: self.run,
            pid: run.map(|run| run.child.pid.as_raw_nonzero().get().unsigned_abs()),
            uptime_ms: run.map(|run| now.saturating_sub(run.started)),
            crashes: self.crashes,
            consecutive: self.consecutive,
            forced_restarts: self.forced_restarts,
            cgroup: run.and_then(|run| Some(run.cgroup.as_ref()?.path().to_owned())),
            dropped_bytes: self.output.dropped,
            restarts_in_ms: match self.phase {
                Phase::BackingOff { until } => Some(until.saturating_sub(now)),
                _ => None,
            },
            last_seq: self.log.as_ref().map_or(0, EventLog::last_seq),
        }
    }

    fn state(&self) -> State {
        match &self.phase {
            Phase::Waiting => State::Waiting,
            Phase::Running(run) if run.end.is_none() => State::Running,
            Phase::Running(_) | Phase::Sweeping(..) => State::Stopping,
            Phase::BackingOff { .. } => State::BackingOff,
            Phase::Stopped => State::Stopped,
            Phase::Finished => State::Finished,
        }
    }

    fn kind(&self) -> Kind {
        self.start.as_ref().map_or(Kind::Service, |start| start.kind)
    }

    fn time_limit_ms(&self) -> Option<u64> {
        self.start.as_ref().filter(|start| start.kind == Kind::Task)?.time_limit_ms
    }

    fn note(&mut self, what: Happening) {
        if let Some(log) = &mut self.log {
            let _ = log.append(what); // what could not be written waits in the log and is tried again
        }
    }

    fn tell_losses(&mut self, now: u64, all: bool) {
        for (stream, bytes) in self.output.losses(now, all) {
            self.note(Happening::LogDropped(LogDropped { stream, bytes }));
        }
    }

    /// Starts a run.
    fn launch(&mut self) {
        let Some(start) = &self.start else { return };
        self.run += 1;
        let mut more = vec![
            (INSTANCE_VARIABLE.to_owned(), self.id.clone().into_bytes()),
            (MARK_VARIABLE.to_owned(), self.mark.clone().into_bytes()),
        ];
        if !start.listen.is_empty() {
            more.push((LISTEN_VARIABLE.to_owned(), start.listen.len().to_string().into_bytes()));
        }
        if let Some(dump) = &start.crash_dump {
            more.extend(crash_dump::variables(dump, &self.id, self.run));
        }
        let cgroup = start.cgroup_parent.as_ref().and_then(|parent| Cgroup::make(parent, &self.id));
        if let Some(cgroup) = &cgroup {
            cgroup.write(&start.cgroup_files);
        }
        let (started, oom_kills) = (clock::since_boot_ms(), processes::oom_kills());
        let members = cgroup.as_ref().map(|cgroup| cgroup.members.as_fd());
        let bound = self.listeners.bind(&start.listen);
        match bound.and_then(|()| child::execute(start, &more, self.listeners.sockets(), members)) {
            Ok(child) => {
                let cgroup = cgroup.filter(|cgroup| cgroup.contains(child.pid));
                let pid = child.pid.as_raw_nonzero().get().unsigned_abs();
                let path = cgroup.as_ref().map(|cgroup| cgroup.path().to_owned());
                let run = Run { child, cgroup, started, oom_kills, heart_looked_for: false, end: None };
                self.phase = Phase::Running(run);
                self.note(Happening::Started(Started { run: self.run, pid, cgroup: path }));
            }
            Err(reason) => {
                let exited =
                    Exited { run: self.run, how: How::NotStarted, reason: Some(reason), ..Exited::default() };
                self.crashes += 1;
                self.note(Happening::Exited(exited));
                self.crashed(0);
            }
        }
    }

    fn run_deadline(&self, run: &Run) -> Option<u64> {
        let heart = (!run.heart_looked_for).then_some(run.started + HEART_AFTER_MS);
        let end = match &run.end {
            Some(end) => end.again.as_ref().map(|again| again.at.min(end.kill_at)).or(Some(end.kill_at)),
            None => {
                self.start.as_ref().and_then(|start| start.time_limit_ms).map(|limit| run.started + limit)
            }
        };
        heart.into_iter().chain(end).min()
    }

    fn run_is_due(&mut self, now: u64) {
        let limit = self.time_limit_ms();
        let Phase::Running(run) = &mut self.phase else { return };
        if run.end.is_none() && limit.is_some_and(|limit| run.started.saturating_add(limit) <= now) {
            run.end = Some(End { how: How::TimeLimit, kill_at: now, then_start: false, again: None });
        }
        run.terminate_again(now);
        if let Some(end) = run.end.as_mut().filter(|end| end.kill_at <= now) {
            if end.how == How::StoppedOrderly {
                end.how = How::KilledAfterTimeout;
            }
            end.kill_at = now + SWEEP_ROUND_MS;
            tree::kill_round(run.cgroup.as_ref());
        }
        if !run.heart_looked_for && run.started + HEART_AFTER_MS <= now {
            run.heart_looked_for = true;
            if tree::has_heart() {
                self.note(Happening::HeartNoticed(HeartNoticed { run: self.run }));
            }
        }
    }

    fn main_process_ended(&mut self, ended: &tree::Ended) {
        self.phase = match std::mem::replace(&mut self.phase, Phase::Stopped) {
            Phase::Running(run) if run.child.pid == ended.pid => {
                let how = run.end.as_ref().map_or(How::ByItself, |end| end.how);
                let at = clock::since_boot_ms();
                Phase::Sweeping(run, Ended { status: ended.status, how, at, next_round: at, swept: 0 })
            }
            other => other,
        };
    }

    /// Kills what is left of the tree; when nothing is, the run is over.
    fn sweep(&mut self, children_left: bool) {
        let Phase::Sweeping(run, ended) = &mut self.phase else { return };
        let now = clock::since_boot_ms();
        let left = children_left || run.cgroup.as_ref().is_some_and(Cgroup::is_populated);
        let mut survivors = 0;
        if left {
            if ended.next_round > now {
                return;
            }
            survivors = tree::kill_round(run.cgroup.as_ref());
            ended.swept = ended.swept.max(survivors);
            ended.next_round = now + SWEEP_ROUND_MS;
            if now < ended.at + SWEEP_LIMIT_MS {
                return;
            }
        }
        if let Phase::Sweeping(run, ended) = std::mem::replace(&mut self.phase, Phase::Stopped) {
            self.run_is_over(run, &ended, survivors);
        }
    }

    fn run_is_over(&mut self, run: Run, ended: &Ended, survivors: u32) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            // A bound, for the pipe may have been handed to a stranger who goes on writing.
            for _ in 0..LAST_TURNS {
                if run.drain(&mut self.output, stream) != Drained::More {
                    break;
                }
            }
        }
        self.tell_losses(ended.at, true);
        let uptime_ms = ended.at.saturating_sub(run.started);
        let dump = self.start.as_ref().and_then(|start| start.crash_dump.as_ref());
        let limits = self.start.as_ref().map_or(&[][..], |start| start.cgroup_files.as_slice());
        let killed = ended.status.terminating_signal() == Some(Signal::KILL.as_raw());
        let oom = killed && ended.how == How::ByItself && run.saw_oom_kill();
        let exited = Exited {
            run: self.run,
            status: ended.status.exit_status(),
            signal: ended.status.terminating_signal(),
            core: ended.status.as_raw() & 0x80 != 0 && ended.status.signaled(),
            oom,
            memory_limit: run.cgroup.as_ref().filter(|_| oom).and_then(|group| group.limit_reached(limits)),
            uptime_ms,
            how: ended.how,
            crash_dump: dump.and_then(|dump| crash_dump::left_by(dump, &self.id, self.run)),
            swept: ended.swept,
            survivors,
            reason: None,
        };
        if exited.crash_dump.is_some()
            && let Some(dump) = dump
        {
            crash_dump::prune(dump);
        }
        self.crashes += u64::from(exited.is_crash());
        self.note(Happening::Exited(exited));
        match run.end {
            Some(End { then_start: true, .. }) => {
                self.consecutive = 0;
                self.phase = Phase::BackingOff { until: 0 };
            }
            Some(_) if self.kind() == Kind::Service => self.be_stopped(),
            None if self.kind() == Kind::Service => self.crashed(uptime_ms),
            _ => self.phase = Phase::Finished,
        }
    }

    /// The run ended though nobody asked.
    fn crashed(&mut self, uptime_ms: u64) {
        if self.kind() == Kind::Task {
            self.phase = Phase::Finished;
            return;
        }
        let policy = self.start.as_ref().map(|start| start.restart.clone()).unwrap_or_default();
        self.consecutive = if uptime_ms >= policy.reset_after_ms { 1 } else { self.consecutive + 1 };
        if policy.mode == RestartMode::Never {
            return self.be_stopped();
        }
        let in_ms = policy.delay_ms(self.consecutive);
        self.phase = Phase::BackingOff { until: clock::since_boot_ms() + in_ms };
        self.note(Happening::Restarting(Restarting { in_ms, consecutive: self.consecutive }));
    }

    fn be_stopped(&mut self) {
        self.phase = Phase::Stopped;
        self.note(Happening::Stopped(Stopped {}));
    }
}

fn borrow(run: &Path) -> Result<Listeners, String> {
    Listeners::borrowed(lend::borrow(run)?)
        .map_err(|error| format!("could not keep the listening sockets: {}", std::io::Error::from(error)))
}
