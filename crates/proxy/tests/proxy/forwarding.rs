//! Requests and answers on their way through.

use crate::instance::Instance;
use crate::rig::Rig;

#[test]
fn a_request_and_its_answer() {
    let instance = Instance::named("hello");
    let rig = Rig::serving(&[instance.address]);
    let reply = rig.client().get("/x?y=1");
    assert_eq!((reply.status, reply.text()), (200, "hello"));
    let requests = instance.requests();
    assert_eq!(requests[0].line, "GET /x?y=1 HTTP/1.1");
    assert_eq!(requests[0].header("host"), Some("a.test"));
}

#[test]
fn connections_are_used_again_on_both_sides() {
    let instance = Instance::named("hello");
    let rig = Rig::serving(&[instance.address]);
    let mut client = rig.client();
    for _ in 0..100 {
        assert_eq!(client.get("/").status, 200);
    }
    assert_eq!((instance.requests().len(), instance.connections()), (100, 1));
}

#[test]
fn without_a_table_there_is_no_route() {
    let rig = Rig::new();
    let reply = rig.client().get("/");
    assert_eq!((reply.status, reply.error()), (503, "no-route"));
}
