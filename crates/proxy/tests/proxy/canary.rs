//! A share of the clients for a new version: who gets it, and that they keep it.

use wire::proxy::{Balance, Canary, Table};

use crate::client::Client;
use crate::daemon::Daemon;
use crate::instance::{Instance, Then};
use crate::program::Program;
use crate::rig::{Rig, eventually, front, nobody, route};

/// Two instances of each version; the canary's names begin with `n`.
fn instances() -> [Instance; 4] {
    ["old 1", "old 2", "new 1", "new 2"].map(Instance::named)
}

fn table(instances: &[Instance; 4], percent: u32, header: &str) -> Table {
    let mut route = route(&instances.each_ref().map(|it| it.address));
    route.backends[2..].iter_mut().for_each(|it| it.canary = true);
    route.canary = Some(Canary { share: percent * 100, header: header.into() });
    let front = front(|front| front.trusted_proxies = vec!["127.0.0.0/8".into()]);
    Table { revision: 1, epoch: 1, routes: vec![route], front }
}

fn rig(instances: &[Instance; 4], percent: u32, header: &str) -> Rig {
    let mut rig = Rig::new();
    rig.table = table(instances, percent, header);
    rig.apply();
    rig
}

/// Which of these clients get the new version; each has a connection of its own, so both cores are asked.
fn who_gets_new(address: std::net::SocketAddr) -> Vec<u8> {
    let gets_new = |it: &u8| {
        let line = format!("x-forwarded-for: 203.0.113.{it}\r\n");
        let mut client = Client::connect(address);
        let answers = [client.ask("GET", "/", &line), client.ask("GET", "/", &line)];
        let new = answers.each_ref().map(|it| it.text().starts_with("new"));
        assert_eq!(new[0], new[1], "a client gets one version");
        new[0]
    };
    (0..=200).filter(gets_new).collect()
}

#[test]
fn a_client_stays_where_it_is_over_cores_shares_and_restarts() {
    let instances = instances();
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start(folder.path(), "127.0.0.1:0");
    Daemon::connect(folder.path(), 1).set_table(&table(&instances, 10, "")).unwrap();
    let at_ten = who_gets_new(program.address);
    assert!((8..=34).contains(&at_ten.len()), "{} of 201", at_ten.len());
    program.kill();
    let program = Program::start(folder.path(), "127.0.0.1:0");
    assert_eq!(who_gets_new(program.address), at_ten, "after a restart, from the saved table");
    let half = Table { revision: 2, ..table(&instances, 50, "") };
    Daemon::connect(folder.path(), 2).set_table(&half).unwrap();
    let at_fifty = who_gets_new(program.address);
    assert!((75..=126).contains(&at_fifty.len()), "{} of 201", at_fifty.len());
    assert!(at_ten.iter().all(|it| at_fifty.contains(it)), "who is in stays in");
}

#[test]
fn the_balance_holds_within_each_side() {
    let instances = instances();
    let mut rig = rig(&instances, 50, "x-canary");
    rig.change(|route| route.balance = Balance::RoundRobin);
    let mut client = rig.client();
    for _ in 0..20 {
        client.ask("GET", "/", "x-canary: always\r\n");
        client.ask("GET", "/", "x-canary: never\r\n");
        client.ask("GET", "/", "x-canary: never\r\n");
    }
    let got = instances.each_ref().map(|it| it.requests().len());
    assert_eq!((got[0] + got[1], got[2] + got[3]), (40, 20), "{got:?}");
    assert!(got.iter().all(|it| *it >= 8), "{got:?}");
}

#[test]
fn a_header_chooses() {
    let instances = instances();
    let rig = rig(&instances, 0, "x-canary");
    let mut client = rig.client();
    assert!(client.get("/").text().starts_with("old"));
    assert!(client.ask("GET", "/", "X-Canary: always\r\n").text().starts_with("new"));
    assert!(client.ask("GET", "/", "x-canary: never\r\n").text().starts_with("old"));
    assert!(client.ask("GET", "/", "x-canary: 1\r\n").text().starts_with("old"));
}

#[test]
fn where_one_side_is_down_the_other_serves() {
    let instances = instances();
    let mut rig = rig(&instances, 0, "x-canary");
    let nobody = [nobody(), nobody()];
    rig.change(|route| {
        for (backend, address) in route.backends[2..].iter_mut().zip(nobody) {
            backend.address = address.to_string();
            backend.run += 1;
        }
    });
    let mut client = rig.client();
    for _ in 0..10 {
        let answer = client.ask("GET", "/", "x-canary: always\r\n");
        assert_eq!((answer.status, answer.text().starts_with("old")), (200, true));
    }
    rig.change(|route| route.backends.drain(..2).for_each(drop));
    let mut client = rig.client();
    assert_eq!(client.get("/").status, 503, "nobody is left");
}

#[test]
fn an_attempt_that_fails_is_made_again_on_the_same_side_first() {
    let breaks = Instance::raw(|_, _| Then::Close);
    let instances = [Instance::named("old 1"), Instance::named("old 2"), breaks, Instance::named("new 2")];
    let rig = rig(&instances, 0, "x-canary");
    eventually("the one that breaks has been tried", || {
        let answer = rig.client().ask("GET", "/", "x-canary: always\r\n");
        assert_eq!((answer.status, answer.text()), (200, "new 2"));
        !instances[2].requests().is_empty()
    });
}

#[test]
fn without_a_canary_all_are_alike() {
    let instances = instances();
    let mut rig = rig(&instances, 0, "");
    rig.change(|route| route.canary = None);
    let mut client = rig.client();
    (0..40).for_each(|_| assert_eq!(client.get("/").status, 200));
    assert!(instances.iter().all(|it| it.requests().len() == 10));
}
