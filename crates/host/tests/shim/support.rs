//! A host of its own for each test, and waiting for conditions instead of sleeping.

use host::shim::{Connected, Events, Handle, ShimEvent, ShimHost, ShimId};
use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use wire::shim::{
    Event, Exited, Happening, LogFile, Owner, RestartMode, RestartPolicy, Start, State, Variable,
};

/// Long enough for a busy machine; a test that waits this long has failed.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// The shim's program: `BELLROCK_SHIM`, or one built here, in a folder that no other clone builds into.
pub(crate) fn shim_binary() -> PathBuf {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    let build = || match std::env::var_os("BELLROCK_SHIM") {
        Some(binary) => binary.into(),
        None => build_shim(&[]).join("debug/bellrock-shim"),
    };
    BINARY.get_or_init(build).clone()
}

/// Builds the shim with these arguments more and returns the target folder.
pub(crate) fn build_shim(more: &[&str]) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    env!("CARGO_MANIFEST_DIR").hash(&mut hasher);
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("shim-{:x}", hasher.finish()));
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(["build", "--quiet", "-p", "shim", "--target-dir"]);
    let status = cargo.arg(&target).args(more).status().expect("cargo runs");
    assert!(status.success(), "the shim does not build");
    target
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A root with shims in it; those that live at the end are ended.
pub(crate) struct Host {
    pub(crate) folder: TempDir,
    pub(crate) shims: ShimHost,
}

impl Host {
    pub(crate) fn new() -> Self {
        Self::named("")
    }

    /// With a root whose path is longer by `more`.
    pub(crate) fn named(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join(more);
        let shims = ShimHost {
            run_root: root.join("run"),
            state_root: root.join("state"),
            shim_binary: shim_binary(),
            epoch: 1,
        };
        Self { folder, shims }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) async fn spawn(&self, id: &str) -> Shim {
        self.shims.spawn(&ShimId::new(id).unwrap()).await.map(Shim::from).unwrap()
    }

    /// Spawns a shim and starts this in it.
    pub(crate) async fn start(&self, start: Start) -> Shim {
        let shim = self.spawn(&start.id).await;
        shim.handle.start(start).await.unwrap();
        shim
    }

    /// A service that runs this script, its output in `{id}.out` and `{id}.err`.
    pub(crate) fn script(&self, id: &str, script: &str) -> Start {
        self.program(id, ["/bin/sh", "-c", script])
    }

    pub(crate) fn program<const N: usize>(&self, id: &str, argv: [&str; N]) -> Start {
        let log = |suffix: &str| LogFile { path: self.path(&format!("{id}.{suffix}")), ..LogFile::default() };
        let path = Variable { name: "PATH".into(), value: "/usr/local/bin:/usr/bin:/bin".into() };
        Start {
            id: id.to_owned(),
            argv: argv.iter().map(OsString::from).collect(),
            cwd: self.folder.path().to_owned(),
            env: vec![path],
            stdout: log("out"),
            stderr: log("err"),
            restart: RestartPolicy { mode: RestartMode::Never, ..RestartPolicy::standard() },
            stop_timeout_ms: 10_000,
            ..Start::default()
        }
    }

    pub(crate) fn read(&self, name: &str) -> String {
        String::from_utf8_lossy(&fs_err::read(self.path(name)).unwrap_or_default()).into_owned()
    }
}

impl Drop for Host {
    /// SIGTERM to the shims of this test only, found by their command line; then their folder can go.
    fn drop(&mut self) {
        for pid in processes_with(self.folder.path().as_os_str().as_encoded_bytes(), "cmdline") {
            if let Some(pid) = rustix::process::Pid::from_raw(pid) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            }
        }
    }
}

/// nobody's number, for tests that change the user.
pub(crate) fn nobody() -> Owner {
    Owner { uid: 65_534, gid: 65_534, groups: vec![65_533] }
}

/// A connection with what it has told so far.
pub(crate) struct Shim {
    pub(crate) handle: Handle,
    pub(crate) events: Events,
    pub(crate) welcome: wire::shim::Welcome,
    pub(crate) seen: Vec<Event>,
}

impl From<Connected> for Shim {
    fn from(connected: Connected) -> Self {
        let Connected { handle, events, welcome } = connected;
        Self { handle, events, welcome, seen: Vec::new() }
    }
}

impl Shim {
    /// The next event.
    pub(crate) async fn next(&mut self) -> ShimEvent {
        let next = tokio::time::timeout(LONG, self.events.next()).await;
        let event =
            next.unwrap_or_else(|_| panic!("no event came after {:#?}", self.seen)).expect("not over");
        if let ShimEvent::Happened(event) = &event {
            self.seen.push(event.clone());
        }
        event
    }

    /// Waits for a happening that `pick` wants.
    pub(crate) async fn wait_for<T>(&mut self, pick: impl Fn(&Happening) -> Option<T>) -> T {
        loop {
            match self.next().await {
                ShimEvent::Happened(Event { what: Some(what), .. }) => {
                    if let Some(found) = pick(&what) {
                        return found;
                    }
                }
                ShimEvent::Happened(_) => {}
                ShimEvent::Gone(gone) => panic!("{gone:?} after {:#?}", self.seen),
            }
        }
    }

    pub(crate) async fn exited(&mut self) -> Exited {
        let pick = |what: &Happening| match what {
            Happening::Exited(exited) => Some(exited.clone()),
            _ => None,
        };
        self.wait_for(pick).await
    }

    pub(crate) async fn started(&mut self) -> i32 {
        let pick = |what: &Happening| match what {
            Happening::Started(started) => Some(started.pid as i32),
            _ => None,
        };
        self.wait_for(pick).await
    }

    pub(crate) async fn state(&self) -> State {
        self.handle.status().await.unwrap().state
    }

    /// Until the output holds `text`.
    pub(crate) async fn says(&self, text: &str) {
        for_until(&format!("{text:?} in the output"), async || {
            String::from_utf8_lossy(&self.handle.tail(16_384).await.unwrap()).contains(text)
        })
        .await;
    }

    /// SIGKILL to the shim itself.
    pub(crate) fn kill(&self) {
        let pid = rustix::process::Pid::from_raw(self.welcome.pid as i32).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    }
}

/// Waits for a condition.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    for_until(what, async || condition()).await;
}

/// Waits for a condition that has to be asked for.
pub(crate) async fn for_until(what: &str, condition: impl AsyncFn() -> bool) {
    let begin = Instant::now();
    while !condition().await {
        assert!(begin.elapsed() < LONG, "waited in vain for: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) fn is_alive(pid: i32) -> bool {
    let stat = fs_err::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.trim().is_empty() && !rest.trim().starts_with('Z'))
}

/// Processes whose `/proc/PID/{file}` holds these bytes.
pub(crate) fn processes_with(wanted: &[u8], file: &str) -> Vec<i32> {
    let entries = fs_err::read_dir("/proc").unwrap();
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        let content = fs_err::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        content.windows(wanted.len()).any(|window| window == wanted)
    })
    .collect()
}
