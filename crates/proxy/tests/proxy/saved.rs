//! The program itself: the table that it saves, and its end.

use wire::proxy::{TABLE_FILE, Table};

use crate::client::Client;
use crate::daemon::Daemon;
use crate::gate::Gate;
use crate::instance::Instance;
use crate::program::Program;
use crate::rig::{eventually, route};

fn table(revision: u64, instance: &Instance) -> Table {
    Table { revision, epoch: 1, routes: vec![route(&[instance.address])], ..Table::default() }
}

#[test]
fn the_last_table_is_served_after_a_kill_without_any_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (Instance::named("old"), Instance::named("new"));
    let program = Program::start(folder.path(), "127.0.0.1:0");
    let mut daemon = Daemon::connect(folder.path(), 1);
    daemon.set_table(&table(41, &old)).unwrap();
    daemon.set_table(&table(42, &new)).unwrap();
    program.kill();
    let program = Program::start(folder.path(), "127.0.0.1:0");
    assert_eq!(Client::connect(program.address).get("/").text(), "new", "the very first request");
    let mut daemon = Daemon::connect(folder.path(), 1);
    assert_eq!(daemon.welcome.revision, 42);
    assert!(daemon.set_table(&table(41, &old)).is_err(), "and still no older one is taken");
    assert_eq!(daemon.set_table(&table(42, &new)), Ok(42));
}

#[test]
fn a_damaged_table_is_told_and_not_served() {
    let folder = tempfile::tempdir().unwrap();
    fs_err::write(folder.path().join(TABLE_FILE), b"rubbish").unwrap();
    let program = Program::start(folder.path(), "127.0.0.1:0");
    assert_eq!(Client::connect(program.address).get("/").error(), "no-route");
    let instance = Instance::named("x");
    Daemon::connect(folder.path(), 1).set_table(&table(1, &instance)).unwrap();
    assert_eq!(Client::connect(program.address).get("/").status, 200);
}

#[test]
fn it_ends_when_what_is_in_flight_has_ended() {
    let folder = tempfile::tempdir().unwrap();
    let gate = Gate::default();
    let instance = Instance::behind(&gate, "late");
    let mut program = Program::start(folder.path(), "127.0.0.1:0");
    Daemon::connect(folder.path(), 1).set_table(&table(1, &instance)).unwrap();
    let mut client = Client::connect(program.address);
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    eventually("it is in flight", || instance.requests().len() == 1);
    let pid = rustix::process::Pid::from_child(&program.child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    eventually("it accepts no more", || std::net::TcpStream::connect(program.address).is_err());
    assert!(program.child.try_wait().unwrap().is_none(), "it waits for what is in flight");
    gate.open();
    let reply = client.reply();
    assert_eq!((reply.text(), reply.header("connection")), ("late", Some("close")));
    assert!(client.is_at_end());
    let mut status = None;
    eventually("it ends", || {
        status = program.child.try_wait().unwrap();
        status.is_some()
    });
    assert!(status.unwrap().success());
}
