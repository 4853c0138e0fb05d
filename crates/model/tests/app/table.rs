//! Every sort of state × every event: nothing panics, the invariants hold, and the table says what follows.

use std::collections::BTreeMap;

use insta::assert_snapshot;
use jiff::SignedDuration;
use model::app::{
    App, BackendMode, Command, Effect, Event, ExitHow, Level, NotTaken, Origin, Outcome, Refused, ShimFact,
    Status, Wish,
};
use model::{DeploymentId, EffectId, InstanceId, Place};

use crate::invariants;
use crate::states::{self, describe};
use crate::world::{World, answered, label, settings, with};

#[test]
fn every_state_and_event() {
    let mut table = String::new();
    for (name, world) in states::all() {
        table += &format!("== {name}\n   {}\n", describe(&world.app));
        table += &rows(&world);
    }
    assert_snapshot!(table);
}

/// One row for each distinct result in a state, with the events that lead to it.
fn rows(world: &World) -> String {
    let mut results: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, at, event) in events(world) {
        let result = match world.app.step(at, event) {
            Ok(stepped) => {
                invariants::check(&stepped.app, at);
                let effects: Vec<String> =
                    stepped.effects.iter().map(|(_, effect)| effect_word(effect)).collect();
                changed(&world.app, &stepped.app, &effects)
            }
            Err(NotTaken::Refused(refused)) => format!("refused {}", refusal(&refused)),
            Err(NotTaken::Stale(_)) => "stale".to_owned(),
        };
        results.entry(result).or_default().push(name);
    }
    results.into_iter().map(|(result, events)| format!("{result}\n     ← {}\n", events.join(" · "))).collect()
}

/// What a step changed: the deployment, instances, effects.
fn changed(before: &App, after: &App, effects: &[String]) -> String {
    if before == after {
        return "nothing".to_owned();
    }
    let phase = |app: &App| {
        app.deployment.as_ref().map_or("none".to_owned(), |it| format!("{} {}", it.kind.word(), it.word()))
    };
    let mut words = Vec::new();
    if phase(before) != phase(after) {
        words.push(format!("deployment {}", phase(after)));
    }
    for (id, now) in &after.instances {
        let word = before.instances.get(id).map(|it| it.word());
        if word != Some(now.word()) {
            words.push(format!("{id} {}", now.word()));
        }
    }
    if words.is_empty() {
        words.push("noted".into());
    }
    if !effects.is_empty() {
        words.push(format!("→ {}", effects.join(", ")));
    }
    words.join("; ")
}

fn effect_word(effect: &Effect) -> String {
    match effect {
        Effect::Stage { .. } => "stage".into(),
        Effect::Run { run } => run.kind.to_string(),
        Effect::Halt { run } => format!("halt {run}"),
        Effect::Create { instance } => format!("create {instance}"),
        Effect::Launch { instance } => format!("launch {instance}"),
        Effect::Stop { instance } => format!("stop {instance}"),
        Effect::Remove { instance } => format!("remove {instance}"),
        Effect::Route { route } => match route {
            Some(route) => {
                let ids = |mode| {
                    let ids = route.backends.iter().filter(move |it| it.mode == mode);
                    ids.map(|it| format!(" {}", it.instance)).collect::<String>()
                };
                let draining = ids(BackendMode::Draining);
                let draining = if draining.is_empty() { draining } else { format!(" draining{draining}") };
                format!("route{}{draining}", ids(BackendMode::Active))
            }
            None => "no route".into(),
        },
        Effect::Drain { instance, .. } => format!("drain {instance}"),
        Effect::Link { place, .. } => format!("link {place}"),
        Effect::Plan { .. } => "plan".into(),
        Effect::Upgrade { instance, .. } => format!("upgrade {instance}"),
        Effect::Undo { instance, .. } => format!("undo {instance}"),
        Effect::Settle { instance, .. } => format!("settle {instance}"),
        Effect::Forget { label, .. } => format!("forget {label}"),
    }
}

/// The name of a refusal, as JSON has it.
fn refusal(refused: &Refused) -> String {
    let json = serde_json::to_value(refused).expect("a refusal can be written");
    json["refused"].as_str().expect("it has a name").to_owned()
}

fn events(world: &World) -> Vec<(String, jiff::Timestamp, Event)> {
    let now = world.now;
    let mut events: Vec<(String, jiff::Timestamp, Event)> =
        commands(world).into_iter().map(|(name, event)| (name, now, event)).collect();
    events.extend(outcomes(&world.app).into_iter().map(|(name, event)| (name, now, event)));
    events.extend(facts(world).into_iter().map(|(name, event)| (name, now, event)));
    events.extend(adoptions(&world.app).into_iter().map(|(name, event)| (name, now, event)));
    for version in ["1", "2"] {
        if let Some(target) = world.app.version_called(&label(version)).map(|it| it.target()) {
            let reason = "5xx".to_owned();
            let event = Event::ServerErrors { target, reason };
            events.push((format!("{version} answers with errors"), now, event));
        }
    }
    let canary = world.app.deployment.as_ref().and_then(|it| Some((it.id, it.canary.as_ref()?.window)));
    let (deployment, window) = canary.unwrap_or((running(world), 1));
    for (name, old, new) in [
        ("both answer well", (0, 1000), (0, 1000)),
        ("the new one fails", (0, 1000), (500, 1000)),
        ("both fail", (500, 1000), (500, 1000)),
    ] {
        let event = Event::CanaryCounts { deployment, window, old: answered(old), new: answered(new) };
        events.push((name.into(), now, event));
    }
    events.push(("tick".into(), now, Event::Tick));
    if let Some(at) = world.app.wake_at() {
        events.push(("tick when it is wanted".into(), at.max(now), Event::Tick));
    }
    let tomorrow = now.checked_add(SignedDuration::from_hours(24)).expect("it is near");
    events.push(("tick tomorrow".into(), tomorrow, Event::Tick));
    events
}

fn running(world: &World) -> DeploymentId {
    world.app.deployment.as_ref().map_or(DeploymentId(50), |it| it.id)
}

fn commands(world: &World) -> Vec<(String, Event)> {
    let deployment = DeploymentId(99);
    let running = running(world);
    let deploy = |version: &str, settings| Command::Deploy {
        version: Box::new(World::package(version, settings)),
        wish: Wish::default(),
        deployment,
    };
    let activate = |version: &str| Command::Activate {
        version: label(version),
        settings: None,
        wish: Wish::default(),
        deployment,
    };
    let variables = |later| {
        let (name, value) = ("B".parse().expect("it is a name"), "1".parse().expect("it is a value"));
        Command::SetVariables { changes: [(name, Some(value))].into(), later, deployment }
    };
    let scale = |replicas| Command::Scale { replicas, deployment };
    let by_hand = vec![
        ("deploy 1", deploy("1", with(|it| it.replicas = 2))),
        ("deploy 1 with other settings", deploy("1", with(|it| it.replicas = 4))),
        ("deploy 2", deploy("2", settings())),
        ("deploy 9", deploy("9", settings())),
        ("activate 1", activate("1")),
        ("activate 2", activate("2")),
        ("rollback", Command::Rollback { wish: Wish::default(), deployment }),
        ("cancel", Command::Cancel { deployment: running }),
        ("promote", Command::Promote),
        ("cancel another", Command::Cancel { deployment: DeploymentId(77) }),
        ("restart", Command::Restart { place: None, deployment }),
        ("restart 1", Command::Restart { place: Some(Place(1)), deployment }),
        ("restart 9", Command::Restart { place: Some(Place(9)), deployment }),
        ("stop", Command::Stop { deployment }),
        ("start", Command::Start { deployment }),
        ("scale 0", scale(0)),
        ("scale 1", scale(1)),
        ("scale 2", scale(2)),
        ("scale 4", scale(4)),
        ("scale 5", scale(5)),
        ("pause", Command::Pause { within: std::time::Duration::from_secs(20) }),
        ("resume", Command::Resume),
        ("maintenance", Command::BeginMaintenance { page: Some("<p>soon</p>".into()) }),
        ("end maintenance", Command::EndMaintenance),
        ("set variables", variables(false)),
        ("set variables later", variables(true)),
        ("follow", Command::Follow),
        ("pin to 1", Command::PinTo { version: label("1"), deployment }),
        ("clear ghosts", Command::ClearGhosts { version: None }),
        ("clear ghost 2", Command::ClearGhosts { version: Some(label("2")) }),
        ("keep 1", Command::Pin { version: label("1"), pinned: true }),
        ("delete 1", Command::Delete { version: label("1") }),
        ("delete 2", Command::Delete { version: label("2") }),
    ];
    let by_store =
        ["1", "2", "9"].map(|version| (format!("store names {version}"), deploy(version, settings())));
    let command = |command, by| Event::Command { command, by };
    let by_hand = by_hand.into_iter().map(|(name, it)| (name.to_owned(), command(it, World::operator())));
    by_hand.chain(by_store.into_iter().map(|(name, it)| (name, command(it, Origin::Store)))).collect()
}

fn outcomes(app: &App) -> Vec<(String, Event)> {
    let reason = "why".to_owned();
    let ends = [
        ("ended", Outcome::Ok { detail: None }),
        ("failed", Outcome::Failed { reason: reason.clone(), tail: None }),
        ("unknown", Outcome::Unknown { reason: reason.clone() }),
        ("no room", Outcome::NoRoom { detail: reason }),
    ];
    let mut events = Vec::new();
    for (word, outcome) in ends {
        for (id, effect) in &app.outbox {
            let name = format!("{} {word}", effect_word(effect));
            events.push((name, Event::Done { effect: *id, outcome: outcome.clone() }));
        }
        events.push((format!("another effect {word}"), Event::Done { effect: EffectId(9999), outcome }));
    }
    events
}

fn facts(world: &World) -> Vec<(String, Event)> {
    let mut events = Vec::new();
    let ids = world.app.instances.keys().copied().chain([InstanceId(9999)]);
    for id in ids {
        let it = world.app.instances.get(&id);
        let (run, seq) = it.map_or((1, 0), |it| (it.run, it.seq));
        let exited = ShimFact::Exited {
            run,
            at: world.now,
            how: ExitHow::Status(0),
            uptime_ms: 5,
            crash_dump: None,
            tail: None,
        };
        let facts = [
            ("runs", ShimFact::Started { run: run + 1, pid: 7, at: world.now }),
            ("exited", exited),
            ("backs off", ShimFact::BackingOff { until: world.now, consecutive: 3 }),
            ("drops output", ShimFact::LogDropped { bytes: 5 }),
            ("warns", ShimFact::Warning { text: "of something".into() }),
        ];
        for (word, fact) in facts {
            events.push((format!("{id} {word}"), Event::Shim { instance: id, seq: seq + 1, fact }));
        }
        let again = ShimFact::Warning { text: "told before".into() };
        if seq > 0 {
            events.push((format!("{id} repeats"), Event::Shim { instance: id, seq, fact: again }));
        }
        events.push((format!("{id} lost"), Event::Shim { instance: id, seq: 0, fact: ShimFact::Gone }));
        for (word, verdict) in states::verdicts() {
            events.push((format!("{id} {word}"), Event::Check { instance: id, run, verdict }));
        }
        for (word, down) in [("gets no requests", Some("nobody listens".to_owned())), ("gets requests", None)]
        {
            let event = Event::ProxyHealth { instance: id, run, down, changes: 1 };
            events.push((format!("{id} {word}"), event));
        }
        let exceeds = ("exceeds with 95 atoms of 100 (95 %)".to_owned(), Level::Alarm);
        let event = Event::Watchdog { instance: id, run, level: exceeds.1, text: exceeds.0 };
        events.push((format!("{id} exceeds"), event));
        let (_, verdict) = states::verdicts().remove(0);
        events.push((
            format!("{id} ready in another run"),
            Event::Check { instance: id, run: run + 5, verdict },
        ));
    }
    events
}

fn adoptions(app: &App) -> Vec<(String, Event)> {
    let launched: Vec<InstanceId> = app
        .instances
        .values()
        .filter(|it| it.is_launched() || matches!(it.status, Status::Launching { .. }))
        .map(|it| it.id)
        .collect();
    vec![
        ("all live".into(), Event::Adopted { alive: launched.clone(), unknown: vec![] }),
        ("all are gone".into(), Event::Adopted { alive: vec![], unknown: vec![] }),
        ("none is known".into(), Event::Adopted { alive: vec![], unknown: launched }),
    ]
}
