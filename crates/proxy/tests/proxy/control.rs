//! The daemon's socket.

use wire::proxy::*;

use crate::daemon::Daemon;
use crate::instance::Instance;
use crate::rig::{Rig, route};

#[test]
fn a_greeting() {
    let mut rig = Rig::new();
    let welcome = rig.daemon.welcome.clone();
    assert_eq!((welcome.version, welcome.revision, welcome.pid), (1, 0, std::process::id()));
    rig.apply();
    let second = Daemon::connect(rig.folder.path(), 1).welcome;
    assert_eq!((second.revision, second.incarnation), (1, welcome.incarnation));
    let other = Rig::new();
    assert_ne!(other.daemon.welcome.incarnation, welcome.incarnation);
}

#[test]
fn only_the_owner_may_connect() {
    use std::os::unix::fs::PermissionsExt;
    let rig = Rig::new();
    let mode = std::fs::metadata(rig.folder.path().join(SOCKET_FILE)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn hello_comes_first() {
    let rig = Rig::new();
    let mut daemon = Daemon::connect_silently(rig.folder.path());
    let answer = daemon.ask(Command::QueryReport(QueryReport {}));
    assert!(matches!(answer, Answer::Refused(Refused { refusal: Refusal::NoHello, .. })), "{answer:?}");
    let hello = Hello { min_version: 2, max_version: 9, epoch: 1 };
    let answer = daemon.ask(Command::Hello(hello));
    assert!(matches!(answer, Answer::Refused(Refused { refusal: Refusal::Version, .. })), "{answer:?}");
}

#[test]
fn a_stale_revision_is_refused() {
    let mut rig = Rig::serving(&[]);
    rig.table.revision = 7;
    assert_eq!(rig.daemon.set_table(&rig.table), Ok(7));
    assert_eq!(rig.daemon.set_table(&rig.table), Ok(7), "the same table once more");
    let mut other = rig.table.clone();
    other.routes.clear();
    assert_eq!(
        rig.daemon.set_table(&other).unwrap_err().refusal,
        Refusal::Revision,
        "another of the same number"
    );
    other.revision = 6;
    let refused = rig.daemon.set_table(&other).unwrap_err();
    assert_eq!(refused.text, "revision 7 is served, 6 is not higher");
    assert_eq!(rig.daemon.report().revision, 7);
}

#[test]
fn an_earlier_daemon_is_refused() {
    let mut rig = Rig::new();
    let mut second = Daemon::connect(rig.folder.path(), 5);
    let refused = rig.daemon.ask(Command::QueryReport(QueryReport {}));
    let expected =
        Refused { refusal: Refusal::Epoch, text: "a daemon of epoch 5 has spoken, 1 is lower".into() };
    assert_eq!(refused, Answer::Refused(expected));
    let mut third = Daemon::connect_silently(rig.folder.path());
    let answer = third.ask(Command::Hello(Hello { min_version: 1, max_version: 1, epoch: 4 }));
    assert!(matches!(answer, Answer::Refused(Refused { refusal: Refusal::Epoch, .. })), "{answer:?}");
    second.report();
}

type Spoil = fn(&mut Table);

#[test]
fn tables_that_cannot_be_served_change_nothing() {
    let instance = Instance::named("x");
    let mut rig = Rig::serving(&[instance.address]);
    let good = rig.table.clone();
    let bad: [(&str, Spoil); 5] = [
        (
            "the table cannot be served: the address of beacon's instance 1 is \"nowhere\", which is no ip:port",
            |table| table.routes[0].backends[0].address = "nowhere".into(),
        ),
        ("the table cannot be served: beacon has the instance 1 twice", |table| {
            let twice = table.routes[0].backends[0].clone();
            table.routes[0].backends.push(twice);
        }),
        ("the table cannot be served: two routes belong to beacon", |table| table.routes.push(route(&[]))),
        ("the table cannot be served: the path \"x\" of beacon does not begin with a slash", |table| {
            table.routes[0].paths = vec!["x".into()];
        }),
        (
            "the table cannot be served: the front names something that is no network: \"x\" is not a network \
             like 10.0.0.0/8 or fd00::/8",
            |table| table.front.trusted_proxies = vec!["x".into()],
        ),
    ];
    for (text, spoil) in bad {
        let mut table = good.clone();
        table.revision += 1;
        spoil(&mut table);
        let refused = rig.daemon.set_table(&table).unwrap_err();
        assert_eq!((refused.refusal, refused.text.as_str()), (Refusal::Invalid, text));
    }
    assert_eq!(rig.client().get("/").status, 200);
    assert_eq!(rig.daemon.report().revision, good.revision);
}

#[test]
fn what_cannot_be_saved_is_not_served() {
    let instance = Instance::named("x");
    let mut rig = Rig::new();
    rig.table.routes = vec![route(&[instance.address])];
    rig.table.revision = 1;
    // a folder in the place of the file that is to be written
    std::fs::create_dir(rig.folder.path().join("routes.new")).unwrap();
    assert_eq!(rig.daemon.set_table(&rig.table).unwrap_err().refusal, Refusal::Disk);
    assert_eq!(rig.client().get("/").error(), "no-route");
    std::fs::remove_dir(rig.folder.path().join("routes.new")).unwrap();
    assert_eq!(rig.daemon.set_table(&rig.table), Ok(1));
    assert_eq!(rig.client().get("/").status, 200);
}

#[test]
fn a_message_of_a_later_version_is_refused_and_nothing_more() {
    let mut rig = Rig::new();
    let mut bytes = Vec::new();
    wire::frame::put(999, 77, |_| {}, &mut bytes).unwrap();
    rig.daemon.send_raw(&bytes);
    let (request, answer) = rig.daemon.read();
    assert!(
        matches!(answer, Answer::Refused(Refused { refusal: Refusal::UnknownMessage, .. })),
        "{answer:?}"
    );
    assert_eq!(request, 77);
    rig.daemon.report();
}

#[test]
fn hostile_bytes_end_their_connection_and_nothing_else() {
    let instance = Instance::named("x");
    let mut rig = Rig::serving(&[instance.address]);
    let too_long = u32::MAX.to_le_bytes().to_vec();
    let too_short = vec![0, 0, 0, 0];
    let torn_field = vec![8, 0, 0, 0, 45, 1, 1, 0, 255, 255, 255, 255];
    for bytes in [too_long, too_short, torn_field] {
        let mut hostile = Daemon::connect_silently(rig.folder.path());
        hostile.send_raw(&bytes);
        assert_eq!(hostile.read_more(), 0, "{bytes:?}");
    }
    // a whole frame whose message is none is refused
    let mut bytes = Vec::new();
    wire::frame::put(302, 5, |out| wire::field::put_bytes(1, &[9, 9, 9], out), &mut bytes).unwrap();
    rig.daemon.send_raw(&bytes);
    let (request, answer) = rig.daemon.read();
    assert!(matches!(answer, Answer::Refused(Refused { refusal: Refusal::Invalid, .. })), "{answer:?}");
    assert_eq!(request, 5);
    // one that says nothing, and one that says half of something, keep nobody waiting
    let _silent = Daemon::connect_silently(rig.folder.path());
    Daemon::connect_silently(rig.folder.path()).send_raw(&[200, 0, 0]);
    rig.daemon.report();
    assert_eq!(rig.client().get("/").status, 200);
}

#[test]
fn a_report() {
    let instance = Instance::named("x");
    let mut rig = Rig::serving(&[instance.address]);
    rig.client().get("/");
    let report = rig.daemon.report();
    assert_eq!((report.revision, report.incarnation), (1, rig.daemon.welcome.incarnation));
    let listener = ListenerReport { address: rig.address.to_string(), tls: false };
    assert_eq!(report.listeners, [listener]);
    assert_eq!((report.routes.len(), report.backends.len()), (1, 1));
    let backend = &report.backends[0];
    assert_eq!((backend.state, backend.counts.requests), (BackendState::Serving, 1));
}
