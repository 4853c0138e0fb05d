//! One pair of versions: a text with its answer and its files.

use std::path::{Path, PathBuf};

use upgrade::plan::{Level, Plan};
use upgrade::policy::Policy;

use crate::release;

/// What is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Hot,
    Full,
}

pub(crate) struct Pair {
    pub(crate) name: String,
    pub(crate) answer: Answer,
    /// A code that the plan must have.
    finds: Option<String>,
    /// The level that is the lowest right one.
    level: Option<Level>,
    /// Side (`old`, `new`, `both`), path, content.
    files: Vec<(String, String, String)>,
}

impl Pair {
    pub(crate) fn all(folder: &Path) -> Vec<Pair> {
        let entries = fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut paths: Vec<PathBuf> = entries.collect();
        paths.sort();
        paths.iter().map(|path| Pair::read(path)).collect()
    }

    fn read(path: &Path) -> Pair {
        let text = fs_err::read_to_string(path).unwrap();
        let mut parts = text.split("\n--- ");
        let head = parts.next().unwrap();
        let said = |key: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            lines.find(|(name, _)| *name == key).map(|(_, value)| value.to_owned())
        };
        assert!(said("because").is_some(), "{}: because: is missing", path.display());
        let answer = match said("answer").as_deref() {
            Some("hot") => Answer::Hot,
            Some("full") => Answer::Full,
            other => panic!("{}: answer: {other:?}", path.display()),
        };
        let level = said("level").map(|level| match level.as_str() {
            "config" => Level::Config,
            "load" => Level::Load,
            "convert" => Level::Convert,
            "children" => Level::Children,
            "applications" => Level::Applications,
            other => panic!("{}: level: {other}", path.display()),
        });
        let files = parts.map(|part| {
            let (head, content) = part.split_once('\n').unwrap();
            let (side, path) = head.split_once(' ').unwrap();
            (side.to_owned(), path.to_owned(), content.to_owned())
        });
        Pair {
            name: path.file_stem().unwrap().to_string_lossy().into_owned(),
            answer,
            finds: said("finds"),
            level,
            files: files.collect(),
        }
    }

    pub(crate) fn side(&self, folder: &Path, side: &str) -> PathBuf {
        folder.join(&self.name).join(side)
    }

    /// Writes the sources of both versions below a folder.
    pub(crate) fn lay_out(&self, folder: &Path) {
        for side in ["old", "new"] {
            for (_, path, content) in self.files.iter().filter(|(of, ..)| of == side || of == "both") {
                let file = self.side(folder, side).join(path.replace("priv:", "priv/"));
                fs_err::create_dir_all(file.parent().unwrap()).unwrap();
                fs_err::write(file, content).unwrap();
            }
        }
    }

    pub(crate) fn plan(&self, folder: &Path) -> Plan {
        let (old, new) = (release::read(&self.side(folder, "old")), release::read(&self.side(folder, "new")));
        upgrade::plan(&old, &new, &Policy::default())
    }

    /// What else is wrong with a plan: a finding that is missing, a level that is not the lowest.
    pub(crate) fn complaint(&self, plan: &Plan) -> Option<String> {
        let has = |code: &String| plan.findings.iter().any(|finding| finding.code.to_string() == *code);
        if let Some(code) = self.finds.as_ref().filter(|code| !has(code)) {
            return Some(format!("{}: {code} is missing", self.name));
        }
        let level = self.level.filter(|level| *level != plan.level)?;
        Some(format!("{}: {:?}, {level:?} is the lowest that is right", self.name, plan.level))
    }
}
