//! Links between our own files lead somewhere.

use std::path::{Component, Path, PathBuf};

use super::{Page, lines};

pub(super) fn check(root: &Path, pages: &[Page]) -> Vec<String> {
    let mut problems = Vec::new();
    for page in pages {
        for (line, block, text) in lines(&page.text) {
            if block.is_some() {
                continue;
            }
            let broken = targets(text).filter(|target| !leads_somewhere(root, pages, page, target));
            problems.extend(
                broken.map(|target| {
                    format!("{}:{line}: the link to {target} leads nowhere", page.path.display())
                }),
            );
        }
    }
    problems
}

/// The targets of a line's links.
fn targets(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
}

fn leads_somewhere(root: &Path, pages: &[Page], from: &Page, target: &str) -> bool {
    if target.contains("://") || target.starts_with("mailto:") {
        return true;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let folder = from.path.parent().unwrap_or(Path::new(""));
    let path = if file.is_empty() { from.path.clone() } else { normal(&folder.join(file)) };
    if !root.join(&path).exists() {
        return false;
    }
    let headings = |page: &Page| lines(&page.text).any(|(_, _, line)| is_heading_of(line, anchor));
    anchor.is_empty() || pages.iter().find(|page| page.path == path).is_some_and(headings)
}

/// Without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut path, part| {
        match part {
            Component::ParentDir => _ = path.pop(),
            Component::CurDir => {}
            other => path.push(other),
        }
        path
    })
}

/// Whether a line is the heading that an anchor names, as code hosts make anchors.
fn is_heading_of(line: &str, anchor: &str) -> bool {
    let Some(heading) = line.strip_prefix('#').map(|line| line.trim_start_matches('#')) else { return false };
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    let slug: String = kept.map(|c| if c == ' ' { '-' } else { c }).flat_map(char::to_lowercase).collect();
    slug == anchor
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let root = tempfile::tempdir().unwrap();
        fs_err::create_dir(root.path().join("docs")).unwrap();
        let pages = [("README.md", "# Hello, `there`\n"), ("docs/a.md", text)]
            .map(|(path, text)| Page { path: path.into(), text: text.to_owned() });
        for page in &pages {
            fs_err::write(root.path().join(&page.path), &page.text).unwrap();
        }
        check(root.path(), &pages)
    }

    #[test]
    fn links_that_lead_somewhere_are_fine() {
        assert!(
            problems("[a](../README.md), [b](../README.md#hello-there), [c](https://example.org/x)")
                .is_empty()
        );
        assert!(problems("## Part\n[here](#part), [folder](.)").is_empty());
        assert!(problems("```\n[in code](nowhere.md)\n```\n").is_empty());
    }

    #[test]
    fn others_are_told_with_their_line() {
        assert_eq!(problems("\n[a](b.md)"), ["docs/a.md:2: the link to b.md leads nowhere"]);
        assert_eq!(problems("[a](../README.md#bye) [b](#x)").len(), 2);
    }
}
