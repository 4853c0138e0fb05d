//! Deployments.

use api::deployment::{
    Canary as ShownCanary, Counted as ShownCounted, Deployment as Shown, DeploymentKind, DeploymentPlace,
    Drain as ShownDrain, Held as ShownHeld, Member, MemberCheck as ShownCheck, Phase as ShownPhase,
};
use host::journal::DeploymentRecord;
use model::InstanceId;
use model::app::{
    Answer, App, Canary, Command, Counted, Deployment, Doubt, Drain, Ended, HotStep, Kind, Lane, MemberCheck,
    Phase, Queued,
};
use model::settings::Strategy;

use super::app::instance_state;
use super::by;

/// The deployment under way.
pub(in crate::http) fn deployment(app: &App, deployment: &Deployment) -> Shown {
    let label = |target: Option<model::app::Target>| target.map(|target| app.label(target));
    let (from, to) = (label(deployment.from), label(deployment.to));
    shown(Some(app), app.name.as_str(), deployment, from, to)
}

/// A deployment of the journal; `app` as it is now.
pub(in crate::http) fn of_record(app: Option<&App>, record: DeploymentRecord) -> Shown {
    let DeploymentRecord { app: name, deployment, from_label, to_label } = record;
    shown(app, name.as_str(), &deployment, from_label, to_label)
}

/// A deployment that waits for another one.
pub(in crate::http) fn queued(app: &App, queued: &Queued) -> Shown {
    let (kind, to) = match &queued.command {
        Command::Deploy { version, .. } => (Kind::Deploy, Some(version.label.to_string())),
        Command::Activate { version, .. } | Command::PinTo { version, .. } => {
            (Kind::Activate, Some(version.to_string()))
        }
        _ => (Kind::Deploy, None),
    };
    let settings = app.active().and_then(|target| app.revision(target)).map(|it| it.settings.strategy);
    Shown {
        id: queued.deployment.0,
        app: app.name.to_string(),
        kind: shown_kind(kind),
        phase: ShownPhase::Queued,
        by: by(&queued.by),
        from: app.active().map(|target| app.label(target)),
        to,
        strategy: strategy(settings.unwrap_or_default()),
        hot: false,
        begun_at: None,
        canary: None,
        serving_at: None,
        watching_until: None,
        ended_at: None,
        reason: None,
        log_tail: None,
        ghosted: false,
        pre_commands_ran: false,
        places: Vec::new(),
        drains: Vec::new(),
    }
}

fn shown(
    app: Option<&App>,
    name: &str,
    deployment: &Deployment,
    from: Option<String>,
    to: Option<String>,
) -> Shown {
    let (phase, reason, log_tail) = phase(deployment);
    let ghost = |app: &App| {
        let version = deployment.to.and_then(|to| app.version(to.version));
        version.and_then(|it| it.ghost.as_ref()).is_some_and(|ghost| ghost.deployment == deployment.id)
    };
    Shown {
        id: deployment.id.0,
        app: name.to_owned(),
        kind: shown_kind(deployment.kind),
        phase,
        by: by(&deployment.by),
        from,
        to,
        strategy: strategy(deployment.strategy),
        hot: deployment.is_hot(),
        begun_at: Some(deployment.begun_at),
        canary: deployment.canary.as_ref().map(canary),
        serving_at: deployment.serving_at,
        watching_until: match deployment.phase {
            Phase::Watching { until } => Some(until),
            _ => None,
        },
        ended_at: deployment.ended_at,
        reason,
        log_tail,
        ghosted: app.is_some_and(ghost),
        pre_commands_ran: deployment.pre_commands_ran,
        places: deployment.lanes.iter().map(|(at, lane)| place(app, at.0, lane)).collect(),
        drains: deployment.drains.iter().map(drain).collect(),
    }
}

fn drain(drain: &Drain) -> ShownDrain {
    let Drain { instance, place, figures } = drain;
    ShownDrain {
        instance: instance.0,
        place: place.0,
        took_ms: figures.took_ms,
        websockets_closed: figures.websockets_closed,
        streams_ended: figures.streams_ended,
        cut: figures.cut,
    }
}

fn canary(canary: &Canary) -> ShownCanary {
    ShownCanary {
        step: u32::try_from(canary.step + 1).unwrap_or(u32::MAX),
        steps: u32::try_from(canary.steps.len()).unwrap_or(u32::MAX),
        percent: canary.percent(),
        since: canary.window_began_at,
        old: counted(&canary.comparison.old),
        new: counted(&canary.comparison.new),
        held: canary.held.as_ref().map(|held| ShownHeld {
            why: match held.why {
                Doubt::TooFew => "too_few".into(),
                Doubt::BothBad => "both_bad".into(),
            },
            since: held.since,
        }),
        ended_at: canary.ended_at,
    }
}

fn counted(counted: &Counted) -> ShownCounted {
    ShownCounted {
        requests: counted.requests,
        errors: counted.errors,
        p95_us: counted.p95_us().filter(|p95| *p95 != u64::MAX),
    }
}

fn place(app: Option<&App>, place: u16, lane: &Lane) -> DeploymentPlace {
    let member = |id: InstanceId| {
        let instance = app.and_then(|app| app.instances.get(&id));
        Member { instance: id.0, state: instance.map(|it| instance_state(&it.status)) }
    };
    DeploymentPlace {
        place,
        old: lane.old.map(member),
        new: lane.new.map(member),
        back: lane.back.map(member),
        failures: lane.failures,
        check: lane.check.as_ref().map(check),
        hot: lane.hot.map(hot_step),
    }
}

fn hot_step(step: HotStep) -> String {
    match step {
        HotStep::Upgrading { .. } => "upgrading",
        HotStep::Upgraded { .. } => "upgraded",
        HotStep::Settling { .. } => "settling",
        HotStep::Settled => "settled",
        HotStep::Undoing { .. } => "undoing",
    }
    .to_owned()
}

fn check(check: &MemberCheck) -> ShownCheck {
    ShownCheck {
        instance: check.instance.0,
        says: match check.answer {
            Answer::Nothing { .. } => "nothing".into(),
            Answer::No { .. } => "no".into(),
            Answer::Yes { .. } => "yes".into(),
        },
        noes: check.noes,
        why: check.why.clone(),
    }
}

fn phase(deployment: &Deployment) -> (ShownPhase, Option<String>, Option<String>) {
    let given_up = || deployment.give_up.as_ref().map(|it| it.reason.clone());
    match &deployment.phase {
        Phase::Staging { .. } => (ShownPhase::Staging, given_up(), None),
        Phase::Planning { .. } => (ShownPhase::Planning, given_up(), None),
        Phase::Commands { .. } => (ShownPhase::Commands, given_up(), None),
        Phase::Replacing if deployment.running_canary().is_some() => (ShownPhase::Canary, None, None),
        Phase::Replacing => (ShownPhase::Replacing, None, None),
        Phase::Upgrading => (ShownPhase::Upgrading, None, None),
        Phase::Watching { .. } => (ShownPhase::Watching, None, None),
        Phase::Settling => (ShownPhase::Settling, None, None),
        Phase::RollingBack { reason, tail, .. } | Phase::AfterRollback { reason, tail, .. } => {
            (ShownPhase::RollingBack, Some(reason.clone()), tail.clone())
        }
        Phase::Ended { outcome } => ended(outcome),
    }
}

fn ended(outcome: &Ended) -> (ShownPhase, Option<String>, Option<String>) {
    match outcome {
        Ended::Committed => (ShownPhase::Committed, None, None),
        Ended::RolledBack { reason, tail } => (ShownPhase::RolledBack, Some(reason.clone()), tail.clone()),
        Ended::Failed { reason, tail } => (ShownPhase::Failed, Some(reason.clone()), tail.clone()),
        Ended::RollbackFailed { reason, then } => {
            (ShownPhase::RollbackFailed, Some(format!("{reason}; the way back failed too: {then}")), None)
        }
        Ended::Cancelled => (ShownPhase::Cancelled, None, None),
        Ended::Superseded => (ShownPhase::Superseded, None, None),
    }
}

fn shown_kind(kind: Kind) -> DeploymentKind {
    match kind {
        Kind::Deploy => DeploymentKind::Deploy,
        Kind::Activate => DeploymentKind::Activate,
        Kind::Rollback => DeploymentKind::Rollback,
        Kind::Restart => DeploymentKind::Restart,
        Kind::Variables => DeploymentKind::Variables,
        Kind::Scale => DeploymentKind::Scale,
        Kind::Stop => DeploymentKind::Stop,
        Kind::Start => DeploymentKind::Start,
    }
}

fn strategy(strategy: Strategy) -> String {
    match strategy {
        Strategy::Parallel => "parallel".into(),
        Strategy::Rolling => "rolling".into(),
        Strategy::TemporaryShutdown => "temporary_shutdown".into(),
        Strategy::Member => "member".into(),
    }
}
