//! A release that runs becomes another version of itself, goes back, and comes again.

use hot::{Installed, Installer, Instructions, Outcome, Undo};
use probe::Probe;
use serde_json::{Value, json};
use testkit::nodes::{COOKIE, SOON, World, eval, free_port, up};
use testkit::wait_for;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use upgrade::plan::{Direction, Verdict};
use upgrade::policy::{Override, Policy};

use crate::unpacked::Unpacked;

/// A running release and who installs in it.
struct Run {
    node: dist::Node,
    installer: Installer,
    port: u16,
    _running: testkit::nodes::Running,
    _world: World,
}

impl Run {
    async fn start(release: &Unpacked, how: &str) -> Self {
        Self::start_by(release, &format!("bin/{}", release.release.name), how, &[]).await
    }

    async fn start_by(release: &Unpacked, script: &str, how: &str, variables: &[(&str, &str)]) -> Self {
        let world = World::new().await;
        let port = free_port();
        let name = release.release.name.as_str();
        let told = port.to_string();
        let variables = [variables, &[("PORT", told.as_str())]].concat();
        let running = world.release(&release.root.join(script), how, name, &variables);
        let node = world.open(world.target(name));
        up(&node).await;
        let installer = Installer::new(Probe::new(node.clone()));
        let run = Self { node, installer, port, _running: running, _world: world };
        wait_for("it serves", SOON, async || run.ask("GET", "/health").await.filter(|it| it.0 == 200)).await;
        run
    }

    async fn ask(&self, method: &str, path: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.ok()?;
        let request =
            format!("{method} {path} HTTP/1.1\r\nhost: it\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }

    async fn json(&self, method: &str, path: &str) -> Value {
        let (status, body) = self.ask(method, path).await.unwrap();
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Looks first, then does it.
    async fn becomes(&self, old: &Unpacked, new: &Unpacked, id: &str, way: Direction) -> Installed {
        let (plan, instructions) = old.to(new, id, way);
        assert_ne!(plan.verdict, Verdict::Full, "{:?}", plan.findings);
        let installed = self.install(&instructions, id).await;
        self.assert_is(new).await;
        installed
    }

    async fn install(&self, instructions: &Instructions, id: &str) -> Installed {
        let preflight = self.installer.preflight(instructions, SOON).await.unwrap();
        assert_eq!(preflight.in_the_way, []);
        self.installer.begin(instructions, SOON).await.unwrap();
        let outcome = self.installer.wait(id, SOON).await.unwrap().outcome.unwrap();
        let Outcome::Installed(installed) = outcome else { panic!("{outcome:?}") };
        assert_eq!((&installed.failure, &installed.complaints[..]), (&None, &[][..]));
        assert_eq!(installed.undo, Undo::Hot);
        self.installer.acknowledge(id, SOON).await.unwrap();
        installed
    }

    /// Every module of the application is that version's, and the whole code path is of its root.
    async fn assert_is(&self, version: &Unpacked) {
        let (root, name) = (version.root.to_str().unwrap(), &version.release.name);
        let text = format!(
            "{{[Path || Path <- code:get_path(), lists:prefix(\"/\", Path), not lists:prefix(\"{root}\", Path)],
                os:getenv(\"RELEASE_VSN\"), element(2, application:get_key({name}, vsn))}}"
        );
        let told = dist::shown(&eval(&self.node, &text).await);
        let number = &version.release.version;
        assert_eq!(told, format!("{{[],\"{number}\",\"{number}\"}}"));
        for (name, module) in &version.release.applications[&version.release.name].modules {
            let text = format!("binary:encode_hex(erlang:get_module_info('{name}', md5))");
            let md5 = eval(&self.node, &format!("code:ensure_loaded('{name}'), {text}")).await;
            let md5 = String::from_utf8(md5.as_binary().unwrap().to_vec()).unwrap();
            assert_eq!(md5.to_lowercase(), module.digest.to_string(), "{name}");
        }
    }
}

#[tokio::test]
async fn beacon_takes_its_state_along_there_and_back_and_there() {
    let folder = tempfile::tempdir().unwrap();
    let [one, two, three, four] =
        ["beacon-base", "beacon-module-changed", "beacon-module-added", "beacon-state-changed"]
            .map(|name| Unpacked::sample(name, folder.path()));
    let run = Run::start(&one, "start").await;
    let os_process = run.json("GET", "/").await["pid"].clone();
    let counter = eval(&run.node, "whereis('Elixir.Beacon.Counter')").await;
    let count = async |state: &Value| {
        let mut said = run.json("GET", "/state").await;
        said.as_object_mut().unwrap().remove("version");
        assert_eq!(said, *state);
    };
    run.json("POST", "/state?incr=7").await;
    count(&json!({"count": 7})).await;

    run.becomes(&one, &two, "one-two", Direction::Up).await;
    let front = run.json("GET", "/").await;
    assert_eq!(front["version"], "1.1.0");
    assert_eq!(front["greeting"], "The lamp is lit and turns every 4 seconds.");
    run.becomes(&two, &three, "two-three", Direction::Up).await;
    assert!(run.json("GET", "/").await["greeting"].as_str().unwrap().contains("the tide is"));
    count(&json!({"count": 7})).await;
    let installed = run.becomes(&three, &four, "three-four", Direction::Up).await;
    assert_eq!((installed.suspended >= 1, installed.converted), (true, 1));
    count(&json!({"count": 7, "changes": 0})).await;
    run.json("POST", "/state").await;
    count(&json!({"count": 8, "changes": 1})).await;

    let installed = run.becomes(&four, &one, "back", Direction::Down).await;
    assert_eq!(installed.converted, 1);
    assert_eq!(run.json("GET", "/").await["greeting"], "The lamp is lit.");
    run.json("POST", "/state").await;
    count(&json!({"count": 9})).await;
    run.becomes(&one, &four, "again", Direction::Up).await;
    count(&json!({"count": 9, "changes": 0})).await;

    assert_eq!(run.json("GET", "/").await["pid"], os_process);
    assert_eq!(eval(&run.node, "whereis('Elixir.Beacon.Counter')").await, counter);
}

#[tokio::test]
async fn buoy_of_rebar3_there_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let [one, two] = ["buoy-base", "buoy-module-changed"].map(|name| Unpacked::sample(name, folder.path()));
    let run = Run::start(&one, "foreground").await;
    let front = async || run.ask("GET", "/").await.unwrap().1;
    let (before, os_process) = (front().await, eval(&run.node, "os:getpid()").await);
    run.becomes(&one, &two, "up", Direction::Up).await;
    assert_ne!(front().await, before);
    run.becomes(&two, &one, "down", Direction::Down).await;
    assert_eq!(front().await, before);
    run.becomes(&one, &two, "again", Direction::Up).await;
    assert_eq!(eval(&run.node, "os:getpid()").await, os_process);
}

#[tokio::test]
async fn processes_that_the_operator_has_restarted_begin_anew_and_all_others_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let [old, new] =
        ["beacon-module-added", "beacon-state-changed"].map(|name| Unpacked::sample(name, folder.path()));
    let run = Run::start(&old, "start").await;
    let pids = "{whereis('Elixir.Beacon.Counter'), whereis('Elixir.Beacon.Health'), os:getpid()}";
    let before = eval(&run.node, pids).await;
    run.json("POST", "/state?incr=7").await;
    let overrides = [("Elixir.Beacon.Counter".to_owned(), Override::Restart)].into();
    let policy = Policy { overrides, ..Policy::default() };
    let (plan, instructions) = old.with_policy(&new, "up", &policy);
    assert_eq!(plan.verdict, Verdict::Care, "{:?}", plan.findings);
    let installed = run.install(&instructions.unwrap(), "up").await;
    assert_eq!(installed.converted, 0);
    let after = eval(&run.node, pids).await;
    let (before, after) = (before.as_tuple().unwrap(), after.as_tuple().unwrap());
    assert_ne!(after[0], before[0]);
    assert_eq!(after[1..], before[1..]);
    let state = run.json("GET", "/state").await;
    assert_eq!((&state["count"], &state["changes"]), (&json!(0), &json!(0)));
}

#[tokio::test]
async fn lantern_of_gleam_there_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let [one, two] = ["lantern-1", "lantern-2"].map(|name| Unpacked::sample(name, folder.path()));
    // its script names no node
    let flags = format!(
        "-start_epmd false -sname lantern@localhost -setcookie {COOKIE} -kernel inet_dist_use_interface {{127,0,0,1}}"
    );
    let variables = [("ERL_AFLAGS", flags.as_str())];
    let run = Run::start_by(&one, "erlang-shipment/entrypoint.sh", "run", &variables).await;
    let told = "{element(2, application:get_key(lantern, vsn)), code:lib_dir(lantern), code:lib_dir(skiff)}";
    let is = async |version: &Unpacked| {
        let shipment = version.root.join("erlang-shipment");
        let (shipment, number) = (shipment.to_str().unwrap(), &version.release.version);
        let expected = format!("{{\"{number}\",\"{shipment}/lantern\",\"{shipment}/skiff\"}}");
        assert_eq!(dist::shown(&eval(&run.node, told).await), expected);
        assert_eq!(run.ask("GET", "/health").await.map(|it| it.0), Some(200));
    };
    let os_process = eval(&run.node, "os:getpid()").await;
    for (old, new, way) in [(&one, &two, Direction::Up), (&two, &one, Direction::Down)] {
        is(old).await;
        let (plan, instructions) = old.to(new, "step", way);
        assert_ne!(plan.verdict, Verdict::Full, "{:?}", plan.findings);
        run.install(&instructions, "step").await;
        is(new).await;
    }
    assert_eq!(eval(&run.node, "os:getpid()").await, os_process);
}
