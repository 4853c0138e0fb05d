//! The modules of a release, read by several threads.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use beam::module::MAX_BYTES;
use upgrade::inventory::{Module, Release};
use upgrade::survey;

use super::InventoryError;
use super::files::Files;

/// Most threads: each may hold the largest module.
const MOST_THREADS: usize = 8;

struct Job {
    /// The application; `None` for a consolidated protocol.
    application: Option<String>,
    module: String,
    path: String,
}

type Read = (usize, Result<Module, InventoryError>);

/// Reads all modules into their applications, and the consolidated protocols.
pub(super) fn fill(files: &Files<'_>, release: &mut Release, protocols: &str) -> Result<(), InventoryError> {
    let jobs = jobs(files, release, protocols);
    for (index, module) in read_all(files, &jobs) {
        let (job, module) = (&jobs[index], module?);
        let place = match &job.application {
            None => Some(&mut release.protocols),
            Some(name) => release.applications.get_mut(name).map(|application| &mut application.modules),
        };
        place.and_then(|place| place.insert(job.module.clone(), module));
    }
    Ok(())
}

fn jobs(files: &Files<'_>, release: &Release, protocols: &str) -> Vec<Job> {
    let ebins = release.applications.iter().map(|(name, it)| (Some(name), format!("{}/ebin", it.folder)));
    let folders = ebins.chain([(None, protocols.to_owned())]);
    let jobs = folders.flat_map(|(application, folder)| {
        let modules = files.names(&folder).filter_map(|name| name.strip_suffix(".beam"));
        let job = |module: &str| Job {
            application: application.cloned(),
            module: module.to_owned(),
            path: format!("{folder}/{module}.beam"),
        };
        modules.map(job).collect::<Vec<_>>()
    });
    jobs.collect()
}

/// Each thread takes the next job that nobody has.
fn read_all(files: &Files<'_>, jobs: &[Job]) -> Vec<Read> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(jobs.len()));
    let work = || {
        let mut mine = Vec::new();
        while let Some((index, job)) = take(&next, jobs) {
            mine.push((index, read(files, &job.path)));
        }
        if let Ok(mut done) = done.lock() {
            done.append(&mut mine);
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS).min(jobs.len());
    thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(work);
        }
        work();
    });
    done.into_inner().unwrap_or_default()
}

fn take<'a>(next: &AtomicUsize, jobs: &'a [Job]) -> Option<(usize, &'a Job)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    Some((index, jobs.get(index)?))
}

fn read(files: &Files<'_>, path: &str) -> Result<Module, InventoryError> {
    let content = files.read_most(path, MAX_BYTES as u64)?;
    Ok(match survey::module(&content) {
        Ok((_, module)) => module,
        Err(error) => Module::opaque(&content, error.to_string()),
    })
}
