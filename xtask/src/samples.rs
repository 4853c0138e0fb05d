//! `cargo xtask samples`: builds the applications of `samples/` into packages.
//!
//! A sample is rebuilt when its sources, its line in `samples.toml`, the tools or the way of
//! building changed ([`fingerprint`]); else its package of last time stays. Builds run in a scratch
//! copy with a HOME of their own, so that neither the source tree nor the user's home is touched.

mod build;
mod catalog;
mod check;
mod fingerprint;
pub(crate) mod http;
mod instance;
mod shelf;
mod tools;
mod web_socket;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;
use std::{env, thread};

use anyhow::{Context, Result};
use clap::Args;
use fs_err as fs;

use catalog::{Catalog, Sample};
use fingerprint::Fingerprint;
use shelf::Shelf;
use tools::Tools;

#[derive(Args, Default)]
pub(crate) struct Options {
    /// Only the samples whose name is, or starts with, this (can be repeated)
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// List the samples and whether they are built, build nothing
    #[arg(long)]
    list: bool,
    /// After building, boot every sample, use its pages and stop it
    #[arg(long)]
    check: bool,
}

impl Options {
    /// Builds these samples.
    pub(crate) fn only(names: &[&str]) -> Options {
        Options { only: names.iter().map(|name| (*name).to_owned()).collect(), ..Options::default() }
    }
}

pub(crate) fn run(root: &Path, options: &Options) -> Result<()> {
    let started = Instant::now();
    let sources = root.join("samples");
    let catalog = Catalog::read(&sources.join("samples.toml"))?;
    let samples = catalog.select(&options.only)?;
    if options.list {
        return list(&samples, &Shelf::at(shelf_path(root)));
    }
    let tools = Tools::find(samples.iter().map(|sample| sample.kind))?;
    let shelf = Shelf::at(shelf_path(root));
    let _lock = shelf.lock()?;
    shelf.discard_leftovers()?;
    shelf.discard_unknown(&catalog)?;

    let work = stale(&samples, &sources, &tools, &shelf)?;
    println!("samples: {} of {} to build", work.len(), samples.len());
    in_parallel(&work, |each| build_one(each, &sources, &shelf))?;
    shelf.write_index(&catalog)?;
    if options.check {
        check::all(&samples, &shelf)?;
    }
    println!("samples: done in {:.1} s, in {}", started.elapsed().as_secs_f32(), shelf.path().display());
    Ok(())
}

fn list(samples: &[&Sample], shelf: &Shelf) -> Result<()> {
    for sample in samples {
        let built = if shelf.holds(sample) { "built" } else { "-" };
        println!("{:24} {:7} {:34} {built:6} {}", sample.name, sample.kind, sample.file_name(), sample.notes);
    }
    Ok(())
}

/// `$CARGO_TARGET_DIR/samples`, or `target/samples` of the workspace.
pub(crate) fn shelf_path(root: &Path) -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    root.join(target).join("samples")
}

type Work<'a> = (&'a Sample, Fingerprint);

fn stale<'a>(samples: &[&'a Sample], sources: &Path, tools: &Tools, shelf: &Shelf) -> Result<Vec<Work<'a>>> {
    let mut work = Vec::new();
    for sample in samples {
        let fingerprint = Fingerprint::of(sample, sources, tools)?;
        if !shelf.is_fresh(sample, &fingerprint) {
            work.push((*sample, fingerprint));
        }
    }
    Ok(work)
}

/// Does all of it on all cores; after a failure nothing new is begun.
fn in_parallel<T: Sync>(items: &[T], work: impl Fn(&T) -> Result<()> + Sync) -> Result<()> {
    let queue = Mutex::new(items.iter());
    let failures = Mutex::new(Vec::new());
    let next = || if locked(&failures).is_empty() { locked(&queue).next() } else { None };
    let workers = thread::available_parallelism().map_or(1, usize::from).min(items.len());
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(item) = next() {
                    if let Err(error) = work(item) {
                        locked(&failures).push(error);
                    }
                }
            });
        }
    });
    failures.into_inner().unwrap_or_default().into_iter().next().map_or(Ok(()), Err)
}

/// A poisoned lock means that another worker panicked: that panic is what is reported in the end.
fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn build_one((sample, fingerprint): &Work<'_>, sources: &Path, shelf: &Shelf) -> Result<()> {
    let started = Instant::now();
    let scratch = shelf.build_folder()?;
    let built = build::package(sample, sources, scratch.path())
        .with_context(|| format!("sample {} could not be built", sample.name))?;
    shelf.put(sample, fingerprint, &built)?;
    println!("  {:24} {:34} {:5.1} s", sample.name, sample.file_name(), started.elapsed().as_secs_f32());
    Ok(())
}

/// All files under a folder, in a fixed order.
fn files_under(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(folder).sort_by_file_name() {
        let entry = entry.with_context(|| format!("could not list {}", folder.display()))?;
        if entry.file_type().is_file() {
            files.push(entry.into_path());
        }
    }
    Ok(files)
}

/// Lays a folder's files over another folder.
fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    for file in files_under(from)? {
        let target = to.join(file.strip_prefix(from)?);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::copy(&file, target)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use anyhow::bail;

    use super::*;

    #[test]
    fn does_all_of_it() {
        let sum = AtomicU32::new(0);
        let add = |n: &u32| Ok(_ = sum.fetch_add(*n, Ordering::Relaxed));
        in_parallel(&[1, 2, 3, 4], add).unwrap();
        assert_eq!(sum.into_inner(), 10);
    }

    #[test]
    fn begins_nothing_after_a_failure() {
        let begun = AtomicU32::new(0);
        let fail = |_: &u32| {
            begun.fetch_add(1, Ordering::Relaxed);
            bail!("no")
        };
        let items: Vec<u32> = (0..10_000).collect();
        assert_eq!(in_parallel(&items, fail).unwrap_err().to_string(), "no");
        assert!(begun.into_inner() < 10_000);
    }
}
