//! A proxy that may open no more files.

use std::fs;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use wire::proxy::{Route, Table};

use crate::client::Client;
use crate::daemon::Daemon;
use crate::instance::Instance;
use crate::program::Program;
use crate::rig::{DEADLINE, route};

/// The most files that a process may open, from now on; `None`: as many as we.
fn limit(process: Pid, files: Option<u64>) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    prlimit(Some(process), Resource::Nofile, Rlimit { current: files.or(maximum), maximum }).unwrap();
}

/// The lowest descriptor that a process does not use: the next one that it would get.
fn next_descriptor(process: Pid) -> u64 {
    let is_used = |number: &u64| {
        fs::symlink_metadata(format!("/proc/{}/fd/{number}", process.as_raw_nonzero())).is_ok()
    };
    (0..).find(|number| !is_used(number)).unwrap()
}

#[test]
fn a_request_that_finds_no_descriptor_waits_for_one() {
    let folder = tempfile::tempdir().unwrap();
    let instance = Instance::named("here");
    let program = Program::start(folder.path(), "127.0.0.1:0");
    let mut daemon = Daemon::connect(folder.path(), 1);
    let route = Route { hosts: vec!["b.test".into()], ..route(&[instance.address]) };
    daemon.set_table(&Table { revision: 1, epoch: 1, routes: vec![route], ..Table::default() }).unwrap();
    let mut client = Client::connect(program.address);
    // It is in, and no connection to the instance is there to be used again.
    assert_eq!(client.get("/").error(), "no-route");
    let process = Pid::from_child(&program.child);
    limit(process, Some(next_descriptor(process)));
    client.send("GET / HTTP/1.1\r\nhost: b.test\r\n\r\n");
    client.stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let early = client.stream.peek(&mut [0]);
    limit(process, None);
    assert!(early.is_err(), "no answer yet: {early:?}");
    client.stream.set_read_timeout(Some(DEADLINE)).unwrap();
    assert_eq!(client.reply().text(), "here");
}
