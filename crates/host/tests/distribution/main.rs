//! Certificates as Bellrock makes them, in the hands of real nodes.

#![allow(clippy::unwrap_used, reason = "clippy knows tests by their attribute, not their helpers")]

mod nodes;

use jiff::{SignedDuration, Timestamp};

use nodes::{Nodes, eval, is_connected};

/// A name and an address: nodes are called by either.
#[tokio::test]
async fn nodes_connect_to_each_other_and_bellrock_to_them() {
    for host in ["localhost", "127.0.0.1"] {
        let nodes = Nodes::new(host).await;
        let root = nodes.root("root");
        let _running = ["beacon", "buoy"].map(|app| nodes.start(app, &root));
        let [beacon, buoy] = ["beacon", "buoy"].map(|app| nodes.open(app, &root));
        assert!(is_connected(&beacon).await, "{host}");
        assert!(is_connected(&buoy).await, "{host}");
        let met = eval(&beacon, &format!("net_adm:ping('buoy@{host}')")).await;
        assert_eq!(met, "pong", "{host}");
        assert_eq!(
            eval(&buoy, "[atom_to_list(Node) || Node <- nodes()]").await,
            format!(r#"["beacon@{host}"]"#)
        );
    }
}

#[tokio::test]
async fn who_has_a_certificate_of_another_authority_gets_nowhere() {
    let nodes = Nodes::new("localhost").await;
    let (ours, theirs) = (nodes.root("ours"), nodes.root("theirs"));
    let _running = [nodes.start("beacon", &ours), nodes.start("stranger", &theirs)];
    let beacon = nodes.open("beacon", &ours);
    let stranger = nodes.open("stranger", &theirs);
    assert!(is_connected(&beacon).await && is_connected(&stranger).await);
    // the same cookie, which would do without TLS
    assert_eq!(eval(&stranger, "net_adm:ping('beacon@localhost')").await, "pang");
    assert_eq!(eval(&beacon, "net_adm:ping('stranger@localhost')").await, "pang");
    nodes.refuses("beacon", &theirs).await;
}

/// The nodes run through all of it, and read what they are given when they look for changed files.
#[tokio::test]
async fn running_nodes_go_over_to_a_new_authority() {
    let nodes = Nodes::new("localhost").await;
    let root = nodes.root("root");
    let _running = ["beacon", "buoy"].map(|app| nodes.start(app, &root));
    let [beacon, buoy] = ["beacon", "buoy"].map(|app| nodes.open(app, &root));
    assert!(is_connected(&beacon).await && is_connected(&buoy).await);
    let certificates = &root.certificates;
    let first = certificates.standing().unwrap().authority;
    let begun = Timestamp::now();
    certificates.replace_authority(begun).unwrap();
    for hour in 0..3 {
        let kept = certificates.keep(begun + SignedDuration::from_hours(hour) + SignedDuration::from_secs(1));
        assert!(kept.failures.is_empty(), "{kept:?}");
        for node in [&beacon, &buoy] {
            nodes.read_again(node).await;
        }
        // connections that are there stay: they are made anew with what was read
        eval(&beacon, "erlang:disconnect_node('buoy@localhost')").await;
        nodes.meets(&beacon, "buoy@localhost").await;
        let fresh = nodes.open("beacon", &root);
        assert!(is_connected(&fresh).await, "after {hour} hours");
    }
    let standing = certificates.standing().unwrap();
    assert_ne!(standing.authority.holder, first.holder);
    assert!(standing.previous.is_none());
}
