//! A package of 100 MB on its way to an instance: verified, unpacked, checked, linked; beside sha256sum, tar and cp.
//! Every step is what the daemon does with a real one, with its fsyncs; tar and cp make none.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;
use fs_err as fs;
use package::tree::{Check, install_version, instance_tree, remove_tree, verify};
use package::{HostPlatform, Limits, Sha256Digest};
use tempfile::TempDir;
use testkit::{pack, sample};

use crate::figures::{Figures, tell};
use crate::serving::ms;

/// Files that are added to a real release; a large one has thousands.
const FILES: usize = 2_000;

#[derive(Args)]
pub struct Options {
    /// Rounds
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// MB of the packed file
    #[arg(long, default_value_t = 100)]
    megabytes: usize,
}

/// A package, and a folder to handle it in.
struct Scene {
    folder: TempDir,
    packed_mb: f64,
    unpacked_mb: f64,
}

#[derive(Default)]
struct Measured {
    verify: Figures,
    sha256sum: Figures,
    unpack: Figures,
    tar: Figures,
    check: Figures,
    link: Figures,
    cp: Figures,
}

pub fn run(options: &Options) -> Result<()> {
    let mut scene = Scene::make(options.megabytes)?;
    let mut measured = Measured::default();
    for _ in 0..options.rounds {
        scene.round(&mut measured)?;
    }
    print(&scene, &measured);
    Ok(())
}

impl Scene {
    fn make(megabytes: usize) -> Result<Scene> {
        let folder = tempfile::Builder::new().prefix("br-package-").tempdir_in("/tmp")?;
        let package = package_of(megabytes * 1_000_000);
        let packed_mb = package.len() as f64 / 1e6;
        fs::write(folder.path().join("package.tar.gz"), package)?;
        Ok(Scene { folder, packed_mb, unpacked_mb: 0.0 })
    }

    fn round(&mut self, measured: &mut Measured) -> Result<()> {
        let path = |name: &str| self.folder.path().join(name);
        let (package, version, instance) = (path("package.tar.gz"), path("version"), path("instance"));
        let (plain, linked) = (path("plain"), path("linked"));
        for folder in [&instance, &version, &plain, &linked] {
            remove_tree(folder)?;
        }
        // What was removed is not to be written while something else is measured.
        rustix::fs::sync();
        let (digest, took) = timed(|| Ok(Sha256Digest::of_file(&package)?))?;
        measured.verify.push(took);
        measured.sha256sum.push(timed(|| run_program("sha256sum", &[package.as_ref()]))?.1);
        let platform = HostPlatform::detect();
        let unpack = || {
            let limits = Limits::default();
            Ok(install_version(&package, Some(&digest), None, &version, &platform, &limits)?)
        };
        let (unpacked, took) = timed(unpack)?;
        measured.unpack.push(took);
        fs::create_dir_all(&plain)?;
        let into = ["xzf".as_ref(), package.as_ref(), "-C".as_ref(), plain.as_ref()];
        measured.tar.push(timed(|| run_program("tar", &into))?.1);
        measured.check.push(timed(|| Ok(verify(&version, Check::Full)?))?.1);
        measured.link.push(timed(|| Ok(instance_tree(&version, &instance, None)?))?.1);
        let links = ["-al".as_ref(), plain.as_ref(), linked.as_ref()];
        measured.cp.push(timed(|| run_program("cp", &links))?.1);
        self.unpacked_mb = unpacked.unpacked_bytes() as f64 / 1e6;
        Ok(())
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // Unpacked versions are read-only, which the folder's own end would trip over.
        for name in ["instance", "version"] {
            if let Err(error) = remove_tree(&self.folder.path().join(name)) {
                eprintln!("{error}");
            }
        }
    }
}

/// A real release with files added until it is so large, packed.
fn package_of(bytes: usize) -> Vec<u8> {
    let release = &sample("beacon-base").path;
    let small = fs::metadata(release).map_or(0, |file| usize::try_from(file.len()).unwrap_or(0));
    // gzip makes about 76 of 100 bytes of such text
    let each = bytes.saturating_sub(small) * 100 / 76 / FILES;
    let text = text(each * FILES);
    let names: Vec<String> = (0..FILES).map(|n| format!("lib/ballast-1.0/priv/{}/{n}.txt", n % 50)).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(String::as_str).zip(text.chunks(each.max(1))).collect();
    pack::edited(release, &files)
}

/// Text of letters in no order: gzip finds little in it, as in what releases are made of.
fn text(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let letters = std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        32 + u8::try_from(state >> 58).unwrap_or(0)
    });
    letters.take(length).collect()
}

/// What it made, and how many milliseconds it took.
fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, f64)> {
    let began = Instant::now();
    let made = work()?;
    Ok((made, ms(began.elapsed())))
}

fn run_program(program: &str, arguments: &[&Path]) -> Result<()> {
    let status = Command::new(program).args(arguments).stdout(Stdio::null()).status();
    let status = status.with_context(|| format!("could not run {program}"))?;
    if !status.success() {
        bail!("{program} ended with {status}");
    }
    Ok(())
}

fn print(scene: &Scene, measured: &Measured) {
    println!("package: {:.1} MB packed, {:.1} MB unpacked", scene.packed_mb, scene.unpacked_mb);
    tell("verify (SHA-256), ms", &measured.verify);
    tell("sha256sum, ms", &measured.sha256sum);
    tell("unpack, digest and fsync, ms", &measured.unpack);
    tell("tar xzf, ms", &measured.tar);
    tell("full check of what is unpacked, ms", &measured.check);
    tell("link an instance's tree, ms", &measured.link);
    tell("cp -al, ms", &measured.cp);
    let mbps = scene.packed_mb / (measured.verify.median() / 1000.0);
    println!("package: verify_mbps={mbps:.0} link_ms={:.1}", measured.link.median());
}
