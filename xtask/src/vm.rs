//! `cargo xtask test-vm`: tests that need a kernel of their own, in a virtual machine.
//!
//! The machine is User Mode Linux: a kernel that is an ordinary process, so that neither KVM nor an image is needed. Its
//! root is this host's, read-only; what must be written is in memory, or on a disk that outlives it:
//!
//! ```text
//! cargo xtask test-vm ── linux.uml init=xtask vm-guest ORDERS ──▶ guest: mounts, then runs the end-to-end tests' program
//!        ▲                                                                          │
//!        └────────────── console: lines of the tests, and how they ended ◀──────────┘
//! ```

mod guest;
mod machine;
mod orders;
mod power_cuts;

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Deserialize;

use crate::{binaries, samples};
use machine::Machine;
use orders::Orders;

/// Samples that the tests deploy.
const SAMPLES: [&str; 3] = ["beacon", "buoy", "lantern"];

/// What runs in one boot, besides reboots and power cuts: what needs cgroups with their controllers.
const IN_ONE_BOOT: [&str; 2] = ["faults::limits::", "isolation::a_limit_of_memory"];

/// Longest for that.
const ONE_BOOT: Duration = Duration::from_secs(30 * 60);

/// Longest for a boot whose tests deploy a few times.
pub(crate) const SHORT_BOOT: Duration = Duration::from_secs(10 * 60);

#[derive(Args)]
pub(crate) struct Options {
    /// Programs and samples as they were built before
    #[arg(long)]
    no_build: bool,
    /// How often the power goes in the middle of a deployment
    #[arg(long, default_value_t = 6)]
    power_cuts: u32,
    /// Where the random moments of the power cuts begin
    #[arg(long)]
    seed: Option<u64>,
    /// Only these tests, in one boot; no reboots and power cuts
    #[arg(value_name = "TEST")]
    tests: Vec<String>,
}

/// What the machine runs as its init.
#[derive(Args)]
pub(crate) struct GuestOptions {
    /// The file with what it shall do
    orders: PathBuf,
    /// Words that the kernel adds to its command line, `console=tty0`
    #[arg(hide = true)]
    kernels_own: Vec<String>,
}

pub(crate) fn run(root: &Path, options: &Options) -> Result<()> {
    let Some(kernel) = machine::kernel() else {
        println!(
            "test-vm: skipped: there is no linux.uml here (tools/setup.sh vm installs Debian's user-mode-linux)"
        );
        return Ok(());
    };
    if !options.no_build {
        binaries::run(root, &binaries::Options::default())?;
        samples::run(root, &samples::Options::only(&SAMPLES))?;
    }
    let program = test_program(root)?;
    if program.starts_with("/tmp") {
        bail!(
            "{} cannot be seen in the machine, which has a /tmp of its own: build elsewhere",
            program.display()
        );
    }
    let scratch = tempfile::Builder::new().prefix("bellrock-vm-").tempdir()?;
    let lab = Lab { kernel, program, root: root.to_owned(), scratch: scratch.path().to_owned() };
    let begin = Instant::now();
    if options.tests.is_empty() {
        let boots = lab.all(options)?;
        let minutes = begin.elapsed().as_secs_f64() / 60.0;
        println!("test-vm: boots={boots} power_cuts={} minutes={minutes:.1}", options.power_cuts);
        return Ok(());
    }
    let tests: Vec<&str> = options.tests.iter().map(String::as_str).collect();
    lab.boot(None, &tests)?.ends(ONE_BOOT)
}

/// In the machine: see [`guest`].
pub(crate) fn guest(options: &GuestOptions) -> Result<()> {
    guest::run(&options.orders)
}

/// What machines are made of.
struct Lab {
    kernel: PathBuf,
    /// The end-to-end tests.
    program: PathBuf,
    /// The workspace.
    root: PathBuf,
    scratch: PathBuf,
}

impl Lab {
    /// Everything; returns the number of boots.
    fn all(&self, options: &Options) -> Result<u32> {
        self.boot(None, &IN_ONE_BOOT)?.ends(ONE_BOOT)?;
        let reboots = self.reboots()?;
        let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
        let cuts = power_cuts::run(self, options.power_cuts, seed)?;
        Ok(1 + reboots + cuts)
    }

    /// A machine that comes up three times: after it went down in order, and after it was reset.
    fn reboots(&self) -> Result<u32> {
        let disk = self.disk("reboots")?;
        let test = |name| format!("faults::machine::{name}");
        let comes_up = test("a_machine_that_comes_up_runs_all_that_should_run");
        self.boot(Some(&disk), &[&test("a_machine_is_set_up")])?.ends(SHORT_BOOT)?;
        self.boot(Some(&disk), &[&comes_up])?.ends(SHORT_BOOT)?;
        let mut reset = self.boot(Some(&disk), &[&comes_up])?;
        reset.says("serve", SHORT_BOOT)?;
        reset.cut_power();
        self.boot(Some(&disk), &[&comes_up])?.ends(SHORT_BOOT)?;
        Ok(4)
    }

    /// Boots a machine that runs these tests and goes down in order: where it has a disk the one of this name, else all
    /// whose names hold one of these texts.
    fn boot(&self, disk: Option<&Path>, tests: &[&str]) -> Result<Machine> {
        let exactly = disk.map(|_| &"--exact");
        let arguments = ["--nocapture", "--test-threads", "1"].iter().chain(exactly).chain(tests);
        let orders = Orders {
            program: self.program.clone(),
            arguments: arguments.map(|word| (*word).to_owned()).collect(),
            environment: self.environment(),
            has_disk: disk.is_some(),
        };
        let file = self.scratch.join("orders.json");
        orders.write(&file)?;
        println!("test-vm: boots for {}", tests.join(", "));
        Machine::boot(&self.kernel, &env::current_exe()?, &file, disk)
    }

    fn environment(&self) -> Vec<(String, String)> {
        let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned();
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let ours = [
            // Each system call of the guest's is several of ours.
            ("BELLROCK_PATIENCE", "5".to_owned()),
            ("BELLROCK_PROGRAMS", text(binaries::shelf(&self.root))),
            ("BELLROCK_SAMPLES", text(samples::shelf_path(&self.root))),
            ("BELLROCK_VM", "1".to_owned()),
            ("PATH", path),
        ];
        let wanted = ["BELLROCK_LOG", "RUST_BACKTRACE"];
        let passed = wanted.iter().filter_map(|name| Some((*name, env::var(name).ok()?)));
        ours.into_iter().chain(passed).map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// An empty disk with an ext4 file system on it: a sparse file.
    fn disk(&self, name: &str) -> Result<PathBuf> {
        const BYTES: u64 = 2 << 30;
        let path = self.scratch.join(format!("{name}.ext4"));
        fs_err::File::create(&path)?.set_len(BYTES)?;
        let path_of = env::var("PATH").unwrap_or_default();
        let status = Command::new("mkfs.ext4")
            .args(["-q", "-F"])
            .arg(&path)
            .env("PATH", format!("{path_of}:/usr/sbin:/sbin"))
            .status()
            .context("could not run mkfs.ext4 (tools/setup.sh vm installs e2fsprogs)")?;
        if !status.success() {
            bail!("mkfs.ext4 {} ended with {status}", path.display());
        }
        Ok(path)
    }
}

/// What cargo tells of each thing that it has built.
#[derive(Deserialize)]
struct Built {
    target: Option<Target>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
}

/// Builds the end-to-end tests; returns their program.
fn test_program(root: &Path) -> Result<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "test",
            "--locked",
            "--no-run",
            "--package",
            "tests",
            "--message-format",
            "json-render-diagnostics",
        ])
        .current_dir(root)
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("could not run cargo")?;
    if !output.status.success() {
        bail!("cargo test --no-run --package tests ended with {}", output.status);
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let mut programs = text.lines().filter_map(test_in);
    programs.next_back().context("cargo names no program of the end-to-end tests")
}

/// The program of a test that a line of cargo's names.
fn test_in(line: &str) -> Option<PathBuf> {
    let built: Built = serde_json::from_str(line).ok()?;
    built.target.filter(|target| target.kind.iter().any(|kind| kind == "test"))?;
    built.executable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_what_cargo_says_it_built_as_a_test() {
        let test = r#"{"reason":"compiler-artifact","target":{"kind":["test"],"name":"main"},"executable":"/t/main-1"}"#;
        assert_eq!(test_in(test), Some("/t/main-1".into()));
        let library =
            r#"{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"x"},"executable":null}"#;
        assert_eq!(test_in(library), None);
        assert_eq!(test_in(r#"{"reason":"build-finished","success":true}"#), None);
    }
}
