//! Lines of the access log.

use std::path::PathBuf;

use wire::proxy::{AccessLog, LogFormat};

use crate::gate::Gate;
use crate::h2_peer::{H2Client, run};
use crate::instance::{Instance, Then};
use crate::rig::{Rig, eventually, front, nobody};

struct Logged {
    rig: Rig,
    path: PathBuf,
}

impl Logged {
    fn new(instance: &Instance, format: LogFormat, change: impl FnOnce(&mut AccessLog)) -> Self {
        let mut rig = Rig::serving(&[instance.address]);
        let path = rig.folder.path().join("access.log");
        let mut access_log =
            AccessLog { path: path.to_str().unwrap().into(), format, keep: 3, ..AccessLog::default() };
        change(&mut access_log);
        rig.table.front = front(|front| front.access_log = access_log);
        rig.apply();
        Self { rig, path }
    }

    fn text(&self) -> String {
        fs_err::read_to_string(&self.path).unwrap_or_default()
    }

    /// So many lines, once they are there.
    #[track_caller]
    fn lines(&self, number: usize) -> Vec<String> {
        eventually("the lines are written", || self.text().lines().count() >= number);
        let lines: Vec<String> = self.text().lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), number, "{lines:?}");
        lines
    }
}

fn json(line: &str) -> serde_json::Value {
    serde_json::from_str(line).unwrap()
}

#[test]
fn a_line_of_json_tells_who_asked_what_of_whom_and_no_secret() {
    let instance = Instance::raw(|served, request| {
        let _ = served.read_body(&request);
        served.answer("answer")
    });
    let logged = Logged::new(&instance, LogFormat::Json, |_| {});
    let mut client = logged.rig.client();
    let lines = "authorization: Bearer secret\r\ncookie: secret\r\nreferer: http://a.test/?secret\r\n";
    let reply = client.ask("GET", "/cart/a%20b?token=secret", lines);
    let text = &logged.lines(1)[0];
    assert!(!text.contains("secret"), "{text}");
    let line = json(text);
    assert_eq!(line["request_id"], reply.header("x-request-id").unwrap());
    for (name, expected) in [
        ("client", "127.0.0.1"),
        ("method", "GET"),
        ("scheme", "http"),
        ("host", "a.test"),
        ("path", "/cart/a%20b"),
        ("protocol", "HTTP/1.1"),
        ("app", "beacon"),
        ("version", "v1"),
    ] {
        assert_eq!(line[name], expected, "{name}");
    }
    let numbers = ["status", "bytes", "place", "instance"].map(|name| line[name].as_u64().unwrap());
    assert_eq!(numbers, [200, 6, 1, 1]);
    assert!(line["ms"].as_f64().unwrap() > 0.0);
    run(async { H2Client::connect(logged.rig.address).await.get("/two?secret").await.unwrap() });
    let line = json(&logged.lines(2)[1]);
    assert_eq!((&line["path"], &line["protocol"]), (&"/two".into(), &"HTTP/2.0".into()));
}

#[test]
fn every_request_has_one_line_however_it_ends() {
    let gate = Gate::default();
    let instance = Instance::raw({
        let gate = gate.clone();
        move |served, request| match request.path() {
            "/slow" => {
                gate.pass();
                served.answer("late")
            }
            "/broken" => {
                served.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
                Then::Close
            }
            _ => served.answer("fine"),
        }
    });
    let mut logged = Logged::new(&instance, LogFormat::Common, |_| {});
    let client = logged.rig.client().get("/fine");
    assert_eq!(client.status, 200);
    assert!(logged.lines(1)[0].ends_with("\"GET /fine HTTP/1.1\" 200 4"), "{}", logged.text());
    logged.rig.client().ask("HEAD", "/fine", "");
    assert!(logged.lines(2)[1].ends_with("\"HEAD /fine HTTP/1.1\" 200 -"), "{}", logged.text());
    let mut broken = logged.rig.client();
    broken.send("GET /broken HTTP/1.1\r\nhost: a.test\r\n\r\n");
    broken.rest();
    assert!(logged.lines(3)[2].ends_with("\"GET /broken HTTP/1.1\" 200 4"), "{}", logged.text());
    let mut gone = logged.rig.client();
    gone.send("GET /slow HTTP/1.1\r\nhost: a.test\r\n\r\n");
    eventually("it is in flight", || logged.rig.backend(1).in_flight == 1);
    drop(gone);
    assert!(logged.lines(4)[3].ends_with("\"GET /slow HTTP/1.1\" 499 -"), "{}", logged.text());
    gate.open();
    logged.rig.change(|route| route.backends[0].address = nobody().to_string());
    assert_eq!(logged.rig.client().get("/away").status, 503);
    let line = logged.lines(5)[4].clone();
    assert!(line.contains("\"GET /away HTTP/1.1\" 503 ") && !line.ends_with('-'), "{line}");
    logged.rig.change(|route| route.hosts = vec!["b.test".into()]);
    assert_eq!(logged.rig.client().get("/nobody").status, 503);
    assert!(logged.lines(6)[5].contains("\"GET /nobody HTTP/1.1\" 503 "), "{}", logged.text());
}

#[test]
fn an_app_may_say_otherwise_and_trusted_peers_who_the_client_is() {
    let instance = Instance::named("fine");
    let mut logged = Logged::new(&instance, LogFormat::Json, |_| {});
    logged.rig.change(|route| route.access_log = LogFormat::Off);
    assert_eq!(logged.rig.client().get("/off").status, 200);
    logged.rig.table.front.trusted_proxies = vec!["127.0.0.0/8".into(), "10.0.0.0/8".into()];
    logged.rig.change(|route| route.access_log = LogFormat::Common);
    let forwarded = "x-forwarded-for: 192.0.2.66, 203.0.113.9, 10.0.0.1\r\n";
    logged.rig.client().ask("GET", "/on", forwarded);
    let line = &logged.lines(1)[0];
    assert!(line.starts_with("203.0.113.9 - - [") && line.contains("/on"), "{line}");
}

#[test]
fn the_file_is_rotated_and_a_folder_that_is_gone_costs_lines_only() {
    let instance = Instance::named("fine");
    let logged = Logged::new(&instance, LogFormat::Common, |log| log.max_bytes = 300);
    let mut client = logged.rig.client();
    for number in 0..40 {
        assert_eq!(client.get(&format!("/{number}")).status, 200);
    }
    eventually("the last is written", || logged.text().contains("/39 "));
    let files = |prefix: &str| {
        let all = fs_err::read_dir(logged.rig.folder.path()).unwrap();
        all.filter(|it| it.as_ref().unwrap().file_name().to_str().unwrap().starts_with(prefix)).count()
    };
    // lines that come together are written together, so there may be fewer
    assert!((1..=4).contains(&files("access.log")), "{}", files("access.log"));
    let mut logged = logged;
    logged.rig.table.front.access_log.path = "/proc/nowhere/access.log".into();
    logged.rig.apply();
    for _ in 0..10 {
        assert_eq!(client.get("/lost").status, 200);
    }
}
