//! A route in maintenance: every request gets the page, no instance gets any.

use wire::proxy::Maintenance;

use crate::instance::Instance;
use crate::rig::{Rig, eventually};

const PAGE: &str = "<!doctype html><title>Back at nine</title>";

fn into_maintenance(rig: &mut Rig, page: &str) {
    let maintenance = Maintenance { page: page.into(), retry_after_s: 120 };
    rig.change(|route| route.maintenance = Some(maintenance));
}

#[test]
fn the_operators_page_is_answered_and_nothing_counted_as_an_error() {
    let instance = Instance::named("x");
    let mut rig = Rig::serving(&[instance.address]);
    into_maintenance(&mut rig, PAGE);
    let mut client = rig.client();
    let reply = client.get("/");
    assert_eq!((reply.status, reply.error(), reply.text()), (503, "maintenance", PAGE));
    assert_eq!((reply.header("retry-after"), reply.header("cache-control")), (Some("120"), Some("no-store")));
    client.send("GET / HTTP/1.1\r\nhost: a\r\naccept: application/json\r\n\r\n");
    let reply = client.reply();
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    assert!(reply.text().contains("\"code\":\"maintenance\""), "{}", reply.text());
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nx");
    assert_eq!(client.reply().status, 503);
    assert!(instance.requests().is_empty());
    let report = &rig.daemon.report().routes[0];
    assert_eq!((report.maintained, report.own_errors), (3, 0));
    rig.change(|route| route.maintenance = None);
    assert_eq!(rig.client().get("/").text(), "x");
}

#[test]
fn without_a_page_ours_is_answered_to_who_waited_too() {
    let instance = Instance::named("x");
    let mut rig = Rig::serving(&[instance.address]);
    rig.change(|route| (route.hold_ms, route.paused) = (60_000, true));
    let mut client = rig.client();
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    eventually("it is held", || rig.daemon.report().routes[0].held == 1);
    into_maintenance(&mut rig, "");
    let reply = client.reply();
    assert_eq!((reply.status, reply.error()), (503, "maintenance"));
    assert!(reply.text().contains("is being worked on"), "{}", reply.text());
}
