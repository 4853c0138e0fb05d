//! `cargo xtask docs`: writes the references that are made from the code, and checks what can be checked of the
//! rest: links, commands that are shown, names that must be mentioned.

mod commands;
mod generated;
mod links;
mod mentions;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use fs_err as fs;

#[derive(Args)]
pub(crate) struct Options {
    /// Write nothing; fail when something is not as it should be
    #[arg(long)]
    check: bool,
}

/// A Markdown file of the project.
struct Page {
    /// Relative to the workspace.
    path: PathBuf,
    text: String,
}

pub(crate) fn run(root: &Path, options: &Options) -> Result<()> {
    let mut problems = Vec::new();
    for page in generated::all(root)? {
        if options.check {
            problems.extend(generated::check(root, &page)?);
        } else if generated::write(root, &page)? {
            println!("docs: wrote {}", page.path.display());
        }
    }
    let pages = read_pages(root)?;
    problems.extend(links::check(root, &pages));
    problems.extend(commands::check(&pages));
    problems.extend(mentions::check(root)?);
    for problem in &problems {
        println!("{problem}");
    }
    match problems.len() {
        0 => {
            println!("docs: {} pages are in order", pages.len());
            Ok(())
        }
        1 => bail!("1 thing to put right in the documentation"),
        n => bail!("{n} things to put right in the documentation"),
    }
}

/// Folders with nothing written by hand.
const NOT_OURS: [&str; 2] = ["target", "node_modules"];

fn read_pages(root: &Path) -> Result<Vec<Page>> {
    let walk = walkdir::WalkDir::new(root).sort_by_file_name().into_iter().filter_entry(|entry| {
        let name = entry.file_name().to_string_lossy();
        entry.depth() == 0 || !(name.starts_with('.') || NOT_OURS.contains(&&*name))
    });
    let mut pages = Vec::new();
    for entry in walk {
        let path = entry.context("could not list the workspace")?.into_path();
        if path.extension().is_some_and(|extension| extension == "md") {
            pages.push(Page { text: fs::read_to_string(&path)?, path: path.strip_prefix(root)?.to_owned() });
        }
    }
    Ok(pages)
}

/// The lines of a page, each with its number and the language of the code block that it is in.
fn lines(text: &str) -> impl Iterator<Item = (usize, Option<&str>, &str)> {
    let mut block: Option<&str> = None;
    text.lines().enumerate().filter_map(move |(index, line)| {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            block = if block.is_some() { None } else { Some(language.trim()) };
            return None;
        }
        Some((index + 1, block, line))
    })
}
