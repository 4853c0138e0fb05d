//! One running sample, started as Bellrock starts its kind.

use std::io::Read;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use flate2::read::GzDecoder;
use fs_err as fs;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::TempDir;

use super::catalog::{Kind, Sample};
use super::http::{Connection, Response};
use super::shelf::Shelf;

/// How long anything may take that a healthy machine does in a second or two.
const PATIENCE: Duration = Duration::from_secs(30);

/// The variable that every sample is started with, to be read back through `/env`.
pub(crate) const PLACE: &str = "7";

/// A process group that ends with this value.
pub(crate) struct Instance {
    child: Child,
    pub(crate) port: u16,
    folder: TempDir,
}

impl Instance {
    pub(crate) fn start(sample: &Sample, shelf: &Shelf) -> Result<Instance> {
        let folder = unpacked(sample, shelf)?;
        let [port, dist_port] = free_ports()?;
        let (program, argument) = launch(sample, folder.path());
        let output = fs::File::create(folder.path().join("output"))?.into_file();
        let child = Command::new(&program)
            .arg(argument)
            .env_clear()
            .envs(environment(sample, folder.path(), port, dist_port))
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0)
            .spawn()
            .with_context(|| format!("could not start {}", program.display()))?;
        Ok(Instance { child, port, folder })
    }

    /// Asks until there is an answer; fails when the process ends before.
    pub(crate) fn first_answer(&mut self, target: &str) -> Result<Response> {
        let port = self.port;
        self.wait_for("an answer", |instance| {
            if let Some(status) = instance.child.try_wait()? {
                bail!("it ended: {status}");
            }
            Ok(Connection::open(port).and_then(|mut connection| connection.get(target)).ok())
        })
    }

    pub(crate) fn exit_status(&mut self) -> Result<ExitStatus> {
        self.wait_for("its end", |instance| Ok(instance.child.try_wait()?))
    }

    /// SIGTERM to the start script's process, which has become the VM by `exec`.
    pub(crate) fn terminate(&mut self) -> Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM).context("could not send SIGTERM")
    }

    /// What it wrote to stdout and stderr so far.
    pub(crate) fn output(&self) -> Result<String> {
        let mut bytes = Vec::new();
        fs::File::open(self.folder.path().join("output"))?.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    pub(crate) fn wait_for<T>(
        &mut self,
        what: &str,
        mut condition: impl FnMut(&mut Instance) -> Result<Option<T>>,
    ) -> Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(value) = condition(self)? {
                return Ok(value);
            }
            if Instant::now() > deadline {
                bail!("waited {} s in vain for {what}", PATIENCE.as_secs());
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The pid as a number.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // it may be gone already, which is what we want
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}

/// How an `eval` ended, and what it wrote to the file that `MIGRATION_LOG` names.
pub(crate) struct Evaluated {
    pub(crate) status: ExitStatus,
    pub(crate) log: String,
}

/// Runs `bin/{release} eval CODE` of a mix release.
pub(crate) fn eval(
    sample: &Sample,
    shelf: &Shelf,
    code: &str,
    variables: &[(&str, &str)],
) -> Result<Evaluated> {
    let folder = unpacked(sample, shelf)?;
    let log = folder.path().join("migration.log");
    let (program, _) = launch(sample, folder.path());
    let output = Command::new(program)
        .args(["eval", code])
        .env_clear()
        .envs(environment(sample, folder.path(), 1, 1))
        .env("MIGRATION_LOG", &log)
        .envs(variables.iter().copied())
        .output()
        .context("could not run eval")?;
    Ok(Evaluated { status: output.status, log: fs::read_to_string(log)? })
}

fn unpacked(sample: &Sample, shelf: &Shelf) -> Result<TempDir> {
    let folder = shelf.check_folder()?;
    let package = fs::File::open(shelf.package(sample))?;
    tar::Archive::new(GzDecoder::new(package))
        .unpack(folder.path())
        .with_context(|| format!("could not unpack {}", sample.file_name()))?;
    Ok(folder)
}

/// Two ports nobody listens on now. Another process could take them before the sample does: then
/// the sample fails to start, and says so.
fn free_ports() -> Result<[u16; 2]> {
    let listeners = [TcpListener::bind(("127.0.0.1", 0))?, TcpListener::bind(("127.0.0.1", 0))?];
    Ok([listeners[0].local_addr()?.port(), listeners[1].local_addr()?.port()])
}

fn launch(sample: &Sample, folder: &Path) -> (PathBuf, &'static str) {
    let script = folder.join("bin").join(sample.release_name());
    match sample.kind {
        Kind::Mix => (script, "start"),
        Kind::Rebar3 => (script, "foreground"),
        Kind::Gleam => (folder.join("erlang-shipment/entrypoint.sh"), "run"),
    }
}

fn environment(sample: &Sample, folder: &Path, port: u16, dist_port: u16) -> Vec<(&'static str, String)> {
    let folder = folder.display().to_string();
    let mut pairs = vec![
        ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
        ("HOME", folder.clone()),
        ("LANG", "C.UTF-8".to_owned()),
        ("RELEASE_TMP", format!("{folder}/tmp")),
        ("PORT", port.to_string()),
        ("BELLROCK_PLACE", PLACE.to_owned()),
        ("FAIL_HEALTH_AFTER_MS", "300".to_owned()),
        ("ERL_CRASH_DUMP_SECONDS", "0".to_owned()),
    ];
    match sample.kind {
        Kind::Mix => pairs.push(("RELEASE_DISTRIBUTION", "none".to_owned())),
        Kind::Rebar3 => pairs.extend([
            ("RELEASE_NODE", format!("check-{port}")),
            ("RELX_REPLACE_OS_VARS", "true".to_owned()),
            // relx knows no start without a node name: let it at least leave no epmd behind
            ("ERL_FLAGS", format!("-start_epmd false -erl_epmd_port {dist_port}")),
        ]),
        Kind::Gleam => {}
    }
    pairs
}
