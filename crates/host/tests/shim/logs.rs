//! Output: kept, rotated, and never a reason for the app to wait.

use crate::support::{Host, LONG, is_root, until};
use std::path::Path;
use std::time::{Duration, Instant};
use wire::log_index;
use wire::shim::{Happening, Kind, Start};

fn size(path: &Path) -> u64 {
    fs_err::metadata(path).map_or(0, |metadata| metadata.len())
}

fn task(mut start: Start) -> Start {
    start.kind = Kind::Task;
    start
}

#[tokio::test]
async fn a_flood_does_not_stop_the_app_and_every_byte_is_written_or_counted() {
    const FLOOD: u64 = 100 << 20;
    let host = Host::new();
    let mut start = task(host.script("a", "head -c 104857600 /dev/zero; echo; echo end"));
    start.stdout.max_bytes = 0;
    let begin = Instant::now();
    let mut shim = host.start(start).await;
    let exited = shim.exited().await;
    assert_eq!(exited.status, Some(0));
    println!("100 MB took {:?}", begin.elapsed());
    let told: u64 = shim
        .seen
        .iter()
        .filter_map(|event| match &event.what {
            Some(Happening::LogDropped(dropped)) => Some(dropped.bytes),
            _ => None,
        })
        .sum();
    shim.handle.release().await.unwrap();
    let written = fs_err::read(host.path("a.out")).unwrap();
    let zeros = written.iter().filter(|byte| **byte == 0).count() as u64;
    assert_eq!(zeros + told, FLOOD, "{told} were told as dropped");
    assert!(written.ends_with(b"\nend\n"), "the newest is kept");
    assert_eq!(told > 0, String::from_utf8_lossy(&written).contains("bytes of output were lost here]"));
}

#[tokio::test]
async fn a_disk_that_takes_nothing_costs_output_but_not_the_app() {
    let host = Host::new();
    let mut start = task(host.script("a", "head -c 10000000 /dev/zero; echo told >&2"));
    start.stdout.path = "/dev/full".into();
    let mut shim = host.start(start).await;
    let dropped = shim.wait_for(|what| match what {
        Happening::LogDropped(dropped) => Some(dropped.bytes),
        _ => None,
    });
    let dropped = dropped.await;
    assert!(dropped > 9_000_000, "all but what the ring holds: {dropped}");
    assert_eq!(shim.exited().await.status, Some(0));
    until("the other log", || host.read("a.err") == "told\n").await;
    assert!(shim.handle.status().await.unwrap().dropped_bytes >= dropped);
}

#[tokio::test]
async fn a_full_disk_loses_no_event_and_heals() {
    if !is_root() {
        eprintln!("only root can mount a small file system: nothing to test");
        return;
    }
    let host = Host::new();
    let disk = Disk::mount(&host.path("state"), "256k");
    let mut start = host.script("a", "echo up; sleep 0.02; exit 1");
    start.stdout.path = host.path("state/a.out");
    start.restart = wire::shim::RestartPolicy {
        mode: wire::shim::RestartMode::Always,
        step_ms: 5,
        cap_ms: 20,
        reset_after_ms: 60_000,
    };
    let mut shim = host.start(start).await;
    shim.exited().await;
    let filler = host.path("state/filler");
    let _full = fs_err::write(&filler, vec![0; 1 << 20]).unwrap_err();
    let run = shim.handle.status().await.unwrap().run;
    crate::support::for_until("runs with a full disk", async || {
        shim.handle.status().await.unwrap().run > run + 20
    })
    .await;
    fs_err::remove_file(&filler).unwrap();
    let last = shim.handle.status().await.unwrap().last_seq;
    while shim.seen.last().is_none_or(|event| event.seq < last) {
        shim.next().await;
    }
    assert!(shim.seen.iter().zip(1..).all(|(event, seq)| event.seq == seq), "none lost, none twice");
    shim.handle.stop(LONG).await.unwrap();
    shim.wait_for(|what| matches!(what, Happening::Stopped(_)).then_some(())).await;
    shim.handle.release().await.unwrap();
    drop(disk);
}

/// A small tmpfs, unmounted at the end.
struct Disk(std::path::PathBuf);

impl Disk {
    fn mount(path: &Path, size: &str) -> Self {
        fs_err::create_dir_all(path).unwrap();
        let mut mount = std::process::Command::new("mount");
        let mounted =
            mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "bellrock-test"]).arg(path).status();
        assert!(mounted.unwrap().success());
        Self(path.to_owned())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test]
async fn rotated_by_size_at_line_ends_and_few_are_kept() {
    let host = Host::new();
    let mut start =
        task(host.script("a", "i=1000; while [ $i -lt 1400 ]; do echo \"line $i\"; i=$((i+1)); done"));
    start.stdout.max_bytes = 1_000;
    start.stdout.keep = 2;
    let mut shim = host.start(start).await;
    shim.exited().await;
    shim.handle.release().await.unwrap();
    let files = ["a.out.2", "a.out.1", "a.out"].map(|name| host.read(name));
    let lines: Vec<&str> = files.iter().flat_map(|file| file.lines()).collect();
    let first = 1400 - lines.len();
    let expected: Vec<String> = (first..1400).map(|number| format!("line {number}")).collect();
    assert_eq!(lines, expected, "whole lines, in order, up to the newest");
    assert!(
        files.iter().all(|file| file.len() <= 1_000 && !file.is_empty()),
        "{:?}",
        files.map(|file| file.len())
    );
    assert!(!host.path("a.out.3").exists());
    assert!(host.path("a.out.2.idx").exists() && !host.path("a.out.3.idx").exists());
}

#[tokio::test]
async fn rotated_by_age_and_when_told() {
    let host = Host::new();
    let mut start =
        host.script("a", "echo first; while [ ! -e go ]; do sleep 0.01; done; echo second; sleep 1000");
    start.stdout.max_age_ms = 200;
    start.stdout.keep = 5;
    let mut shim = host.start(start).await;
    until("the first line", || host.read("a.out") == "first\n").await;
    let old =
        || fs_err::metadata(host.path("a.out")).unwrap().modified().unwrap().elapsed().unwrap_or_default();
    until("its age", || old() > Duration::from_millis(300)).await;
    fs_err::write(host.path("go"), "").unwrap();
    until("the second line", || host.read("a.out") == "second\n").await;
    assert_eq!(host.read("a.out.1"), "first\n");
    shim.handle.rotate().await.unwrap();
    until("the order's effect", || host.read("a.out.1") == "second\n").await;
    shim.handle.stop(Duration::ZERO).await.unwrap();
    shim.exited().await;
}

#[tokio::test]
async fn the_index_finds_a_time() {
    let host = Host::new();
    let mut shim =
        host.start(task(host.script("a", "echo old; sleep 1.3; echo new; sleep 1.3; echo newest"))).await;
    shim.exited().await;
    shim.handle.release().await.unwrap();
    let index = fs_err::read(host.path("a.out.idx")).unwrap();
    let entries: Vec<_> = log_index::entries(&index).collect();
    assert_eq!(entries.iter().map(|entry| entry.offset).collect::<Vec<_>>(), [0, 4, 8]);
    let log = host.read("a.out");
    let since = |time| &log[log_index::offset_since(&index, time) as usize..];
    assert_eq!(since(0), "old\nnew\nnewest\n");
    assert_eq!(since(entries[2].time_ms + 1), "newest\n");
}

#[tokio::test]
async fn any_bytes_are_kept_as_they_are() {
    let host = Host::new();
    let bytes: Vec<u8> = (0..=255u8).cycle().take(50_000).collect();
    fs_err::write(host.path("binary"), &bytes).unwrap();
    let mut shim = host.start(task(host.program("a", ["/bin/cat", "binary"]))).await;
    shim.exited().await;
    assert_eq!(shim.handle.tail(1_000).await.unwrap(), bytes[49_000..]);
    assert_eq!(shim.handle.tail(1_000_000).await.unwrap().len(), 16 * 1024);
    shim.handle.release().await.unwrap();
    assert_eq!(size(&host.path("a.out")), 50_000);
    assert_eq!(fs_err::read(host.path("a.out")).unwrap(), bytes);
}

#[tokio::test]
async fn an_app_whose_log_folder_is_missing_runs_nevertheless() {
    let host = Host::new();
    let mut start = task(host.script("a", "head -c 1000000 /dev/zero; echo fine"));
    start.stdout.path = host.path("no/such/folder/a.out");
    let mut shim = host.start(start).await;
    assert_eq!(shim.exited().await.status, Some(0));
    shim.says("fine").await;
}
