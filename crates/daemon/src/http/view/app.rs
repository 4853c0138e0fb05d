//! Apps and instances.

use api::app::{
    App as Shown, AppState, Autoscale, Frozen, Instance as ShownInstance, InstanceState, LastExit, Load,
    LoadKind, Maintenance, Mode,
};
use api::exit::{Exit as ShownExit, ExitHow as ShownHow};
use api::node::{Mesh, MissingNode, Node, NodeFacts};
use host::environment::Standing;
use host::journal::ExitRecord;
use host::nodes::{self, Missing, Seen};
use host::proxy::ProxyFacts;
use model::app::{App, Ending, ExitHow, Instance, Mode as ModelMode, Status, Target};
use model::autoscale::{Look, Metric};
use model::settings::AppSettings;
use model::{InstanceId, Place};

use super::traffic::Interval;
use super::{by, deployment, queued};

/// An app as it is; `memory` tells the resident bytes of a process, `node` what is seen of an instance's node.
pub(in crate::http) fn app(
    app: &App,
    memory: impl Fn(u32) -> Option<u64>,
    node: impl Fn(InstanceId) -> Option<nodes::Look>,
    facts: &ProxyFacts,
    looks: Option<Vec<Look>>,
) -> Shown {
    let counted = Interval::of(facts);
    let counted = counted.as_ref();
    let wanted = app.active().or_else(|| app.deployment.as_ref().and_then(|deployment| deployment.to));
    let replicas = wanted.map_or(0, |target| app.replicas(target));
    let max_replicas = wanted.and_then(|target| app.revision(target)).map_or(0, |it| it.settings.max());
    let is_ready = |place: &u16| app.living(Place(*place)).any(Instance::is_ready);
    let ready = (1..=replicas).filter(is_ready).count().try_into().unwrap_or(u16::MAX);
    let ready_instances = app.instances.values().filter(|instance| instance.is_ready());
    let mut instances: Vec<ShownInstance> = app
        .instances
        .values()
        .filter(|it| is_shown(app, it))
        .map(|it| ShownInstance { node: node(it.id).map(shown_node), ..instance(app, it, &memory, counted) })
        .collect();
    instances.sort_by_key(|instance| (instance.place, instance.instance));
    Shown {
        name: app.name.to_string(),
        state: state(app, ready, replicas),
        mode: mode(&app.mode),
        version: app.active().map(|target| app.label(target)),
        rollback_target: app.rollback_target().map(|target| app.label(target)),
        replicas,
        max_replicas,
        ready,
        up_since: ready_instances.filter_map(|instance| instance.up_since).min(),
        frozen: app.frozen.as_ref().map(frozen),
        paused_until: app.pause.map(|pause| pause.until),
        maintenance: app.maintenance.as_ref().map(maintenance),
        stuck: app.stuck.clone(),
        traffic: counted.and_then(|it| it.app(app.name.as_str())),
        autoscale: wanted.and_then(|target| autoscale(&app.revision(target)?.settings, looks)),
        instances,
        deployment: app.deployment.as_ref().map(|it| deployment(app, it)),
        queued: app.queued.as_ref().map(|it| queued(app, it)),
    }
}

fn frozen(frozen: &model::app::Frozen) -> Frozen {
    let model::app::Frozen { reason, by: who, since, until } = frozen;
    Frozen { reason: reason.clone(), by: by(who), since: *since, until: *until }
}

fn autoscale(settings: &AppSettings, looks: Option<Vec<Look>>) -> Option<Autoscale> {
    let range = settings.autoscale_range()?;
    let load = |look: Look| {
        let (of, scale) = match look.metric {
            Metric::Cpu => (LoadKind::Cpu, 10.0),
            Metric::Memory => (LoadKind::Memory, 1.0),
            Metric::Requests => (LoadKind::Requests, 1000.0),
            Metric::RunQueue => (LoadKind::RunQueue, 1000.0),
            Metric::NodeMemory => (LoadKind::NodeMemory, 1.0),
        };
        Load { of, now: look.now.map(|now| now as f64 / scale), target: look.target as f64 / scale }
    };
    let loads = looks.unwrap_or_default().into_iter().map(load).collect();
    Some(Autoscale { min: *range.start(), max: *range.end(), loads })
}

fn state(app: &App, ready: u16, replicas: u16) -> AppState {
    match app.active() {
        _ if app.stuck.is_some() => AppState::Stuck,
        None => AppState::NotDeployed,
        Some(_) if !app.running && !is_coming(app) => AppState::Stopped,
        Some(_) if ready >= replicas => AppState::Ready,
        Some(_) => AppState::Degraded,
    }
}

/// Whether a deployment brings instances up: a stopped app is not stopped any more.
fn is_coming(app: &App) -> bool {
    app.deployment.as_ref().is_some_and(|it| it.to.is_some() && !it.is_rolling_back())
}

fn maintenance(maintenance: &model::app::Maintenance) -> Maintenance {
    Maintenance { since: maintenance.since, own_page: maintenance.page.is_some() }
}

fn mode(mode: &ModelMode) -> Mode {
    match mode {
        ModelMode::Automatic => Mode::Automatic,
        ModelMode::Manual { because, since } => Mode::Manual { because: because.clone(), since: *since },
    }
}

/// Those that live, and a failed one as long as nothing has come after it.
fn is_shown(app: &App, instance: &Instance) -> bool {
    let newer = |it: &Instance| it.place == instance.place && it.id > instance.id;
    !instance.is_gone() || (instance.failure().is_some() && !app.instances.values().any(newer))
}

fn instance(
    app: &App,
    instance: &Instance,
    memory: impl Fn(u32) -> Option<u64>,
    traffic: Option<&Interval<'_>>,
) -> ShownInstance {
    let counted = app.places.get(&instance.place).cloned().unwrap_or_default();
    ShownInstance {
        instance: instance.id.0,
        place: instance.place.0,
        slot: instance.slot.to_string(),
        state: instance_state(&instance.status),
        detail: detail(&instance.status).or_else(|| unserved(instance)),
        retry_at: match instance.status {
            Status::BackingOff { until } => Some(until),
            _ => None,
        },
        version: app.label(instance.runs()),
        pid: instance.pid,
        port: port(app, instance.target, instance).unwrap_or_default(),
        memory_bytes: instance.pid.and_then(memory),
        up_since: instance.up_since,
        ready_at: instance.ready_at,
        crashes: counted.crashes,
        forced_restarts: counted.forced_restarts,
        last_exit: instance.last_exit.as_ref().map(|exit| LastExit { at: exit.at, how: how(exit.how) }),
        traffic: traffic.and_then(|it| it.instance(app.name.as_str(), instance.id.0)),
        node: None,
    }
}

fn shown_node(look: nodes::Look) -> Node {
    let nodes::Look { node, seen: Seen { facts, why_not, mesh } } = look;
    let missing = |it: Missing| MissingNode { node: it.node, why: it.why };
    Node {
        name: node,
        connected: facts.map(|it| NodeFacts {
            otp: it.otp,
            erts: it.erts,
            elixir: it.elixir,
            schedulers: it.schedulers,
            started_at: it.started_at,
        }),
        why_not,
        mesh: mesh.map(|it| Mesh {
            connected: it.connected,
            missing: it.missing.into_iter().map(missing).collect(),
        }),
    }
}

fn port(app: &App, target: Target, instance: &Instance) -> Option<u16> {
    let settings = &app.revision(target)?.settings;
    let standing =
        Standing { app: &app.name, version: "", place: instance.place, slot: instance.slot, node_host: "" };
    standing.ports(settings).ok()?.first().map(|(_, port)| *port)
}

/// What an instance is doing, without its details.
pub(super) fn instance_state(status: &Status) -> InstanceState {
    match status {
        Status::Creating { .. } | Status::Initialising { .. } | Status::Launching { .. } => {
            InstanceState::Creating
        }
        Status::Starting => InstanceState::Starting,
        Status::Ready => InstanceState::Ready,
        Status::Unhealthy { .. } => InstanceState::Unhealthy,
        Status::BackingOff { .. } => InstanceState::BackingOff,
        Status::Draining { .. } => InstanceState::Draining,
        Status::Stopping { .. } => InstanceState::Stopping,
        Status::Stopped { .. } => InstanceState::Stopped,
    }
}

/// More about that.
pub(super) fn detail(status: &Status) -> Option<String> {
    match status {
        Status::Unhealthy { why, .. } => Some(why.clone()),
        Status::Draining { why: Ending::Failed { reason, .. }, .. }
        | Status::Stopping { why: Ending::Failed { reason, .. }, .. }
        | Status::Stopped { why: Ending::Failed { reason, .. }, .. } => Some(reason.clone()),
        _ => None,
    }
}

/// Why one that is ready gets no requests all the same.
fn unserved(instance: &Instance) -> Option<String> {
    let why = instance.down.as_ref().filter(|_| instance.is_ready())?;
    Some(format!("gets no requests: {why}"))
}

fn how(how: ExitHow) -> ShownHow {
    match how {
        ExitHow::Status(status) => ShownHow::Status { status },
        ExitHow::Signal(signal) => ShownHow::Signal { signal },
        ExitHow::OutOfMemory { limit_bytes } => ShownHow::OutOfMemory { limit_bytes },
        ExitHow::Unknown => ShownHow::Unknown,
    }
}

/// An exit of the history.
pub(in crate::http) fn exit(record: ExitRecord) -> ShownExit {
    ShownExit {
        at: record.exit.at,
        place: record.place.0,
        instance: record.instance.0,
        run: record.exit.run,
        how: how(record.exit.how),
        uptime_ms: record.exit.uptime_ms,
        crash_dump: record.exit.crash_dump,
    }
}
