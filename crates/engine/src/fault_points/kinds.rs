//! The kinds of event and effect, by name.

use std::fmt;

use model::app::{Command, Effect, Event, Run, RunKind, ShimFact, Verdict};

use crate::Turn;

/// An enum of kinds with their names, all of them as a list, and the kind of a value by a match that has no catch-all.
macro_rules! kinds {
    ($(#[$doc:meta])* $kind:ident of $value:ty { $($variant:ident = $name:literal: $pattern:pat,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "each is named as the model names it")]
        pub enum $kind { $($variant),+ }

        impl $kind {
            /// All there are.
            pub const ALL: &[$kind] = &[$($kind::$variant),+];

            /// The kind of a value.
            pub fn of(value: &$value) -> Self {
                match value { $($pattern => $kind::$variant,)+ }
            }
        }

        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $($kind::$variant => $name,)+ })
            }
        }
    };
}

kinds! {
    /// What an effect is.
    EffectKind of Effect {
        Stage = "stage": Effect::Stage { .. },
        Prepare = "prepare-command": Effect::Run { run: Run { kind: RunKind::Prepare, .. } },
        Pre = "pre-command": Effect::Run { run: Run { kind: RunKind::Pre { .. }, .. } },
        Init = "init-command": Effect::Run { run: Run { kind: RunKind::Init { .. }, .. } },
        PostRollback = "post-rollback-command": Effect::Run { run: Run { kind: RunKind::PostRollback, .. } },
        Member = "member-check": Effect::Run { run: Run { kind: RunKind::Member { .. }, .. } },
        Halt = "halt": Effect::Halt { .. },
        Create = "create": Effect::Create { .. },
        Launch = "launch": Effect::Launch { .. },
        Stop = "stop": Effect::Stop { .. },
        Remove = "remove": Effect::Remove { .. },
        Link = "link": Effect::Link { .. },
        Route = "route": Effect::Route { .. },
        Drain = "drain": Effect::Drain { .. },
        Plan = "plan": Effect::Plan { .. },
        Upgrade = "upgrade": Effect::Upgrade { .. },
        Undo = "undo": Effect::Undo { .. },
        Settle = "settle": Effect::Settle { .. },
        Forget = "forget": Effect::Forget { .. },
    }
}

kinds! {
    /// What a command asks for.
    CommandKind of Command {
        Deploy = "deploy": Command::Deploy { .. },
        Activate = "activate": Command::Activate { .. },
        Rollback = "rollback": Command::Rollback { .. },
        Promote = "promote": Command::Promote,
        Cancel = "cancel": Command::Cancel { .. },
        Restart = "restart": Command::Restart { .. },
        Stop = "stop": Command::Stop { .. },
        Start = "start": Command::Start { .. },
        Scale = "scale": Command::Scale { .. },
        Pause = "pause": Command::Pause { .. },
        Resume = "resume": Command::Resume,
        BeginMaintenance = "begin-maintenance": Command::BeginMaintenance { .. },
        EndMaintenance = "end-maintenance": Command::EndMaintenance,
        SetVariables = "set-variables": Command::SetVariables { .. },
        Follow = "follow": Command::Follow,
        PinTo = "pin-to": Command::PinTo { .. },
        ClearGhosts = "clear-ghosts": Command::ClearGhosts { .. },
        Pin = "pin": Command::Pin { .. },
        Freeze = "freeze": Command::Freeze { .. },
        Unfreeze = "unfreeze": Command::Unfreeze,
        Delete = "delete": Command::Delete { .. },
    }
}

kinds! {
    /// What a shim tells.
    FactKind of ShimFact {
        Started = "started": ShimFact::Started { .. },
        Exited = "exited": ShimFact::Exited { .. },
        BackingOff = "backing-off": ShimFact::BackingOff { .. },
        LogDropped = "log-dropped": ShimFact::LogDropped { .. },
        Warning = "warning": ShimFact::Warning { .. },
        Gone = "gone": ShimFact::Gone,
    }
}

kinds! {
    /// What a check found.
    VerdictKind of Verdict {
        Ready = "ready": Verdict::Ready,
        NeverReady = "never-ready": Verdict::NeverReady { .. },
        Healthy = "healthy": Verdict::Healthy,
        Unhealthy = "unhealthy": Verdict::Unhealthy { .. },
    }
}

/// What an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EventKind {
    /// Somebody wants something.
    Command(CommandKind),
    /// An effect ended.
    Done(EffectKind),
    /// A shim told something.
    Shim(FactKind),
    /// A check came to a verdict.
    Check(VerdictKind),
    /// The proxy has counted errors.
    ServerErrors,
    /// The proxy gives an instance requests, or none.
    ProxyHealth,
    /// The watchdog has found something.
    Watchdog,
    /// The proxy has counted what both versions of a canary answer.
    CanaryCounts,
    /// The daemon has started.
    Adopted,
    /// A time has come.
    Tick,
}

impl EventKind {
    /// The kind of a turn's event.
    pub fn of(turn: &Turn) -> Self {
        match &turn.event {
            Event::Command { command, .. } => EventKind::Command(CommandKind::of(command)),
            // One that is not in the outbox is stale, and no turn comes of it.
            Event::Done { effect, .. } => turn
                .before
                .outbox
                .get(effect)
                .map_or(EventKind::Tick, |it| EventKind::Done(EffectKind::of(it))),
            Event::Shim { fact, .. } => EventKind::Shim(FactKind::of(fact)),
            Event::Check { verdict, .. } => EventKind::Check(VerdictKind::of(verdict)),
            Event::ServerErrors { .. } => EventKind::ServerErrors,
            Event::ProxyHealth { .. } => EventKind::ProxyHealth,
            Event::Watchdog { .. } => EventKind::Watchdog,
            Event::CanaryCounts { .. } => EventKind::CanaryCounts,
            Event::Adopted { .. } => EventKind::Adopted,
            Event::Tick => EventKind::Tick,
        }
    }

    /// All there are.
    pub fn all() -> impl Iterator<Item = EventKind> {
        let commands = CommandKind::ALL.iter().copied().map(EventKind::Command);
        let done = EffectKind::ALL.iter().copied().map(EventKind::Done);
        let facts = FactKind::ALL.iter().copied().map(EventKind::Shim);
        let verdicts = VerdictKind::ALL.iter().copied().map(EventKind::Check);
        commands.chain(done).chain(facts).chain(verdicts).chain([
            EventKind::ServerErrors,
            EventKind::ProxyHealth,
            EventKind::Watchdog,
            EventKind::CanaryCounts,
            EventKind::Adopted,
            EventKind::Tick,
        ])
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EventKind::Command(kind) => write!(f, "command-{kind}"),
            EventKind::Done(kind) => write!(f, "done-{kind}"),
            EventKind::Shim(kind) => write!(f, "shim-{kind}"),
            EventKind::Check(kind) => write!(f, "check-{kind}"),
            EventKind::ServerErrors => f.write_str("server-errors"),
            EventKind::ProxyHealth => f.write_str("proxy-health"),
            EventKind::Watchdog => f.write_str("watchdog"),
            EventKind::CanaryCounts => f.write_str("canary-counts"),
            EventKind::Adopted => f.write_str("adopted"),
            EventKind::Tick => f.write_str("tick"),
        }
    }
}
