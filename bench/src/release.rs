//! A release unpacked and ready to be started without Bellrock: as its own start script would be by hand, with the
//! environment that Bellrock gives it, so that the same work is measured.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use flate2::read::GzDecoder;
use fs_err as fs;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use testkit::Sample;
use testkit::processes;

use crate::serving::ms_until_serving;

/// How long killed processes may take to be gone.
const END: Duration = Duration::from_secs(20);

/// A release in a folder of its own. Whatever runs in it ends when this is dropped.
pub struct Release {
    folder: TempDir,
    script: PathBuf,
    /// The node's name, unique on this machine.
    node: String,
    /// `PORT`.
    pub port: u16,
}

impl Release {
    /// Unpacks a mix release.
    pub fn unpack(sample: &Sample, port: u16) -> Result<Release> {
        let folder = tempfile::Builder::new().prefix("br-bare-").tempdir_in("/tmp")?;
        let tree = folder.path().join("tree");
        fs::create_dir_all(tree.join("tmp"))?;
        let package = fs::File::open(&sample.path)?;
        let mut archive = tar::Archive::new(GzDecoder::new(package));
        archive.unpack(&tree).with_context(|| format!("could not unpack {}", sample.path.display()))?;
        let script = tree.join("bin").join(&sample.app);
        Ok(Release { folder, script, node: format!("bare-{port}"), port })
    }

    /// The folder that all its processes have in their environment.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its start script and that script's argument.
    pub fn command_line(&self) -> (&Path, &'static str) {
        (&self.script, "start")
    }

    /// As Bellrock's own (docs/reference/environment.md).
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let tmp = self.folder.path().join("tree/tmp").display().to_string();
        vec![
            ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into()),
            ("LANG", "C.UTF-8".into()),
            ("HOME", tmp.clone()),
            ("TMPDIR", tmp.clone()),
            ("RELEASE_TMP", tmp),
            ("PORT", self.port.to_string()),
            ("RELEASE_NODE", self.node.clone()),
            ("RELEASE_DISTRIBUTION", "sname".into()),
            ("RELEASE_COOKIE", "bench".into()),
            ("ERL_ZFLAGS", "-start_epmd false".into()),
        ]
    }

    /// Starts it, its output thrown away, in a session of its own as every supervisor does here: where the kernel
    /// schedules by session (`sched_autogroup_enabled`) a new one gets less of a busy machine at first.
    pub fn start(&self) -> Result<Bare> {
        let (script, argument) = self.command_line();
        let began = Instant::now();
        let child = Command::new("setsid")
            .arg(script)
            .arg(argument)
            .env_clear()
            .envs(self.environment())
            .current_dir(self.folder.path().join("tree"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("could not run setsid")?;
        Ok(Bare { child, began, port: self.port })
    }

    /// Milliseconds from its start until it serves; ended again afterwards.
    pub fn ms_to_boot(&self) -> Result<f64> {
        self.start()?.ms_until_serving()
    }
}

impl Drop for Release {
    fn drop(&mut self) {
        for left in processes::end_all(self.folder.path(), END) {
            eprintln!("still there: {left:?}");
        }
    }
}

/// A release that runs by itself. Killed when dropped.
pub struct Bare {
    child: Child,
    began: Instant,
    port: u16,
}

impl Bare {
    /// Milliseconds from its start until it serves.
    pub fn ms_until_serving(&self) -> Result<f64> {
        ms_until_serving(self.port, self.began)
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // `setsid` and the start script have become the VM by `exec`; its port programs end when it does.
        let _ = kill_process(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}
