//! Real releases, built by `cargo xtask samples`: recognised, installed, laid out, and their scripts run.
#![allow(clippy::unwrap_used, reason = "clippy knows tests by their attribute, not their helpers")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use package::runtime::for_package;
use package::tree::{Check, Owner, install_version, instance_tree, open_version, remove_tree, verify};
use package::{Facts, HostPlatform, Kind, Limits, Sha256Digest};
use serde::Deserialize;

#[derive(Deserialize)]
struct Sample {
    name: String,
    kind: String,
    version: String,
    release: String,
    path: PathBuf,
    sha256: Sha256Digest,
}

/// What `cargo xtask samples` has built, in the workspace's target folder.
fn samples() -> Vec<Sample> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(workspace, PathBuf::from);
    let list = target.join("samples/samples.json");
    let Ok(text) = fs_err::read(&list) else {
        panic!("{} is missing: build the samples first: cargo xtask samples", list.display());
    };
    serde_json::from_slice(&text).unwrap()
}

/// A folder whose read-only content is removed at the end.
struct Bench(tempfile::TempDir);

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = remove_tree(self.0.path());
    }
}

impl Bench {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn install(&self, sample: &Sample) -> Facts {
        let name = sample.path.file_name().unwrap().to_str();
        let (host, limits) = (HostPlatform::detect(), Limits::default());
        let version = self.version();
        let installed = install_version(&sample.path, Some(&sample.sha256), name, &version, &host, &limits);
        installed.unwrap_or_else(|error| panic!("{}: {error:?}", sample.name)).facts
    }

    fn version(&self) -> PathBuf {
        self.0.path().join("v")
    }

    fn instance(&self) -> PathBuf {
        self.0.path().join("i")
    }
}

#[test]
fn every_sample_is_what_its_maker_says() {
    let samples = samples();
    for wanted in ["mix", "rebar3", "gleam"] {
        assert!(samples.iter().any(|sample| sample.kind == wanted), "no sample of kind {wanted}");
    }
    for sample in samples {
        let bench = Bench::new();
        let facts = bench.install(&sample);
        let kind = match sample.kind.as_str() {
            "mix" => Kind::MixRelease,
            "rebar3" => Kind::RebarRelease,
            "gleam" => Kind::GleamShipment,
            other => panic!("{}: unknown kind {other}", sample.name),
        };
        assert_eq!(facts.kind, kind, "{}", sample.name);
        assert_eq!(facts.version, sample.version, "{}", sample.name);
        assert_eq!(facts.release_name, sample.release, "{}", sample.name);
        assert_eq!(facts.otp_release.as_ref().and_then(|otp| otp.major()), Some(25), "{}", sample.name);
        assert!(!facts.applications.is_empty(), "{}", sample.name);
        verify(&bench.version(), Check::Full).unwrap();
        let tree = instance_tree(&bench.version(), &bench.instance(), None).unwrap();
        assert!(tree.linked > 0 && tree.copied == 0, "{}: {tree:?}", sample.name);
        assert!(bench.instance().join(&facts.start.path).is_file(), "{}", sample.name);
        assert_eq!(open_version(&bench.version()).unwrap().facts, facts);
    }
}

/// An instance's process, killed when the test ends in any way.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const PATIENCE: Duration = Duration::from_secs(60);

/// Asks until it gives something; the test fails after [`PATIENCE`].
fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begin.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn get(port: u16) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.starts_with("HTTP/1.1 200").then_some(answer)
}

/// Starts a sample as its facts say, as a user of its own when we are root, and asks it for its version.
fn serves_from_its_tree(sample: &Sample) {
    let bench = Bench::new();
    let owner = rustix::process::geteuid().is_root().then_some(Owner { uid: 65534, gid: 65534 });
    fs_err::set_permissions(bench.0.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let facts = bench.install(sample);
    let instance = bench.instance();
    instance_tree(&bench.version(), &instance, owner).unwrap();
    let runtime = for_package(&facts, Some(Path::new("/usr/lib/erlang"))).unwrap();
    let path = runtime.map_or_else(
        || "/usr/bin:/bin".to_owned(),
        |runtime| format!("{}:/usr/bin:/bin", runtime.bin.display()),
    );
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();

    let mut command = Command::new(instance.join(&facts.start.path));
    command.args(&facts.start.arguments).current_dir(instance.join("tmp")).stdin(Stdio::null()).env_clear();
    command
        .env("PATH", path)
        .env("HOME", instance.join("tmp"))
        .env("LANG", "C.UTF-8")
        .env("PORT", port.to_string());
    // No node name is registered, so no epmd is left behind.
    command.env("ERL_FLAGS", "-start_epmd false -dist_listen false");
    if facts.kind == Kind::MixRelease {
        command.env("RELEASE_DISTRIBUTION", "none");
    }
    if let Some(owner) = owner {
        command.uid(owner.uid).gid(owner.gid);
    }
    let log = fs_err::File::create(bench.0.path().join("output")).unwrap().into_file();
    command.stdout(log.try_clone().unwrap()).stderr(log);
    let mut running = Running(command.spawn().unwrap());
    let answer = wait_for(&sample.name, || {
        let ended = running.0.try_wait().unwrap();
        let output = || fs_err::read_to_string(bench.0.path().join("output")).unwrap();
        assert!(ended.is_none(), "{} ended: {ended:?}\n{}", sample.name, output());
        get(port)
    });
    assert!(answer.contains(&sample.version), "{}: {answer}", sample.name);
    let pid = rustix::process::Pid::from_child(&running.0);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    wait_for("its end", || running.0.try_wait().unwrap());
    verify(&bench.version(), Check::Full).unwrap();
}

#[test]
fn releases_of_every_kind_serve_from_their_trees() {
    let samples = samples();
    for name in ["beacon-base", "buoy-base", "lantern-1"] {
        let sample = samples.iter().find(|sample| sample.name == name);
        serves_from_its_tree(sample.unwrap_or_else(|| panic!("no sample {name}")));
    }
}

#[test]
fn facts_that_only_some_samples_have() {
    let samples = samples();
    let facts = |name: &str| {
        let sample = samples.iter().find(|sample| sample.name == name);
        Bench::new().install(sample.unwrap_or_else(|| panic!("no sample {name}")))
    };
    assert!(!facts("raft-stripped").has_debug_info);
    assert!(facts("raft-unstripped").has_debug_info);
    let without = facts("raft-no-erts");
    assert_eq!(without.erts, None);
    assert_eq!(without.compiled_with.as_ref().map(|needs| needs.otp), Some(25));
    assert!(for_package(&without, None).is_err());
    let renamed = facts("raft-renamed");
    assert_eq!((renamed.release_name.as_str(), renamed.start.path.as_str()), ("harbor", "bin/harbor"));
    assert_eq!(renamed.main_application.as_deref(), Some("raft"));
    assert_eq!(facts("raft-two-releases").boot_version.as_deref(), Some("1.1.0"));
    let lantern = facts("lantern-1");
    assert_eq!(lantern.compiled_with.as_ref().map(|needs| needs.otp), Some(25));
    assert_eq!(lantern.main_application.as_deref(), Some("lantern"));
}
