//! Where the built packages lie: `target/samples`, with a stamp per package and `samples.json`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use fs_err as fs;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::catalog::{Behaves, Catalog, Kind, Sample};
use super::fingerprint::{self, Fingerprint};

/// How the names of folders begin that live for one build or one check.
const BUILD: &str = ".build-";
const CHECK: &str = ".check-";
const SCRATCH: [&str; 2] = [BUILD, CHECK];

/// The folder of the packages.
pub(crate) struct Shelf {
    path: PathBuf,
}

/// What is remembered of a built package.
#[derive(Debug, Serialize, Deserialize)]
struct Stamp {
    fingerprint: String,
    file: String,
    sha256: String,
}

/// A line of `samples.json`, which `testkit` and the demo read.
#[derive(Debug, Serialize)]
struct Entry<'a> {
    name: &'a str,
    kind: Kind,
    app: &'a str,
    version: &'a str,
    /// Name of the release inside: `bin/{release}`.
    release: &'a str,
    behaves: Behaves,
    path: PathBuf,
    sha256: String,
    notes: &'a str,
}

impl Shelf {
    pub(crate) fn at(path: PathBuf) -> Shelf {
        Shelf { path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn package(&self, sample: &Sample) -> PathBuf {
        self.path.join(sample.file_name())
    }

    /// One builder at a time; held until the file is dropped.
    pub(crate) fn lock(&self) -> Result<fs::File> {
        fs::create_dir_all(self.path.join(".stamps"))?;
        let file = fs::File::create(self.path.join(".lock"))?;
        file.file().lock().context("could not lock the samples' folder")?;
        Ok(file)
    }

    /// An empty folder for one build, gone when dropped.
    pub(crate) fn build_folder(&self) -> Result<TempDir> {
        self.scratch(BUILD)
    }

    /// An empty folder to run a sample in, gone when dropped.
    pub(crate) fn check_folder(&self) -> Result<TempDir> {
        self.scratch(CHECK)
    }

    fn scratch(&self, prefix: &str) -> Result<TempDir> {
        tempfile::Builder::new()
            .prefix(prefix)
            .tempdir_in(&self.path)
            .with_context(|| format!("could not make a folder in {}", self.path.display()))
    }

    pub(crate) fn holds(&self, sample: &Sample) -> bool {
        self.stamp(&sample.name).is_some() && self.package(sample).exists()
    }

    pub(crate) fn is_fresh(&self, sample: &Sample, fingerprint: &Fingerprint) -> bool {
        self.package(sample).exists()
            && self.stamp(&sample.name).is_some_and(|stamp| stamp.fingerprint == fingerprint.as_str())
    }

    /// Takes a package in. The stamp is written last: without it the package counts as stale.
    pub(crate) fn put(&self, sample: &Sample, fingerprint: &Fingerprint, built: &Path) -> Result<()> {
        let stamp = Stamp {
            fingerprint: fingerprint.as_str().to_owned(),
            file: sample.file_name(),
            sha256: fingerprint::sha256(built)?,
        };
        let stamp_path = self.stamp_path(&sample.name);
        if stamp_path.exists() {
            fs::remove_file(&stamp_path)?;
        }
        fs::rename(built, self.package(sample))?;
        fs::write(stamp_path, serde_json::to_vec(&stamp)?)?;
        Ok(())
    }

    /// Removes what builds and checks left that were killed. Call it under the lock only.
    pub(crate) fn discard_leftovers(&self) -> Result<()> {
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let name = entry.file_name();
            let is_scratch = SCRATCH.iter().any(|prefix| name.to_string_lossy().starts_with(prefix));
            if is_scratch {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }

    /// Removes the packages of samples that are no longer in the catalog, or have another file name.
    pub(crate) fn discard_unknown(&self, catalog: &Catalog) -> Result<()> {
        for entry in fs::read_dir(self.path.join(".stamps"))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let Some(stamp) = self.stamp(&name) else { continue };
            let known =
                catalog.samples.iter().any(|sample| sample.name == name && sample.file_name() == stamp.file);
            if known {
                continue;
            }
            fs::remove_file(self.stamp_path(&name))?;
            let in_use = catalog.samples.iter().any(|sample| sample.file_name() == stamp.file);
            if !in_use && self.path.join(&stamp.file).exists() {
                fs::remove_file(self.path.join(&stamp.file))?;
            }
        }
        Ok(())
    }

    /// Writes `samples.json`: all packages that are here.
    pub(crate) fn write_index(&self, catalog: &Catalog) -> Result<()> {
        let entries: Vec<Entry<'_>> =
            catalog.samples.iter().filter_map(|sample| self.entry(sample)).collect();
        let unfinished = self.path.join("samples.json.new");
        fs::write(&unfinished, serde_json::to_vec_pretty(&entries)?)?;
        fs::rename(unfinished, self.path.join("samples.json"))?;
        Ok(())
    }

    fn entry<'a>(&self, sample: &'a Sample) -> Option<Entry<'a>> {
        let stamp = self.stamp(&sample.name).filter(|_| self.package(sample).exists())?;
        Some(Entry {
            name: &sample.name,
            kind: sample.kind,
            app: &sample.app,
            version: &sample.version,
            release: sample.release_name(),
            behaves: sample.behaves,
            path: self.package(sample),
            sha256: stamp.sha256,
            notes: &sample.notes,
        })
    }

    /// None when there is none, or none that this version of xtask can read.
    fn stamp(&self, name: &str) -> Option<Stamp> {
        serde_json::from_slice(&fs::read(self.stamp_path(name)).ok()?).ok()
    }

    fn stamp_path(&self, name: &str) -> PathBuf {
        self.path.join(".stamps").join(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog(version: &str) -> Catalog {
        let text = format!(
            "[[sample]]\nname = \"e\"\nkind = \"mix\"\nsource = \"e\"\napp = \"e\"\nversion = \"{version}\"\nnotes = \"\""
        );
        toml::from_str(&text).unwrap()
    }

    fn print(text: &str) -> Fingerprint {
        Fingerprint::for_test(text)
    }

    fn shelf_with(catalog: &Catalog) -> (TempDir, Shelf) {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::at(folder.path().join("samples"));
        let _lock = shelf.lock().unwrap();
        let built = folder.path().join("built");
        fs::write(&built, "package").unwrap();
        shelf.put(&catalog.samples[0], &print("1"), &built).unwrap();
        (folder, shelf)
    }

    #[test]
    fn a_package_is_fresh_until_its_ingredients_change_or_it_is_gone() {
        let catalog = catalog("1.0.0");
        let (_folder, shelf) = shelf_with(&catalog);
        let sample = &catalog.samples[0];
        assert!(shelf.is_fresh(sample, &print("1")));
        assert!(!shelf.is_fresh(sample, &print("2")));
        fs::remove_file(shelf.package(sample)).unwrap();
        assert!(!shelf.is_fresh(sample, &print("1")));
    }

    #[test]
    fn a_package_that_is_not_in_the_catalog_any_more_goes() {
        let old = catalog("1.0.0");
        let (_folder, shelf) = shelf_with(&old);
        shelf.discard_unknown(&old).unwrap();
        assert!(shelf.holds(&old.samples[0]));
        shelf.discard_unknown(&catalog("2.0.0")).unwrap();
        assert!(!shelf.package(&old.samples[0]).exists());
        assert!(!shelf.holds(&old.samples[0]));
    }

    #[test]
    fn what_killed_builds_left_goes_and_nothing_else() {
        let catalog = catalog("1.0.0");
        let (_folder, shelf) = shelf_with(&catalog);
        let left = shelf.build_folder().unwrap().keep();
        shelf.discard_leftovers().unwrap();
        assert!(!left.exists());
        assert!(shelf.holds(&catalog.samples[0]));
    }

    #[test]
    fn the_index_holds_what_is_built() {
        let catalog = catalog("1.0.0");
        let (_folder, shelf) = shelf_with(&catalog);
        let index = || -> serde_json::Value {
            shelf.write_index(&catalog).unwrap();
            serde_json::from_slice(&fs::read(shelf.path().join("samples.json")).unwrap()).unwrap()
        };
        let entry = &index()[0];
        assert_eq!((&entry["name"], &entry["release"]), (&"e".into(), &"e".into()));
        assert_eq!(entry["path"], shelf.path().join("e-1.0.0.tar.gz").to_str().unwrap());
        fs::remove_file(shelf.package(&catalog.samples[0])).unwrap();
        assert_eq!(index().as_array().unwrap().len(), 0);
    }
}
