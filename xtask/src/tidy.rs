//! `cargo xtask tidy`: the rules that neither rustc nor clippy checks.
//!
//! Each check is a module with a function from text to problems, so that its tests need no files.

mod dependencies;
mod evidence;
mod leftovers;
mod lints;
mod purity;
mod size;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use fs_err as fs;

/// Something to put right.
#[derive(Debug, PartialEq, Eq)]
struct Problem {
    /// Relative to the workspace.
    file: PathBuf,
    text: String,
}

impl Problem {
    fn new(file: impl Into<PathBuf>, text: impl Into<String>) -> Problem {
        Problem { file: file.into(), text: text.into() }
    }
}

/// A text file of the workspace.
struct Source {
    /// Relative to the workspace.
    path: PathBuf,
    text: String,
}

/// A crate of the workspace.
struct Crate {
    name: String,
    /// Its Cargo.toml, relative to the workspace.
    manifest_path: PathBuf,
    manifest: toml::Table,
    /// The text of its own clippy.toml.
    clippy: Option<String>,
}

pub(crate) fn run(root: &Path) -> Result<()> {
    let crates = read_crates(root)?;
    let sources = read_sources(root)?;
    let mut problems = Vec::new();
    for each in &crates {
        problems.extend(dependencies::check(each));
        problems.extend(lints::check(each));
        problems.extend(purity::check(each));
    }
    for source in &sources {
        problems.extend(size::check(source));
        problems.extend(leftovers::check(source));
    }
    problems.extend(size::check_exceptions(&sources));
    problems.extend(evidence::check(&fs::read_to_string(root.join(evidence::PAGE))?, &sources));
    for problem in &problems {
        println!("{}: {}", problem.file.display(), problem.text);
    }
    match problems.len() {
        0 => {
            println!("tidy: {} crates and {} files are in order", crates.len(), sources.len());
            Ok(())
        }
        1 => bail!("1 thing to put right"),
        n => bail!("{n} things to put right"),
    }
}

fn read_crates(root: &Path) -> Result<Vec<Crate>> {
    let mut folders = vec![root.join("xtask"), root.join("tests"), root.join("bench")];
    for entry in fs::read_dir(root.join("crates"))? {
        folders.push(entry?.path());
    }
    folders.retain(|folder| folder.join("Cargo.toml").exists());
    folders.sort();
    folders.iter().map(|folder| read_crate(root, folder)).collect()
}

fn read_crate(root: &Path, folder: &Path) -> Result<Crate> {
    let manifest_path = folder.join("Cargo.toml");
    let manifest: toml::Table = fs::read_to_string(&manifest_path)?
        .parse()
        .with_context(|| format!("could not read {}", manifest_path.display()))?;
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let clippy = folder.join("clippy.toml");
    let clippy = if clippy.exists() { Some(fs::read_to_string(clippy)?) } else { None };
    Ok(Crate { name, manifest_path: manifest_path.strip_prefix(root)?.to_owned(), manifest, clippy })
}

/// The kinds of files that people write code in.
const CODE: &[&str] = &["rs", "ex", "exs", "erl", "ts", "svelte", "css", "sh"];

/// Folders with nothing written by hand.
const NOT_OURS: &[&str] = &["target", "node_modules", "dist"];

fn read_sources(root: &Path) -> Result<Vec<Source>> {
    let walk = walkdir::WalkDir::new(root).sort_by_file_name().into_iter().filter_entry(|entry| {
        let name = entry.file_name().to_string_lossy();
        // the crate of that name is written by hand
        let is_ours = entry.depth() == 0 || entry.path() == root.join("crates/dist");
        is_ours || !(name.starts_with('.') || NOT_OURS.contains(&&*name))
    });
    let mut sources = Vec::new();
    for entry in walk {
        let path = entry.context("could not list the workspace")?.into_path();
        let is_code = path.extension().is_some_and(|extension| CODE.iter().any(|code| extension == *code));
        if is_code && path.is_file() {
            let text = fs::read_to_string(&path)?;
            sources.push(Source { path: path.strip_prefix(root)?.to_owned(), text });
        }
    }
    Ok(sources)
}

#[cfg(test)]
fn crate_of(name: &str, manifest: &str) -> Crate {
    Crate {
        name: name.to_owned(),
        manifest_path: PathBuf::from(format!("crates/{name}/Cargo.toml")),
        manifest: manifest.parse().unwrap(),
        clippy: None,
    }
}

#[cfg(test)]
fn source_of(path: &str, text: impl Into<String>) -> Source {
    Source { path: path.into(), text: text.into() }
}
