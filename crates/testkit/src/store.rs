//! The store of a temporary host, filled as a pipeline would fill it.

use std::path::PathBuf;

use serde_json::json;

use crate::app::TestApp;
use crate::sample::sample;

impl TestApp<'_> {
    /// The default store's folder.
    pub fn store(&self) -> PathBuf {
        self.host.path("var/lib/bellrock/store")
    }

    /// `versions/{app}/{env}/current.json`
    pub fn version_file(&self) -> PathBuf {
        self.store().join("versions").join(&self.name).join("production/current.json")
    }

    /// Copies a sample's package to where the store has it.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn publish_package(&self, name: &str) {
        let (sample, dist) = (sample(name), self.store().join("dist").join(&self.name));
        fs_err::create_dir_all(&dist).expect("the store is ours");
        let package = dist.join(format!("{}-{}.tar.gz", self.name, sample.version));
        fs_err::copy(&sample.path, package).expect("the store is ours");
    }

    /// Names a sample's version in the version file, by rename as a careful pipeline does.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn publish_version(&self, name: &str, pre_commands: &[&str]) {
        let sample = sample(name);
        let current =
            json!({ "version": sample.version, "hash": sample.sha256, "pre_commands": pre_commands });
        self.write_version_file(&current.to_string());
    }

    /// Writes anything into the version file.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write_version_file(&self, content: &str) {
        let path = self.version_file();
        let new = path.with_extension("new");
        fs_err::create_dir_all(path.parent().expect("it is in a folder")).expect("the store is ours");
        fs_err::write(&new, content).expect("the store is ours");
        fs_err::rename(&new, &path).expect("the store is ours");
    }
}
