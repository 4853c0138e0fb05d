//! Commands that pages show exist: `bellrock …` by the reference of the command line, `make …` by the Makefile's
//! own list, `cargo xtask …` by ours.

use std::collections::BTreeSet;
use std::path::Path;

use clap::CommandFactory;

use super::{Page, lines};

const REFERENCE: &str = "docs/reference/cli.md";

pub(super) fn check(pages: &[Page]) -> Vec<String> {
    let known = Known::read(pages);
    let mut problems = Vec::new();
    for page in pages.iter().filter(|page| page.path != Path::new(REFERENCE)) {
        for (line, block, text) in lines(&page.text) {
            let shown: Vec<&str> =
                if block.is_some() { vec![text] } else { text.split('`').skip(1).step_by(2).collect() };
            for command in shown {
                if let Some(what) = known.is_unknown(command) {
                    problems.push(format!("{}:{line}: there is no {what}", page.path.display()));
                }
            }
        }
    }
    problems
}

/// The commands that there are.
struct Known {
    bellrock: BTreeSet<String>,
    xtask: BTreeSet<String>,
}

impl Known {
    fn read(pages: &[Page]) -> Known {
        let reference = pages.iter().find(|page| page.path == Path::new(REFERENCE));
        let headings = reference.map_or("", |page| page.text.as_str()).lines();
        let bellrock = headings
            .filter_map(|line| line.trim_start_matches('#').trim().strip_prefix("`bellrock "))
            .filter_map(|rest| rest.strip_suffix('`'))
            .map(str::to_owned)
            .collect();
        let xtask = crate::Cli::command().get_subcommands().map(|it| it.get_name().to_owned()).collect();
        Known { bellrock, xtask }
    }

    /// The command of a shown line, if it should be one of ours and is not.
    fn is_unknown(&self, line: &str) -> Option<String> {
        let line = line.trim().trim_start_matches("$ ").trim_start_matches("sudo ");
        let mut words = line.split_whitespace().filter(|word| !word.starts_with('-'));
        let (program, first) = (words.next()?, words.next()?);
        match program {
            "bellrock" if is_word(first) && !self.bellrock.contains(first) => {
                Some(format!("bellrock {first}"))
            }
            "cargo" if first == "xtask" => {
                let task = words.next().filter(|task| *task != "help" && !self.xtask.contains(*task))?;
                Some(format!("cargo xtask {task}"))
            }
            _ => None,
        }
    }
}

/// A command's name, not an argument's stand-in or the value of an option.
fn is_word(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_lowercase() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let reference = "## `bellrock status`\n## `bellrock env`\n### `bellrock env set`\n";
        let pages = [(REFERENCE, reference), ("README.md", text)]
            .map(|(path, text)| Page { path: path.into(), text: text.to_owned() });
        check(&pages)
    }

    #[test]
    fn commands_that_exist_are_fine() {
        assert!(
            problems("```\n$ bellrock status\nbellrock env beacon set A=1\ncargo xtask tidy\n```").is_empty()
        );
        assert!(problems("say `bellrock status` or `bellrock --root DIR …`; bellrock sings").is_empty());
    }

    #[test]
    fn others_are_told() {
        assert_eq!(problems("\n`bellrock statsu`"), ["README.md:2: there is no bellrock statsu"]);
        assert_eq!(problems("```sh\nsudo bellrock shell x\ncargo xtask sail\n```").len(), 2);
    }
}
