//! How long inventories and differences of two packages take: `inventory_times OLD.tar.gz NEW.tar.gz`.
//!
//! Each is unpacked to a temporary folder, then read as if for the first time, and then as it was kept. Times are in
//! milliseconds, of wall clock and of the processor, the best of five.

use std::path::Path;
use std::time::{Duration, Instant};

use package::tree::{Unpacked, install_version, remove_tree};
use package::{HostPlatform, Limits, inventory};
use rustix::time::{ClockId, clock_gettime};
use upgrade::Difference;
use upgrade::inventory::Release;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [old, new] = &arguments[..] else { return Err("two packages are needed".into()) };
    let folder = tempfile::tempdir()?;
    let install = |name: &str, path: &str| {
        let (host, limits) = (HostPlatform::detect(), Limits::default());
        install_version(Path::new(path), None, None, &folder.path().join(name), &host, &limits)
    };
    let (old, new) = (install("old", old)?, install("new", new)?);
    let modules = inventory::read(&old)?.modules().count() + inventory::read(&new)?.modules().count();
    let read_ms = best(|| inventory::read(&old).map(drop).is_ok());
    both(&old, &new)?;
    let kept_bytes = fs_err::metadata(old.path.join("inventory.bin"))?.len();
    let kept_ms = best(|| both(&old, &new).is_ok());
    let (before, after) = both(&old, &new)?;
    let difference_ms = best(|| Difference::between(&before, &after).version.is_none());
    println!(
        "modules={modules} read_old={read_ms:.1?} kept_both={kept_ms:.1?} difference={difference_ms:.1?} kept_bytes={kept_bytes}"
    );
    remove_tree(folder.path())?;
    Ok(())
}

/// The kept inventories of two versions, read at the same time.
fn both(old: &Unpacked, new: &Unpacked) -> Result<(Release, Release), Failure> {
    std::thread::scope(|scope| {
        let old = scope.spawn(|| inventory::open(old));
        let new = inventory::open(new)?;
        let old = old.join().map_err(|_| "a thread panicked")??;
        Ok((old, new))
    })
}

/// The shortest of five runs: milliseconds of wall clock, and of processor time of all threads.
fn best(mut run: impl FnMut() -> bool) -> (f64, f64) {
    let processor = || {
        let time = clock_gettime(ClockId::ProcessCPUTime);
        Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
    };
    let times = (0..5).map(|_| {
        let (began, used) = (Instant::now(), processor());
        std::hint::black_box(run());
        (began.elapsed().as_secs_f64() * 1000.0, (processor() - used).as_secs_f64() * 1000.0)
    });
    times.fold((f64::INFINITY, f64::INFINITY), |best, it| (best.0.min(it.0), best.1.min(it.1)))
}
