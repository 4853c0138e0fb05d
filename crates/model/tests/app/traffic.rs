//! Traffic: the switch, draining, and the way back before and after it.

use insta::assert_snapshot;
use model::app::{Command, DrainFigures, Effect, Event, Outcome, Phase, ShimFact, Status};
use model::settings::{AppSettings, NodeName, Strategy};
use model::{DeploymentId, Place};

use crate::world::{Boot, Reply, World, seconds, web};

pub(crate) fn of(change: impl FnOnce(&mut AppSettings)) -> AppSettings {
    let mut settings = web();
    change(&mut settings);
    settings
}

pub(crate) fn two() -> AppSettings {
    of(|it| it.replicas = 2)
}

pub(crate) fn is_drain(effect: &Effect) -> bool {
    matches!(effect, Effect::Drain { .. })
}

pub(crate) fn is_route(effect: &Effect) -> bool {
    matches!(effect, Effect::Route { .. })
}

pub(crate) fn hold(world: &mut World, which: fn(&Effect) -> bool) {
    world.script(move |_, effect| if which(effect) { Reply::Hold } else { Reply::Ok });
}

pub(crate) fn ok() -> Outcome {
    Outcome::Ok { detail: None }
}

/// Version 2 is being deployed over version 1 and was switched to; the old ones drain.
pub(crate) fn draining() -> World {
    let mut world = World::with_v1(two());
    hold(&mut world, is_drain);
    world.deploy("2", two());
    world.pass(3);
    assert_eq!(world.places(), "1a v1 draining, 1b v2 ready, 2a v1 draining, 2b v2 ready");
    world.forget();
    world
}

#[test]
fn first_deployment_gets_traffic_as_soon_as_it_is_ready() {
    let mut world = World::new();
    world.deploy("1", two());
    world.pass(200);
    assert_snapshot!(world.story(), @"
      0   manual mode: v1 was deployed by hand; bellrock mode beacon automatic follows the store again
      0   deploy nothing → v1, parallel
      0     stage v1 for 1a 2a
      0   staged
      0     create i1 (1a v1)
      0     create i2 (2a v1)
      0     route nobody, holding for 30 s
      0   instance 1 started
      0   instance 2 started
      2   instance 1 ready
      2     route i1
      2   instance 2 ready
      2     route i1 i2
      2   serving v1: 2 of 2 ready; watching for 2 min
    122   committed v1
    ");
}

#[test]
fn parallel_switches_once_and_drains() {
    let mut world = World::with_v1(web());
    world.deploy("2", web());
    world.pass(200);
    assert_snapshot!(world.story(), @"
      0   deploy v1 → v2, parallel
      0     stage v2 for 1b 2b 3b
      0   staged
      0     create i4 (1b v2)
      0     create i5 (2b v2)
      0     create i6 (3b v2)
      0   instance 1 started
      0   instance 2 started
      0   instance 3 started
      2   instance 1 ready
      2   instance 2 ready
      2   instance 3 ready
      2     route i4 i5 i6, draining i1 i2 i3
      2   serving v2: 3 of 3 ready; watching for 2 min
      2     drain i1 (1a v1)
      2     drain i2 (2a v1)
      2     drain i3 (3a v1)
      2   instance 1 drained
      2     stop i1 (1a v1)
      2     route i4 i5 i6, draining i2 i3
      2   instance 2 drained
      2     route i4 i5 i6, draining i3
      2   instance 3 drained
      2     route i4 i5 i6
      2   instance 1 stopped
      2     stop i2 (2a v1)
      2   instance 2 stopped
      2     stop i3 (3a v1)
      2   instance 3 stopped
    122   committed v2
    ");
    assert_eq!(world.places(), "1b v2 ready, 2b v2 ready, 3b v2 ready");
    assert_eq!(world.fewest_offered, 3, "three got requests at every moment");
}

#[test]
fn new_ones_get_no_traffic_before_all_are_ready() {
    let mut world = World::with_v1(two());
    world.boots("2", Boot::Silent);
    world.deploy("2", two());
    world.pass(3);
    world.verdict(world.in_place(1), model::app::Verdict::Ready);
    world.pass(3);
    let switched = world.app.deployment.as_ref().and_then(|it| it.switched_at);
    assert_eq!(
        (switched, world.places().as_str()),
        (None, "1a v1 ready, 1b v2 ready, 2a v1 ready, 2b v2 starting")
    );
    assert!(!world.proxy.offered().contains(&world.in_place(1)));
    world.verdict(world.in_place(2), model::app::Verdict::Ready);
    world.settle();
    assert_eq!(world.proxy.offered(), [world.in_place(1), world.in_place(2)]);
}

#[test]
fn old_ones_end_a_few_at_a_time() {
    let eight = || of(|it| it.replicas = 8);
    let mut world = World::with_v1(eight());
    hold(&mut world, |effect| matches!(effect, Effect::Stop { .. }));
    world.deploy("2", eight());
    world.pass(3);
    let word = |word| world.app.instances.values().filter(|it| it.word() == word).count();
    assert_eq!((word("ready"), word("stopping"), word("draining")), (8, 2, 6), "{}", world.story());
    world.script(|_, _| Reply::Ok);
    world.release(|_| true, ok());
    world.pass(200);
    assert_eq!(world.ended(2), "committed");
}

/// Two places, one after the other.
fn rolling() -> World {
    let rolling = || of(|it| (it.replicas, it.strategy) = (2, Strategy::Rolling));
    let mut world = World::with_v1(rolling());
    world.deploy("2", rolling());
    world.pass(200);
    world
}

#[test]
fn rolling_moves_traffic_place_by_place() {
    let world = rolling();
    assert_snapshot!(world.story(), @"
      0   deploy v1 → v2, rolling
      0     stage v2 for 1b 2b
      0   staged
      0     create i3 (1b v2)
      0   instance 1 started
      2   instance 1 ready
      2     route i1 i2 i3
      2     drain i1 (1a v1)
      2     route i2 i3, draining i1
      2   instance 1 drained
      2     stop i1 (1a v1)
      2     route i2 i3
      2   instance 1 stopped
      2     create i4 (2b v2)
      2   instance 2 started
      4   instance 2 ready
      4     route i2 i3 i4
      4     drain i2 (2a v1)
      4     route i3 i4, draining i2
      4   instance 2 drained
      4     stop i2 (2a v1)
      4     route i3 i4
      4   instance 2 stopped
      4   serving v2: 2 of 2 ready; watching for 2 min
    124   committed v2
    ");
    assert_eq!(world.fewest_offered, 2);
}

#[test]
fn temporary_shutdown_holds_requests_in_the_gap() {
    let away = || {
        of(|it| (it.replicas, it.strategy, it.node_name) = (2, Strategy::TemporaryShutdown, NodeName::Plain))
    };
    let mut world = World::with_v1(away());
    world.deploy("2", away());
    world.pass(200);
    assert_snapshot!(world.story(), @"
      0   deploy v1 → v2, temporary shutdown
      0     stage v2 for 1a 2a
      0   staged
      0     drain i1 (1a v1)
      0     drain i2 (2a v1)
      0     route nobody, draining i1 i2, holding for 30 s
      0   instance 1 drained
      0     stop i1 (1a v1)
      0     route nobody, draining i2, holding for 30 s
      0   instance 2 drained
      0     stop i2 (2a v1)
      0     route nobody, holding for 30 s
      0   instance 1 stopped
      0   instance 2 stopped
      0     create i3 (1a v2)
      0     create i4 (2a v2)
      0   instance 1 started
      0   instance 2 started
      2   instance 1 ready
      2     route i3
      2   instance 2 ready
      2     route i3 i4
      2   serving v2: 2 of 2 ready; watching for 2 min
    122   committed v2
    ");
}

#[test]
fn too_little_memory_makes_it_rolling() {
    let mut world = World::with_v1(two());
    world.script(|_, effect| match effect {
        Effect::Stage { .. } => Reply::NoRoom("2 × 310 MB are needed, 400 MB are free"),
        _ => Reply::Ok,
    });
    world.deploy("2", two());
    world.pass(200);
    let story = world.story();
    let (staged, rest) = story.split_once("  0   staged").unwrap();
    assert_snapshot!(staged, @"
      0   deploy v1 → v2, parallel
      0     stage v2 for 1b 2b
      0 ~ rolling instead of parallel: not enough memory for old and new side by side (2 × 310 MB are needed, 400 MB are free)
    ");
    assert_eq!(Some(rest), rolling().story().split_once("  0   staged").map(|(_, rest)| rest));
    assert_eq!(world.fewest_offered, 2);
    let record = &world.records[&model::DeploymentId(2)];
    assert_eq!(record.strategy, Strategy::Rolling, "its record says so");
}

#[test]
fn errors_are_heard_in_the_watch_window_only() {
    let mut world = World::with_v1(two());
    let target = world.app.active().expect("there is one");
    let errors = |target| Event::ServerErrors { target, reason: "5xx".into() };
    assert!(world.event(errors(target)).is_err(), "nothing is deployed");
    world.deploy("2", two());
    world.pass(1);
    assert!(world.event(errors(target)).is_err(), "that is the old version");
    let new = world.app.deployment.as_ref().and_then(|it| it.to).expect("it has one");
    assert!(world.event(errors(new)).is_err(), "it does not serve yet");
    world.pass(3);
    assert!(matches!(world.app.deployment.as_ref().map(|it| &it.phase), Some(Phase::Watching { .. })));
    assert!(world.event(errors(new)).is_ok());
}

#[test]
fn the_switch_waits_for_the_proxy() {
    let mut world = World::with_v1(two());
    let mut refusals = 3;
    world.script(move |_, effect| match effect {
        Effect::Route { .. } if refusals > 0 => {
            refusals -= 1;
            Reply::Fail("no space left on device")
        }
        _ => Reply::Ok,
    });
    world.deploy("2", two());
    world.pass(200);
    assert_snapshot!(world.story(), @"
      0   deploy v1 → v2, parallel
      0     stage v2 for 1b 2b
      0   staged
      0     create i3 (1b v2)
      0     create i4 (2b v2)
      0   instance 1 started
      0   instance 2 started
      2   instance 1 ready
      2   instance 2 ready
      2     route i3 i4, draining i1 i2
      2 ! the proxy did not take the routes: no space left on device; it is asked again until it does
      3     route i3 i4, draining i1 i2
      5     route i3 i4, draining i1 i2
      8     route i3 i4, draining i1 i2
      8   the proxy has taken the routes
      8   serving v2: 2 of 2 ready; watching for 2 min
      8     drain i1 (1a v1)
      8     drain i2 (2a v1)
      8   instance 1 drained
      8     stop i1 (1a v1)
      8     route i3 i4, draining i2
      8   instance 2 drained
      8     route i3 i4
      8   instance 1 stopped
      8     stop i2 (2a v1)
      8   instance 2 stopped
    128   committed v2
    ");
}

#[test]
fn a_proxy_that_never_takes_the_switch_is_not_the_versions_fault() {
    let quick = || of(|it| (it.replicas, it.deploy_deadline) = (2, seconds(60)));
    let mut world = World::with_v1(quick());
    world.script(|_, effect| if is_route(effect) { Reply::Fail("no answer") } else { Reply::Ok });
    world.deploy("2", quick());
    world.pass(300);
    assert_eq!(world.ended(2), "rolled back");
    assert_eq!(world.app.version_called(&crate::world::label("2")).expect("it is known").ghost, None);
    assert_eq!(world.places(), "1a v1 ready, 2a v1 ready");
}

#[test]
fn one_that_crashes_while_it_drains_is_stopped_at_once() {
    let mut world = draining();
    let old = world.app.living(Place(1)).next().expect("the old one").id;
    world.exits(old, 1);
    assert!(matches!(world.app.instances[&old].status, Status::Stopping { .. }));
    world.settle();
    assert_eq!(world.app.places[&Place(1)].crashes, 1);
    let other = world.app.living(Place(2)).next().expect("the old one").id;
    world.shim(other, ShimFact::Gone);
    world.script(|_, _| Reply::Ok);
    world.release(is_drain, ok());
    world.pass(200);
    assert_eq!((world.ended(2), world.places().as_str()), ("committed", "1b v2 ready, 2b v2 ready"));
}

#[test]
fn a_new_daemon_goes_on_with_the_drain() {
    let mut world = draining();
    let alive: Vec<_> = world.app.instances.values().filter(|it| it.is_launched()).map(|it| it.id).collect();
    assert_eq!(alive.len(), 4, "those that drain are asked for, too");
    world.event(Event::Adopted { alive, unknown: vec![] }).expect("adoption is taken");
    assert_eq!(world.app.outbox.values().filter(|it| is_drain(it)).count(), 2, "they are waited for again");
    world.script(|_, _| Reply::Ok);
    world.release(is_drain, ok());
    world.pass(200);
    assert_eq!((world.ended(2), world.places().as_str()), ("committed", "1b v2 ready, 2b v2 ready"));
}

#[test]
fn one_that_ended_while_the_daemon_was_away_is_drained_no_longer() {
    let mut world = draining();
    let alive = world.app.instances.values().filter(|it| it.is_ready()).map(|it| it.id).collect();
    world.event(Event::Adopted { alive, unknown: vec![] }).expect("adoption is taken");
    world.pass(200);
    assert_eq!((world.ended(2), world.places().as_str()), ("committed", "1b v2 ready, 2b v2 ready"));
}

#[test]
fn stop_scale_and_restart_drain() {
    let mut world = World::with_v1(two());
    let deployment = world.next_deployment();
    world.command(Command::Scale { replicas: 1, deployment });
    world.pass(10);
    let deployment = world.next_deployment();
    world.command(Command::Restart { place: Some(Place(1)), deployment });
    world.pass(10);
    let deployment = world.next_deployment();
    world.command(Command::Stop { deployment });
    world.pass(10);
    let deployment = world.next_deployment();
    world.command(Command::Start { deployment });
    world.pass(10);
    assert_snapshot!(world.story(), @"
     0   scale to 1 place
     0     drain i2 (2a v1)
     0     route i1, draining i2
     0   instance 2 drained
     0     stop i2 (2a v1)
     0     route i1
     0   instance 2 stopped
     0   scaled to 1 place
    10   restart v1
    10     stage v1 for 1b
    10   staged
    10     create i3 (1b v1)
    10   instance 1 started
    12   instance 1 ready
    12     route i3, draining i1
    12     drain i1 (1a v1)
    12   instance 1 drained
    12     stop i1 (1a v1)
    12     route i3
    12   instance 1 stopped
    12   restarted v1
    20   stop v1
    20     drain i3 (1b v1)
    20     route nobody, draining i3, holding for 0 ms
    20   instance 1 drained
    20     stop i3 (1b v1)
    20     route nobody, holding for 0 ms
    20   instance 1 stopped
    20   stopped
    20     remove i1
    30   start v1
    30     stage v1 for 1a
    30     route nobody, holding for 30 s
    30   staged
    30     create i4 (1a v1)
    30   instance 1 started
    32   instance 1 ready
    32     route i4
    32   started v1
    ");
}

#[test]
fn scaling_down_can_be_taken_back_while_it_drains() {
    let mut world = World::with_v1(two());
    hold(&mut world, is_drain);
    let deployment = world.next_deployment();
    world.command(Command::Scale { replicas: 1, deployment });
    world.pass(1);
    assert_eq!(world.places(), "1a v1 ready, 2a v1 draining");
    world.command(Command::Cancel { deployment });
    world.pass(1);
    assert_eq!((world.places().as_str(), world.offered()), ("1a v1 ready, 2a v1 ready", 2));
}

#[test]
fn one_that_fails_its_checks_gets_no_requests_until_it_is_well() {
    let mut world = World::with_v1(two());
    world.unhealthy(1);
    assert_eq!(world.offered(), 1);
    world.verdict(world.in_place(1), model::app::Verdict::Healthy);
    world.settle();
    assert_eq!(world.offered(), 2);
}

#[test]
fn when_all_fail_their_checks_requests_go_on_to_all() {
    let mut world = World::with_v1(two());
    world.unhealthy(1);
    world.unhealthy(2);
    assert_eq!(world.proxy.offered().len(), 2);
}

#[test]
fn one_that_crashes_leaves_the_route_until_it_is_ready_again() {
    let mut world = World::with_v1(two());
    world.exits(world.in_place(1), 1);
    world.settle();
    assert_eq!(world.proxy.offered().len(), 1);
    world.started(world.in_place(1));
    world.verdict(world.in_place(1), model::app::Verdict::Ready);
    world.settle();
    let route = world.proxy.served.clone().expect("it is served");
    assert_eq!(route.backends.iter().map(|it| it.run).collect::<Vec<_>>(), [2, 1]);
}

#[test]
fn a_version_that_leaves_the_proxy_is_drained_from_it() {
    let mut world = World::with_v1(two());
    world.deploy("2", of(|it| (it.replicas, it.proxy) = (2, false)));
    world.pass(200);
    assert_snapshot!(world.story(), @"
      0   deploy v1 → v2, parallel
      0     stage v2 for 1b 2b
      0   staged
      0     create i3 (1b v2)
      0     create i4 (2b v2)
      0   instance 1 started
      0   instance 2 started
      2   instance 1 ready
      2   instance 2 ready
      2   serving v2: 2 of 2 ready; watching for 2 min
      2     drain i1 (1a v1)
      2     drain i2 (2a v1)
      2     route nobody, draining i1 i2, holding for 0 ms
      2   instance 1 drained
      2     stop i1 (1a v1)
      2     route nobody, draining i2, holding for 0 ms
      2   instance 2 drained
      2     no route
      2   instance 1 stopped
      2     stop i2 (2a v1)
      2   instance 2 stopped
    122   committed v2
    ");
    assert_eq!(world.proxy.served, None);
    world.deploy("3", two());
    world.pass(200);
    assert_eq!(world.offered(), 2, "and comes back to it");
}

#[test]
fn checks_of_two_versions_that_differ_are_left_to_the_daemon() {
    let asks = |path: &str| {
        of(|it| {
            it.strategy = Strategy::Rolling;
            it.replicas = 2;
            it.readiness.kind = model::settings::CheckKind::HttpGet;
            it.readiness.path = path.into();
        })
    };
    let mut world = World::with_v1(asks("/health"));
    let path = |world: &World| world.proxy.served.clone().and_then(|it| it.health).map(|it| it.path);
    assert_eq!(path(&world).as_deref(), Some("/health"));
    world.deploy("2", asks("/up"));
    world.pass(3);
    assert_eq!(path(&world), None, "one of each serves");
    world.pass(200);
    assert_eq!(path(&world).as_deref(), Some("/up"));
}

#[test]
fn a_newer_version_takes_the_place_of_one_that_has_not_switched() {
    let mut world = World::with_v1(two());
    world.deploy("2", two());
    world.pass(1);
    world.deploy("3", two());
    world.pass(200);
    assert_eq!((world.ended(2), world.ended(3)), ("superseded", "committed"));
    assert_eq!(world.fewest_offered, 2);
    assert_eq!(world.places(), "1b v3 ready, 2b v3 ready");
}

#[test]
fn what_the_proxy_finds_of_instances_is_told_once() {
    let mut world = World::with_v1(two());
    let (one, other) = (world.in_place(1), world.in_place(2));
    let seen = |instance, run, why: Option<&str>, changes| Event::ProxyHealth {
        instance,
        run,
        down: why.map(str::to_owned),
        changes,
    };
    let failing = Some("it answered its check with 500 Internal Server Error");
    world.event(seen(one, 1, failing, 1)).expect("it is news");
    assert!(world.event(seen(one, 1, Some("a request got no answer"), 1)).is_err(), "it was told");
    assert!(world.event(seen(other, 1, None, 1)).is_err(), "it never was otherwise");
    assert!(world.event(seen(other, 2, failing, 1)).is_err(), "of another run");
    world.event(seen(other, 1, failing, 1)).expect("it is news");
    world.event(seen(other, 1, None, 1)).expect("it is news");
    world.event(seen(one, 1, failing, 9)).expect("it has changed often enough to be told");
    assert_snapshot!(world.story(), @"
    0 ~ instance 1 gets no requests: it answered its check with 500 Internal Server Error
    0 ! instance 2 gets no requests: it answered its check with 500 Internal Server Error; as no instance is well, all at which somebody listens get requests nevertheless
    0   instance 2 gets requests again
    0 ~ instance 1 gets no requests: it answered its check with 500 Internal Server Error; this has changed 9 times since it was told last
    ");
    assert_eq!(world.places(), "1a v1 ready, 2a v1 ready", "whether they are healthy is for others to say");
    world.exits(one, 1);
    world.started(one);
    assert_eq!(world.app.instances[&one].down, None, "nothing is known of another run");
}

#[test]
fn what_each_drain_came_to_is_kept_with_the_deployment() {
    let mut world = draining();
    let figures = |cut| DrainFigures { took_ms: 15_200, websockets_closed: 40, streams_ended: 1, cut };
    let of_place = |place| move |effect: &Effect| matches!(effect, Effect::Drain { instance, .. } if instance.0 == place);
    world.release(of_place(1), Outcome::Drained { figures: figures(0) });
    world.release(of_place(2), Outcome::Drained { figures: figures(3) });
    world.script(|_, _| Reply::Ok);
    world.pass(200);
    assert_eq!(world.ended(2), "committed");
    let drains: Vec<_> =
        world.records[&DeploymentId(2)].drains.iter().map(|it| (it.place, it.figures)).collect();
    assert_eq!(drains, [(Place(1), figures(0)), (Place(2), figures(3))]);
    let story = world.story();
    assert!(story.contains(", 40 WebSockets closed, 1 stream ended\n"), "{story}");
    assert!(story.contains(", 3 in flight cut, 40 WebSockets closed, 1 stream ended\n"), "{story}");
}

#[test]
fn checks_that_the_proxy_cannot_make_are_left_to_the_daemon() {
    use model::settings::{CheckKind, Command, Scheme};
    let https = of(|it| {
        it.readiness.kind = CheckKind::HttpGet;
        it.readiness.scheme = Scheme::Https;
    });
    let exec = of(|it| {
        it.readiness.kind = CheckKind::Exec;
        it.readiness.command = Some(Command::split("bin/ready").expect("it is one"));
    });
    for settings in [https, exec] {
        let world = World::with_v1(settings);
        let served = world.proxy.served.clone().expect("it is served");
        assert_eq!(served.health, None);
        assert_eq!(world.offered(), world.ready(), "by what the daemon's own checks say");
    }
}
