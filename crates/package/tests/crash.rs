//! SIGKILL in the middle: what is visible is whole, and what is not is swept away.
#![allow(clippy::unwrap_used, reason = "clippy knows tests by their attribute, not their helpers")]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use package::Limits;
use package::tree::{Check, install_version, instance_tree, remove_tree, sweep, verify};
use support::{Bench, Tar, host, mix};

/// Tells the test binary, started again, to be the one that is killed.
const CHILD: &str = "BELLROCK_TEST_CRASH_IN";

/// Installs and lays out the package in a folder again and again.
fn work(folder: &Path) {
    for round in 0.. {
        let (version, instance) = (folder.join(format!("v{round}")), folder.join(format!("i{round}")));
        let package = folder.join("package.tar.gz");
        install_version(&package, None, None, &version, &host("2.36"), &Limits::default()).unwrap();
        instance_tree(&version, &instance, None).unwrap();
        if round > 2 {
            remove_tree(&folder.join(format!("v{}", round - 2))).unwrap();
        }
    }
}

#[test]
fn the_one_that_is_killed() {
    // Does nothing in an ordinary run: `killed_at_any_moment` starts it with the variable set.
    if let Some(folder) = std::env::var_os(CHILD) {
        work(&PathBuf::from(folder));
    }
}

fn large_release() -> Vec<u8> {
    let noise: Vec<u8> = (0..20_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let files = 0..200;
    files
        .fold(mix(Tar::new(), "", "beacon", "1.0.0"), |tar, n| {
            tar.file(&format!("lib/beacon-1.0.0/priv/{n}"), &noise)
                .file(&format!("releases/1.0.0/{n}"), "own")
        })
        .gz()
}

/// Kills the child once it has published something and `after` more has passed.
fn kill(folder: &Path, after: Duration) {
    let program = std::env::current_exe().unwrap();
    let arguments = ["--exact", "the_one_that_is_killed", "--nocapture"];
    let mut child = Command::new(program)
        .args(arguments)
        .env(CHILD, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begin = Instant::now();
    while !folder.join("v0").exists() {
        assert!(begin.elapsed() < Duration::from_secs(60), "the child installs nothing");
        assert!(child.try_wait().unwrap().is_none(), "the child ended by itself");
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn killed_at_any_moment() {
    let bytes = large_release();
    let mut unfinished = 0;
    for moment in 0..12 {
        let bench = Bench::new();
        bench.package(&bytes);
        kill(bench.folder.path(), Duration::from_micros(moment * 7_300));
        unfinished += sweep(bench.folder.path()).unwrap();
        for name in bench.names() {
            let path = bench.path(&name);
            match name.as_bytes()[0] {
                b'v' => {
                    verify(&path, Check::Full).unwrap_or_else(|error| panic!("{name}: {error:?}"));
                    let again = bench.path("again");
                    instance_tree(&path, &again, None).unwrap();
                    remove_tree(&again).unwrap();
                }
                b'i' => assert!(path.join(package::tree::INSTANCE_MARK).exists(), "{name} is half made"),
                b'p' => {}
                _ => panic!("{name} was left behind"),
            }
        }
    }
    assert!(unfinished > 0, "no kill hit anything in the making: the moments must be spread wider");
}
