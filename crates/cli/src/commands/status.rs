//! `status`

use api::AppName;
use api::app::{App, AppState, Autoscale, Frozen, Instance, InstanceState, Load, LoadKind, Mode};
use api::deployment::{Deployment, Phase};
use api::human;
use jiff::Timestamp;

use super::Context;
use crate::client::Route;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::nodes;
use crate::output::{ALARM, GOOD, STRONG, WARNING, styled};
use crate::table::{Cell, Row, lines, row};
use crate::time::{ago, between, coarse};
use crate::traffic;

/// Shows what is running and what is changing.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this app, with more about it.
    #[arg(value_name = "APP")]
    app: Option<AppName>,
}

pub(super) async fn run(context: &Context<'_>, args: Args) -> Result<Exit, Failure> {
    let now = context.now();
    match args.app {
        Some(app) => {
            let app: App = context.client.get(Route::app(&app, &[])).await?;
            context.output.data(&app, |app| one(app, now));
        }
        None => {
            let apps: Vec<App> = context.client.get(Route::new(["apps"])).await?;
            context.output.data(&apps, |apps| all(apps, now));
        }
    }
    Ok(Exit::Ok)
}

/// Every app.
pub(super) fn all(apps: &[App], now: Timestamp) -> String {
    if apps.is_empty() {
        return "no apps yet; deploy one:   bellrock deploy APP PACKAGE".to_owned();
    }
    let heads: Vec<Row> = apps.iter().map(|app| head(app, now)).collect();
    let all = || apps.iter().flat_map(|app| &app.instances);
    let is_counted = all().any(|it| it.traffic.is_some());
    let instances: Vec<Row> = all().map(|it| instance(it, is_counted, now)).collect();
    let mut instances = lines(&instances).into_iter();
    let mut text = Vec::new();
    for (app, head) in apps.iter().zip(lines(&heads)) {
        text.push(head);
        text.extend(remarks(app, now));
        for instance in &app.instances {
            text.extend(instances.next().map(|line| format!("  {line}")));
            text.extend(detail(instance, now));
        }
    }
    text.join("\n")
}

/// One app, with its mode and its way back.
pub(super) fn one(app: &App, now: Timestamp) -> String {
    let mut facts: Vec<Row> = Vec::new();
    facts.push(match &app.mode {
        Mode::Automatic => row!["mode", "automatic: follows the store"],
        Mode::Manual { because, since } => {
            row!["mode", format!("manual since {}: {because}", ago(*since, now))]
        }
    });
    facts.push(row![
        "rollback",
        app.rollback_target.as_ref().map_or("no earlier version".to_owned(), |to| format!("to v{to}"))
    ]);
    facts.push(row!["places", format!("{}, at most {}", app.replicas, app.max_replicas)]);
    facts.extend(app.autoscale.as_ref().map(|it| row!["by load", by_load(it)]));
    for deployment in app.deployment.iter().chain(&app.queued) {
        facts.push(row!["under way", under_way(deployment, now)]);
        if let (Phase::Canary, Some(canary)) = (deployment.phase, &deployment.canary) {
            let app = &deployment.app;
            facts.push(row!["", crate::progress::text::canary(canary, now)]);
            let figures = crate::progress::text::canary_figures(canary);
            facts.extend(figures.map(|line| row!["", format!("         {line}")]));
            facts.push(row!["", format!("bellrock promote {app}   or   bellrock rollback {app}")]);
        }
    }
    for (nth, line) in nodes::table(&app.instances, now).into_iter().enumerate() {
        facts.push(row![if nth == 0 { "nodes" } else { "" }, line]);
    }
    let facts = lines(&facts).into_iter().map(|line| format!("  {line}"));
    let text = all(std::slice::from_ref(app), now);
    text.lines()
        .map(ToOwned::to_owned)
        .chain(std::iter::once(String::new()))
        .chain(facts)
        .collect::<Vec<_>>()
        .join("\n")
}

/// `2 to 6 places: CPU 43 % of 70 %`
fn by_load(autoscale: &Autoscale) -> String {
    let load = |load: &Load| {
        let words = |figure: f64| match load.of {
            LoadKind::Cpu => format!("{figure:.0} %"),
            LoadKind::Memory | LoadKind::NodeMemory => human::bytes(figure as u64),
            LoadKind::Requests => format!("{figure:.1}/s"),
            LoadKind::RunQueue => format!("{figure:.1} per scheduler"),
        };
        let of = match load.of {
            LoadKind::Cpu => "CPU",
            LoadKind::Memory => "memory",
            LoadKind::Requests => "requests",
            LoadKind::RunQueue => "run queue",
            LoadKind::NodeMemory => "node memory",
        };
        format!("{of} {} of {}", load.now.map_or("not known yet,".to_owned(), words), words(load.target))
    };
    let loads: Vec<String> = autoscale.loads.iter().map(load).collect();
    let loads = if loads.is_empty() { "nothing collected now".to_owned() } else { loads.join(", ") };
    format!("{} to {} places: {loads}", autoscale.min, autoscale.max)
}

fn head(app: &App, now: Timestamp) -> Row {
    let (state, style) = match app.state {
        AppState::NotDeployed if app.deployment.is_some() => {
            (format!("{}/{} ready", app.ready, app.replicas), WARNING)
        }
        AppState::NotDeployed | AppState::Stopped => (app.state.word().to_owned(), WARNING),
        AppState::Ready => (format!("{}/{} ready", app.ready, app.replicas), GOOD),
        AppState::Degraded => (format!("{}/{} ready", app.ready, app.replicas), WARNING),
        AppState::Stuck => (format!("{}/{} ready", app.ready, app.replicas), ALARM),
    };
    let version = app.version.as_ref().map(|version| format!("v{version}")).unwrap_or_default();
    let news = app.deployment.as_ref().map(|it| short(it, now));
    let up = app.up_since.map(|since| format!("up {}", coarse(between(since, now))));
    let manual = matches!(app.mode, Mode::Manual { .. }).then(|| "manual".to_owned());
    let counted = app.traffic.as_ref().map(traffic::words);
    let last: Vec<String> = match news {
        Some(news) => [Some(news), counted].into_iter().flatten().collect(),
        None => [up, manual, counted].into_iter().flatten().collect(),
    };
    vec![
        Cell::from(app.name.clone()).style(STRONG),
        Cell::from(state).style(style),
        version.into(),
        last.join("   ").into(),
    ]
}

/// `watching, 7 min left`
fn short(deployment: &Deployment, now: Timestamp) -> String {
    match (deployment.phase, deployment.watching_until) {
        (Phase::Watching, Some(until)) => format!("watching, {} left", coarse(between(now, until))),
        (Phase::Canary, _) => match &deployment.canary {
            Some(canary) => format!("canary, step {} of {}: {} %", canary.step, canary.steps, canary.percent),
            None => deployment.phase.word().to_owned(),
        },
        (phase, _) => format!("{}, deployment {}: {}", deployment.kind.word(), deployment.id, phase.word()),
    }
}

fn under_way(deployment: &Deployment, now: Timestamp) -> String {
    let begun = deployment.begun_at.map_or("waits".to_owned(), |begun| format!("began {}", ago(begun, now)));
    let change = crate::progress::text::change(deployment);
    let (id, kind, phase) = (deployment.id, deployment.kind.word(), deployment.phase.word());
    format!("deployment {id}: {kind}{change}, {phase}, {begun}      bellrock deployments show {id}")
}

fn remarks(app: &App, now: Timestamp) -> impl Iterator<Item = String> {
    let stuck = app.stuck.as_ref().map(|stuck| styled(ALARM, &format!("needs a person: {stuck}")));
    let frozen = app.frozen.as_ref().map(|Frozen { reason, by, since, until }| {
        let ends =
            until.map(|until| format!(", for another {}", coarse(between(now, until)))).unwrap_or_default();
        styled(WARNING, &format!("frozen by {by} {}{ends}: {reason}", ago(*since, now)))
    });
    let maintenance = app.maintenance.map(|it| {
        let page = if it.own_page { "your page" } else { "the proxy's page" };
        let lasts = coarse(between(it.since, now));
        let text = format!("in maintenance for {lasts}: every request gets 503 and {page}");
        format!("{}      bellrock maintenance {} off", styled(WARNING, &text), app.name)
    });
    let paused = app.paused_until.map(|until| {
        let text = format!("paused: requests wait for {} more", coarse(between(now, until)));
        format!("{}      bellrock resume {}", styled(WARNING, &text), app.name)
    });
    stuck.into_iter().chain(frozen).chain(maintenance).chain(paused).map(|line| format!("  {line}"))
}

/// `is_counted`: the proxy counts for some instance, so that there are columns for it.
fn instance(instance: &Instance, is_counted: bool, now: Timestamp) -> Row {
    let style = match instance.state {
        InstanceState::Ready => GOOD,
        InstanceState::Unhealthy | InstanceState::BackingOff => ALARM,
        InstanceState::Stopped if instance.detail.is_some() => ALARM,
        _ => WARNING,
    };
    let pid = instance.pid.map(|pid| format!("pid {pid}")).unwrap_or_default();
    let memory = instance.memory_bytes.map(human::bytes).unwrap_or_default();
    let mut row = vec![
        Cell::from(instance.place.to_string()),
        Cell::from(instance.state.word()).style(style),
        format!("v{}", instance.version).into(),
        pid.into(),
        format!(":{}", instance.port).into(),
        Cell::figure(memory),
    ];
    if is_counted {
        row.extend(traffic::cells(instance.traffic.as_ref()));
    }
    row.push(restarts(instance, now).into());
    row
}

/// `restarts 1 (exit 137, 3 d ago)`
fn restarts(instance: &Instance, now: Timestamp) -> String {
    let times = instance.crashes + instance.forced_restarts;
    match &instance.last_exit {
        Some(exit) => format!("restarts {times} ({}, {})", exit.how, ago(exit.at, now)),
        None => format!("restarts {times}"),
    }
}

fn detail(instance: &Instance, now: Timestamp) -> Option<String> {
    let text = match (&instance.detail, instance.retry_at) {
        (Some(detail), _) => detail.clone(),
        (None, Some(at)) if at > now => format!("started again in {}", coarse(between(now, at))),
        _ => return None,
    };
    Some(format!("     {}", styled(WARNING, &text)))
}
