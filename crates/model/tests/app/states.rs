//! Representative states, one of each sort, each reached as it is reached in life.

use model::Place;
use model::app::{App, Command, Effect, Event, Verdict, Wish};
use model::settings::{AppSettings, PreCommand, Strategy, UpgradeMode};

use crate::world::{Boot, Reply, World, canary, web, with};

fn two() -> AppSettings {
    with(|it| it.replicas = 2)
}

fn away() -> AppSettings {
    with(|it| {
        it.replicas = 2;
        it.strategy = Strategy::TemporaryShutdown;
    })
}

fn all_commands() -> AppSettings {
    let command = |text| vec![PreCommand::parse(text).expect("it is one")];
    with(|it| {
        it.replicas = 2;
        it.pre_commands = command("eval Beacon.migrate");
        it.post_rollback = command("rpc Beacon.tell");
        it.init_commands = vec![model::settings::Command::split("bin/init").expect("it is one")];
    })
}

/// Effects of this sort do not end from now on.
fn hold(world: &mut World, which: fn(&Effect) -> bool) {
    world.script(move |_, effect| if which(effect) { Reply::Hold } else { Reply::Ok });
}

/// Version 1 is active; `change` has been asked for and stands still where `which` is waited for.
fn frozen(settings: AppSettings, which: fn(&Effect) -> bool, change: impl FnOnce(&mut World)) -> World {
    let mut world = World::with_v1(settings);
    hold(&mut world, which);
    change(&mut world);
    world.pass(1);
    world
}

fn never(_: &Effect) -> bool {
    false
}

fn is_stage(effect: &Effect) -> bool {
    matches!(effect, Effect::Stage { .. })
}

fn is_run(effect: &Effect) -> bool {
    matches!(effect, Effect::Run { .. })
}

fn is_create(effect: &Effect) -> bool {
    matches!(effect, Effect::Create { .. })
}

fn is_launch(effect: &Effect) -> bool {
    matches!(effect, Effect::Launch { .. })
}

fn is_stop(effect: &Effect) -> bool {
    matches!(effect, Effect::Stop { .. })
}

fn deploy_two(world: &mut World) {
    world.deploy("2", two());
}

fn deploy_two_with_commands(world: &mut World) {
    world.deploy("2", all_commands());
}

fn deploy_two_away(world: &mut World) {
    world.deploy("2", away());
}

fn ask(command: impl FnOnce(model::DeploymentId) -> Command) -> impl FnOnce(&mut World) {
    |world| {
        let deployment = world.next_deployment();
        world.command(command(deployment));
    }
}

fn watching() -> World {
    let mut world = frozen(two(), never, deploy_two);
    world.pass(30);
    world
}

fn rolling_back(which: fn(&Effect) -> bool) -> World {
    let mut world = watching();
    hold(&mut world, which);
    world.unhealthy(1);
    world.pass(1);
    world
}

fn stopped() -> World {
    frozen(two(), never, ask(|deployment| Command::Stop { deployment }))
}

fn with_v2() -> World {
    let mut world = frozen(two(), never, deploy_two);
    world.pass(200);
    world
}

fn stuck() -> World {
    let mut world = watching();
    world.boots("1", Boot::Exits);
    world.unhealthy(1);
    world.pass(60);
    world
}

fn variables(later: bool) -> impl FnOnce(&mut World) {
    ask(move |deployment| {
        let name = "A".parse().expect("it is a name");
        let value = "1".parse().expect("it is a value");
        Command::SetVariables { changes: [(name, Some(value))].into(), later, deployment }
    })
}

/// Every state of the table, with the name it has there.
pub(crate) fn all() -> Vec<(&'static str, World)> {
    let mut states = idle();
    states.extend(forward());
    states.extend(back());
    states.extend(other_kinds());
    states.extend(traffic());
    states.extend(hot());
    states
}

fn idle() -> Vec<(&'static str, World)> {
    let lost = |which| frozen(two(), which, |world| world.kill_shim(1));
    let mut unhealthy = World::with_v1(two());
    unhealthy.unhealthy(1);
    let mut backing_off = World::with_v1(two());
    backing_off.exits(backing_off.in_place(1), 0);
    let mut starting = World::with_v1(two());
    starting.crash(1);
    let mut unknown = World::with_v1(two());
    let silent = unknown.in_place(1);
    let alive = vec![unknown.in_place(2)];
    unknown.event(Event::Adopted { alive, unknown: vec![silent] }).expect("adoption is taken");
    let mut waiting = World::with_v1(two());
    waiting.script(|_, effect| if is_create(effect) { Reply::Fail("disk full") } else { Reply::Ok });
    waiting.kill_shim(1);
    vec![
        ("never deployed", World::new()),
        ("idle", World::with_v1(two())),
        ("idle, two versions", with_v2()),
        ("idle, automatic", frozen(two(), never, |world| world.command(Command::Follow))),
        ("idle, variables for later", frozen(two(), never, variables(true))),
        ("idle, one stopping", lost(is_stop)),
        ("idle, one creating", lost(is_create)),
        ("idle, one launching", lost(is_launch)),
        ("idle, one initialising", frozen(all_commands(), is_run, |world| world.kill_shim(1))),
        ("idle, one starting again", starting),
        ("idle, one unhealthy", unhealthy),
        ("idle, one backing off", backing_off),
        ("idle, one unknown", unknown),
        ("idle, one waiting for its next try", waiting),
        ("stopped", stopped()),
        ("stuck", stuck()),
    ]
}

fn first(which: fn(&Effect) -> bool) -> World {
    let mut world = World::new();
    hold(&mut world, which);
    world.deploy("1", all_commands());
    world.pass(1);
    world
}

fn forward() -> Vec<(&'static str, World)> {
    let deploying = |which| frozen(two(), which, deploy_two);
    let mut failed = World::new();
    failed.boots("1", Boot::Exits);
    failed.deploy("1", two());
    failed.pass(60);
    let mut second_place = deploying(never);
    second_place.pass(2);
    let mut one_is_down = watching();
    one_is_down.exits(one_is_down.in_place(1), 0);
    let mut queued = watching();
    queued.deploy("3", two());
    let mut superseded = deploying(is_stage);
    superseded.deploy("3", two());
    let mut given_up = frozen(two(), is_run, deploy_two_with_commands);
    given_up.command(Command::Cancel { deployment: model::DeploymentId(2) });
    vec![
        ("first deployment staging", first(is_stage)),
        ("first deployment, pre-command", first(is_run)),
        ("first deployment creating", first(is_create)),
        ("first deployment failed", failed),
        ("deploy staging", deploying(is_stage)),
        ("deploy staging, superseded", superseded),
        ("deploy, pre-command", frozen(two(), is_run, deploy_two_with_commands)),
        ("deploy, pre-command, given up", given_up),
        ("deploy replacing, creating", deploying(is_create)),
        ("deploy replacing, launching", deploying(is_launch)),
        ("deploy replacing, starting", deploying(never)),
        ("deploy replacing, old one stopping", {
            let mut world = deploying(is_stop);
            world.pass(2);
            world
        }),
        ("deploy replacing, second place", second_place),
        ("deploy replacing, temporary shutdown, stopping", frozen(away(), is_stop, deploy_two_away)),
        ("deploy replacing, temporary shutdown, starting", frozen(away(), never, deploy_two_away)),
        ("deploy watching", watching()),
        ("deploy watching, one backing off", one_is_down),
        ("deploy watching, one queued", queued),
    ]
}

fn back() -> Vec<(&'static str, World)> {
    let mut queued = rolling_back(is_create);
    queued.deploy("3", two());
    let mut away_back = frozen(away(), never, deploy_two_away);
    away_back.pass(30);
    hold(&mut away_back, is_stop);
    away_back.unhealthy(1);
    let mut after = frozen(all_commands(), never, deploy_two);
    after.pass(30);
    hold(&mut after, is_run);
    after.unhealthy(1);
    hold(
        &mut after,
        |effect| matches!(effect, Effect::Run { run } if run.kind == model::app::RunKind::PostRollback),
    );
    after.release(is_run, model::app::Outcome::Ok { detail: None });
    after.pass(5);
    vec![
        ("rolling back, old one creating", rolling_back(is_create)),
        ("rolling back, old one starting", rolling_back(never)),
        ("rolling back, new one stopping", rolling_back(is_stop)),
        ("rolling back, one queued", queued),
        ("rolling back, temporary shutdown, stopping", away_back),
        ("after rollback, command", after),
    ]
}

fn other_kinds() -> Vec<(&'static str, World)> {
    let activating = |which: fn(&Effect) -> bool| {
        let mut world = with_v2();
        hold(&mut world, which);
        world.activate("1");
        world.pass(1);
        world
    };
    let going_back = |which: fn(&Effect) -> bool| {
        let mut world = with_v2();
        hold(&mut world, which);
        ask(|deployment| Command::Rollback { wish: Wish::default(), deployment })(&mut world);
        world.pass(1);
        world
    };
    let asked = |which, command: fn(model::DeploymentId) -> Command| frozen(two(), which, ask(command));
    let restart = |deployment| Command::Restart { place: None, deployment };
    let restart_one = |deployment| Command::Restart { place: Some(Place(2)), deployment };
    let up = |deployment| Command::Scale { replicas: 3, deployment };
    let down = |deployment| Command::Scale { replicas: 1, deployment };
    let starting = |which: fn(&Effect) -> bool| {
        let mut world = stopped();
        hold(&mut world, which);
        ask(|deployment| Command::Start { deployment })(&mut world);
        world.pass(1);
        world
    };
    let mut variables_watched = frozen(two(), never, variables(false));
    variables_watched.pass(30);
    vec![
        ("activate staging", activating(is_stage)),
        ("activate replacing", activating(never)),
        ("rollback staging", going_back(is_stage)),
        ("rollback replacing", going_back(never)),
        ("restart staging", asked(is_stage, restart)),
        ("restart replacing", asked(never, restart)),
        ("restart of one place replacing", asked(never, restart_one)),
        ("variables staging", frozen(two(), is_stage, variables(false))),
        ("variables replacing", frozen(two(), never, variables(false))),
        ("variables watching", variables_watched),
        ("scale up staging", asked(is_stage, up)),
        ("scale up replacing", asked(never, up)),
        ("scale down replacing", asked(is_stop, down)),
        ("stop replacing", asked(is_stop, |deployment| Command::Stop { deployment })),
        ("start staging", starting(is_stage)),
        ("start replacing", starting(never)),
    ]
}

/// States that only apps behind our proxy know.
fn traffic() -> Vec<(&'static str, World)> {
    let two = || AppSettings { replicas: 2, ..web() };
    let deploying = |which| frozen(two(), which, |world: &mut World| _ = world.deploy("2", two()));
    let later = |mut world: World| {
        world.pass(2);
        world
    };
    let away = || AppSettings { strategy: Strategy::TemporaryShutdown, ..two() };
    let rolling = || AppSettings { strategy: Strategy::Rolling, ..two() };
    let mut taken_back = later(deploying(is_drain));
    taken_back.unhealthy(1);
    let mut back = later(deploying(never));
    back.unhealthy(1);
    back.pass(1);
    let mut refused = World::with_v1(two());
    refused.script(|_, effect| if is_route(effect) { Reply::Fail("no answer") } else { Reply::Ok });
    refused.unhealthy(1);
    let stop = ask(|deployment| Command::Stop { deployment });
    let down = ask(|deployment| Command::Scale { replicas: 1, deployment });
    vec![
        ("parallel, before the switch", deploying(never)),
        ("parallel, the proxy is told of the switch", later(deploying(is_route))),
        ("parallel, old ones drain", later(deploying(is_drain))),
        ("parallel, old ones stop", later(deploying(is_stop))),
        ("parallel, old ones taken back", taken_back),
        ("parallel, rolling back after the switch", back),
        ("canary, first step", canary_of(|_| ())),
        ("canary, the proxy is told of the first step", {
            later(frozen(canary(), is_route, |world: &mut World| _ = world.deploy("2", canary())))
        }),
        ("canary, last step", canary_of(|world| world.counts((0, 1000), (0, 1000)))),
        ("canary, held for requests", canary_of(|world| world.counts((0, 1000), (0, 10)))),
        ("canary, held for both fail", canary_of(|world| world.counts((500, 1000), (500, 1000)))),
        ("canary, rolling back", {
            let mut world = canary_of(|_| ());
            hold(&mut world, is_drain);
            world.unhealthy(1);
            world
        }),
        ("rolling, the proxy is told of the first", {
            later(frozen(rolling(), is_route, |world: &mut World| _ = world.deploy("2", rolling())))
        }),
        ("rolling, the first old one drains", {
            later(frozen(rolling(), is_drain, |world: &mut World| _ = world.deploy("2", rolling())))
        }),
        ("temporary shutdown, draining", frozen(away(), is_drain, |world| _ = world.deploy("2", away()))),
        ("stop, draining", frozen(two(), is_drain, stop)),
        ("scale down, draining", frozen(two(), is_drain, down)),
        ("idle, the proxy takes no route", refused),
    ]
}

/// States of deployments that take running instances to another version.
fn hot() -> Vec<(&'static str, World)> {
    let two = || AppSettings { replicas: 2, upgrade: UpgradeMode::Auto, ..web() };
    let deploying = |which| frozen(two(), which, |world: &mut World| _ = world.deploy("2", two()));
    let later = |mut world: World, seconds| {
        world.pass(seconds);
        world
    };
    let mut undoing = later(deploying(is_undo), 10);
    undoing.unhealthy(1);
    let mut beyond_undo = later(deploying(never), 10);
    beyond_undo.script(|_, effect| match effect {
        Effect::Undo { .. } => Reply::Fail("no answer"),
        effect if is_create(effect) => Reply::Hold,
        _ => Reply::Ok,
    });
    beyond_undo.unhealthy(1);
    vec![
        ("hot planning", deploying(is_plan)),
        ("hot, the first is upgraded", deploying(is_upgrade)),
        ("hot, the first is the gate", deploying(never)),
        ("hot watching", later(deploying(never), 10)),
        ("hot settling", later(deploying(is_settle), 140)),
        ("hot, taking back", undoing),
        ("hot, replacing what cannot be taken back", beyond_undo),
    ]
}

fn is_plan(effect: &Effect) -> bool {
    matches!(effect, Effect::Plan { .. })
}

fn is_upgrade(effect: &Effect) -> bool {
    matches!(effect, Effect::Upgrade { .. })
}

fn is_settle(effect: &Effect) -> bool {
    matches!(effect, Effect::Settle { .. })
}

fn is_undo(effect: &Effect) -> bool {
    matches!(effect, Effect::Undo { .. })
}

/// Version 2 gets its share; `counts` has been counted, and a minute has passed.
fn canary_of(counts: impl FnOnce(&mut World)) -> World {
    let mut world = frozen(canary(), never, |world: &mut World| _ = world.deploy("2", canary()));
    world.pass(2);
    counts(&mut world);
    world.pass(61);
    world
}

fn is_drain(effect: &Effect) -> bool {
    matches!(effect, Effect::Drain { .. })
}

fn is_route(effect: &Effect) -> bool {
    matches!(effect, Effect::Route { .. })
}

/// Verdicts, each once.
pub(crate) fn verdicts() -> Vec<(&'static str, Verdict)> {
    let (why, tail) = ("503".to_owned(), None);
    vec![
        ("ready", Verdict::Ready),
        ("never ready", Verdict::NeverReady { why: why.clone(), tail: tail.clone() }),
        ("healthy", Verdict::Healthy),
        ("unhealthy", Verdict::Unhealthy { why, tail }),
    ]
}

/// What stands where, and what is under way: one line.
pub(crate) fn describe(app: &App) -> String {
    let deployment = app.deployment.as_ref().map_or("no deployment".to_owned(), |it| {
        format!("{} {}{}", it.kind.word(), it.word(), if it.is_given_up() { ", given up" } else { "" })
    });
    let mut words = vec![deployment];
    if app.queued.is_some() {
        words.push("one queued".into());
    }
    if !app.running {
        words.push("stopped".into());
    }
    if app.stuck.is_some() {
        words.push("stuck".into());
    }
    let instances = app
        .instances
        .values()
        .map(|it| format!("{} {}{} v{} {}", it.id, it.place, it.slot, app.label(it.runs()), it.word()));
    words.extend(instances);
    words.join("; ")
}
