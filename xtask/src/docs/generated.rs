//! Pages that are made from the code.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, io};

use anyhow::{Context, Result, bail};
use fs_err as fs;

use super::Page;

pub(super) fn all(root: &Path) -> Result<Vec<Page>> {
    let cli = printed_by(root, "cli", "reference")?;
    Ok(vec![
        page("settings.md", model::settings::reference()),
        page("config.example.toml", model::settings::example()),
        page("findings.md", upgrade::finding::reference()),
        page("openapi.json", printed_by(root, "daemon", "--openapi")?),
        exit_codes(root, &cli)?,
        page("cli.md", cli),
    ])
}

fn page(name: &str, text: String) -> Page {
    Page { path: Path::new("docs/reference").join(name), text }
}

/// What one of our programs says of itself.
fn printed_by(root: &Path, package: &str, argument: &str) -> Result<String> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["run", "--quiet", "--locked", "--package", package, "--", argument])
        .current_dir(root)
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("could not run cargo")?;
    if !output.status.success() {
        bail!("the program of {package} failed with {argument}: {}", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("{argument} of {package} printed no text"))
}

/// The page is written by hand, its table is that of the command's own reference.
fn exit_codes(root: &Path, cli: &str) -> Result<Page> {
    let path = PathBuf::from("docs/reference/exit-codes.md");
    let now = fs::read_to_string(root.join(&path))?;
    let is_row = |line: &&str| line.starts_with('|');
    let after_heading = cli.split_once("## Exit codes\n").context("bellrock reference has no exit codes")?.1;
    let table: Vec<&str> =
        after_heading.lines().skip_while(|line| !is_row(line)).take_while(is_row).collect();
    let text = replace_table(&now, &table.join("\n")).context("docs/reference/exit-codes.md has no table")?;
    Ok(Page { path, text })
}

/// Puts a table in the place of the first one.
fn replace_table(text: &str, table: &str) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.iter().position(|line| line.starts_with('|'))?;
    let length = lines[first..].iter().take_while(|line| line.starts_with('|')).count();
    let (before, after) = (&lines[..first], &lines[first + length..]);
    Some([before, &[table], after].concat().join("\n") + "\n")
}

/// What is wrong with the file, if anything is.
pub(super) fn check(root: &Path, page: &Page) -> Result<Option<String>> {
    let current = read(&root.join(&page.path))?;
    Ok((current.as_deref() != Some(&page.text))
        .then(|| format!("{}: is not what the code says any more: make docs", page.path.display())))
}

/// Writes the file unless it is right; whether it did.
pub(super) fn write(root: &Path, page: &Page) -> Result<bool> {
    let path = root.join(&page.path);
    if read(&path)?.as_deref() == Some(&page.text) {
        return Ok(false);
    }
    fs::write(path, &page.text)?;
    Ok(true)
}

fn read(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_table_is_replaced() {
        let text = "# Codes\n\n| 0 | old |\n| 1 | old |\n\nMore.\n\n| other |\n";
        let expected = "# Codes\n\n| 0 | new |\n\nMore.\n\n| other |\n";
        assert_eq!(replace_table(text, "| 0 | new |").as_deref(), Some(expected));
        assert_eq!(replace_table("# Codes\n", "| 0 |"), None);
    }

    #[test]
    fn a_page_that_differs_or_is_missing_is_told_and_written() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("docs/reference")).unwrap();
        let wanted = page("a.md", "text\n".to_owned());
        assert!(check(root.path(), &wanted).unwrap().unwrap().contains("docs/reference/a.md"));
        assert!(write(root.path(), &wanted).unwrap());
        assert_eq!(check(root.path(), &wanted).unwrap(), None);
        assert!(!write(root.path(), &wanted).unwrap());
    }
}
