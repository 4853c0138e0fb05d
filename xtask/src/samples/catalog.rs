//! `samples.toml`: which samples there are.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use fs_err as fs;
use serde::{Deserialize, Serialize};

/// All samples, in the order of the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Catalog {
    #[serde(rename = "sample")]
    pub(crate) samples: Vec<Sample>,
}

/// One package to build. Serialized, it is what the package is made by.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sample {
    /// What tests ask for.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Folder under `samples/`.
    pub(crate) source: PathBuf,
    pub(crate) app: String,
    pub(crate) version: String,
    /// Folders of the source's `versions/` that are laid over it, in this order.
    #[serde(default)]
    pub(crate) layers: Vec<String>,
    /// The release's name where it is not the app's, or where the project has several.
    pub(crate) release: Option<String>,
    /// A version whose release is left in the same tree.
    pub(crate) previous: Option<String>,
    /// Variables for the build tool.
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
    #[serde(default, skip_serializing)]
    pub(crate) behaves: Behaves,
    #[serde(skip_serializing)]
    pub(crate) notes: String,
}

/// What makes the package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Mix,
    Rebar3,
    Gleam,
}

/// What the sample does once it is started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Behaves {
    #[default]
    Good,
    BrokenBoot,
    NeverReady,
    Unhealthy,
    CrashLoop,
}

impl Catalog {
    pub(crate) fn read(path: &Path) -> Result<Catalog> {
        let text = fs::read_to_string(path)?;
        let catalog: Catalog =
            toml::from_str(&text).with_context(|| format!("could not read {}", path.display()))?;
        catalog.refuse_twins()?;
        Ok(catalog)
    }

    /// The samples named so, or whose name starts so; all when nothing is asked for.
    pub(crate) fn select(&self, only: &[String]) -> Result<Vec<&Sample>> {
        for name in only {
            if !self.samples.iter().any(|sample| sample.name.starts_with(name)) {
                bail!("no sample is named {name}: `cargo xtask samples --list` shows them all");
            }
        }
        let wanted =
            |sample: &&Sample| only.is_empty() || only.iter().any(|name| sample.name.starts_with(name));
        Ok(self.samples.iter().filter(wanted).collect())
    }

    fn refuse_twins(&self) -> Result<()> {
        for (index, sample) in self.samples.iter().enumerate() {
            let earlier = &self.samples[..index];
            if earlier
                .iter()
                .any(|other| other.name == sample.name || other.file_name() == sample.file_name())
            {
                bail!("samples.toml has two of {} ({})", sample.name, sample.file_name());
            }
        }
        Ok(())
    }
}

impl Sample {
    /// The package's file name, as `product.md` D01 has it.
    pub(crate) fn file_name(&self) -> String {
        format!("{}-{}.tar.gz", self.app, self.version)
    }

    /// The name of the release inside, and so of its start script.
    pub(crate) fn release_name(&self) -> &str {
        self.release.as_deref().unwrap_or(&self.app)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Kind::Mix => "mix",
            Kind::Rebar3 => "rebar3",
            Kind::Gleam => "gleam",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = r#"
        [[sample]]
        name = "echo-base"
        kind = "rebar3"
        source = "echo"
        app = "echo"
        version = "1.0.0"
        notes = ""

        [[sample]]
        name = "raft-renamed"
        kind = "mix"
        source = "fixtures/raft"
        app = "raft"
        version = "1.0.3"
        release = "harbor"
        notes = ""
    "#;

    fn names(catalog: &Catalog, only: &[&str]) -> Vec<String> {
        let only: Vec<String> = only.iter().map(|name| (*name).to_owned()).collect();
        catalog.select(&only).unwrap().iter().map(|sample| sample.name.clone()).collect()
    }

    #[test]
    fn selects_by_name_or_its_start() {
        let catalog: Catalog = toml::from_str(TWO).unwrap();
        assert_eq!(names(&catalog, &[]), ["echo-base", "raft-renamed"]);
        assert_eq!(names(&catalog, &["raft"]), ["raft-renamed"]);
        assert!(catalog.select(&["nosuch".to_owned()]).is_err());
    }

    #[test]
    fn knows_release_and_file_names() {
        let catalog: Catalog = toml::from_str(TWO).unwrap();
        assert_eq!(catalog.samples[0].release_name(), "echo");
        assert_eq!(catalog.samples[1].release_name(), "harbor");
        assert_eq!(catalog.samples[1].file_name(), "raft-1.0.3.tar.gz");
    }

    #[test]
    fn refuses_two_samples_with_one_file() {
        let twins = TWO.replace("app = \"raft\"", "app = \"echo\"").replace("1.0.3", "1.0.0");
        let catalog: Catalog = toml::from_str(&twins).unwrap();
        assert!(catalog.refuse_twins().is_err());
    }

    #[test]
    fn the_real_catalog_is_sound() {
        Catalog::read(&crate::root().join("samples/samples.toml")).unwrap();
    }
}
