//! Which instance gets the next request.

use wire::proxy::Balance;

use crate::client::Client;
use crate::gate::Gate;
use crate::instance::Instance;
use crate::rig::{Rig, eventually};

/// An instance that answers `/slow` when the gate is open.
fn slow(name: &'static str, gate: &Gate) -> Instance {
    let gate = gate.clone();
    Instance::raw(move |served, request| {
        if request.path() == "/slow" {
            gate.pass();
        }
        served.answer(name)
    })
}

fn ask_slowly(rig: &Rig) -> Client {
    let mut client = rig.client();
    client.send("GET /slow HTTP/1.1\r\nhost: a\r\n\r\n");
    client
}

#[test]
fn the_one_with_the_fewest_in_flight() {
    let gate = Gate::default();
    let instances = [slow("a", &gate), slow("b", &gate), slow("c", &gate)];
    let mut rig = Rig::serving(&instances.each_ref().map(|instance| instance.address));
    let mut waiting = Vec::new();
    for number in 1..=30 {
        waiting.push(ask_slowly(&rig));
        let mut in_flight = || (1..=3).map(|instance| rig.backend(instance).in_flight).collect::<Vec<_>>();
        eventually("it is in flight", || in_flight().iter().sum::<u64>() == number);
        let now = in_flight();
        assert!(now.iter().max().unwrap() - now.iter().min().unwrap() <= 1, "{now:?}");
    }
    gate.open();
    for mut client in waiting {
        assert_eq!(client.reply().status, 200);
    }
    assert!((1..=3).all(|instance| rig.backend(instance).in_flight == 0));
}

#[test]
fn one_that_is_stuck_gets_little() {
    let gate = Gate::default();
    let instances = [slow("a", &gate), slow("b", &gate)];
    let rig = Rig::serving(&instances.each_ref().map(|instance| instance.address));
    let mut stuck = ask_slowly(&rig);
    eventually("it is in flight", || instances.iter().any(|instance| !instance.requests().is_empty()));
    let free = if instances[0].requests().is_empty() { "a" } else { "b" };
    let mut client = rig.client();
    for _ in 0..20 {
        assert_eq!(client.get("/").text(), free);
    }
    gate.open();
    assert_eq!(stuck.reply().status, 200);
}

#[test]
fn in_turn() {
    let gate = Gate::default();
    let instances = [slow("a", &gate), slow("b", &gate), slow("c", &gate)];
    let mut rig = Rig::serving(&instances.each_ref().map(|instance| instance.address));
    rig.change(|route| route.balance = Balance::RoundRobin);
    let mut client = rig.client();
    let names: String = (0..9).map(|_| client.get("/").text().to_owned()).collect();
    assert!("abcabcabcabc".contains(&names), "{names}");
    gate.open();
}

#[test]
fn equals_take_turns() {
    let gate = Gate::default();
    let instances = [slow("a", &gate), slow("b", &gate)];
    let rig = Rig::serving(&instances.each_ref().map(|instance| instance.address));
    let mut client = rig.client();
    (0..100).for_each(|_| assert_eq!(client.get("/").status, 200));
    assert!(instances.iter().all(|instance| instance.requests().len() == 50));
    gate.open();
}
