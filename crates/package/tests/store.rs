//! The store's layout, and each state of its files told apart.
#![allow(clippy::unwrap_used, reason = "clippy knows tests by their attribute, not their helpers")]

mod support;

use std::io::Read;
use std::path::Path;

use package::Sha256Digest;
use package::store::{Current, Hash, LocalStore};
use support::described;

struct Store {
    folder: tempfile::TempDir,
}

impl Store {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn store(&self) -> LocalStore {
        LocalStore::new(self.folder.path())
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.folder.path().join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, content).unwrap();
    }

    /// What is read from this `current.json`.
    fn current(&self, content: &str) -> Result<Option<Current>, String> {
        self.write("versions/beacon/prod/current.json", content);
        self.store().current("beacon", "prod").map_err(|problem| described(&problem))
    }

    fn path(&self, path: &str) -> String {
        self.folder.path().join(path).display().to_string()
    }
}

#[track_caller]
fn says(result: Result<Option<Current>, String>, expected: &str) {
    let problem = result.expect_err("it was read");
    assert!(problem.contains(expected), "{problem}");
}

#[test]
fn the_layout_is_the_one_of_existing_pipelines() {
    let store = LocalStore::new("/tmp/beacon");
    let current = store.current_path("beacon", "local").unwrap();
    assert_eq!(current, Path::new("/tmp/beacon/versions/beacon/local/current.json"));
    let package = store.package_path("beacon", "1.0.4+build.7").unwrap();
    assert_eq!(package, Path::new("/tmp/beacon/dist/beacon/beacon-1.0.4+build.7.tar.gz"));
}

#[test]
fn a_version_is_read_with_its_hash_and_pre_commands() {
    let store = Store::new();
    let whole =
        r#"{"version": "1.0.0", "hash": "7bdc2e0f", "pre_commands": ["eval MyApp.Migrator.migrate"]}"#;
    let current = Current {
        version: "1.0.0".to_owned(),
        hash: Hash::Label("7bdc2e0f".to_owned()),
        pre_commands: vec!["eval MyApp.Migrator.migrate".to_owned()],
    };
    assert_eq!(store.current(whole), Ok(Some(current)));
    let least =
        store.current(r#"{"version": "2", "unknown": {"key": 1}, "pre_commands": null}"#).unwrap().unwrap();
    assert_eq!((least.version.as_str(), least.hash, least.pre_commands.len()), ("2", Hash::None, 0));
}

#[test]
fn a_hash_that_is_a_digest_is_one() {
    let store = Store::new();
    let digest = Sha256Digest::of(b"package");
    let upper = digest.to_string().to_uppercase();
    for text in [digest.to_string(), format!("sha256:{digest}"), upper, format!(" {digest}\n")] {
        let text = serde_json::to_string(&text).unwrap();
        let current = store.current(&format!(r#"{{"version": "1", "hash": {text}}}"#)).unwrap().unwrap();
        assert_eq!(current.hash, Hash::Sha256(digest));
    }
    let label = store.current(r#"{"version": "1", "hash": "sha256:short"}"#).unwrap().unwrap().hash;
    assert_eq!(label, Hash::Label("sha256:short".to_owned()));
}

#[test]
fn nothing_said_a_missing_store_and_an_unreadable_file_are_three_states() {
    let store = Store::new();
    assert_eq!(store.store().current("beacon", "prod").unwrap(), None);
    let missing = LocalStore::new(store.path("gone"));
    let problem = missing.current("beacon", "prod").unwrap_err();
    assert_eq!(problem.to_string(), format!("the store {} is not there", store.path("gone")));
    store.write("versions/beacon/prod/current.json/oops", "");
    let problem = described(&store.store().current("beacon", "prod").unwrap_err());
    let path = store.path("versions/beacon/prod/current.json");
    assert!(problem.starts_with(&format!("{path} cannot be read")), "{problem}");
}

#[test]
fn a_file_cut_anywhere_is_half_written() {
    let store = Store::new();
    let whole = r#"{"version": "1.0.0", "hash": "abc"}"#;
    for length in 0..whole.len() {
        says(store.current(&whole[..length]), "current.json is half-written or not JSON");
    }
}

#[test]
fn files_of_another_shape_are_not_understood() {
    let store = Store::new();
    says(store.current(r#"{"hash": "abc"}"#), "is not understood: missing field `version`");
    says(store.current(r#"{"version": 1}"#), "is not understood: invalid type");
    says(store.current(r#"["1.0.0"]"#), "is not understood");
    says(
        store.current(&format!(r#"{{"version": "1", "x": "{}"}}"#, "x".repeat(70_000))),
        "longer than 65536 bytes",
    );
    says(store.current(r#"{"version": "../../etc"}"#), "\"../../etc\" cannot be the name of a version");
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    let store = LocalStore::new("/store");
    for name in ["", ".", "..", "a/b", "/etc", "../x", "a\0b", "a\nb", &"x".repeat(201)] {
        assert!(store.current_path(name, "prod").is_err(), "{name:?}");
        assert!(store.current_path("beacon", name).is_err(), "{name:?}");
        assert!(store.package_path(name, "1").is_err(), "{name:?}");
        assert!(store.package_path("beacon", name).is_err(), "{name:?}");
    }
    for name in ["1.0.0", "v1_2+b-3", "...", "ü", "a b"] {
        assert!(store.package_path(name, name).is_ok(), "{name:?}");
    }
}

#[test]
fn packages_are_opened_where_they_are() {
    let store = Store::new();
    let problem = store.store().open_package("beacon", "1.0.0").unwrap_err();
    let path = store.path("dist/beacon/beacon-1.0.0.tar.gz");
    assert_eq!(problem.to_string(), format!("the package {path} is not there"));
    store.write("dist/beacon/beacon-1.0.0.tar.gz", "package");
    let (found, mut file) = store.store().open_package("beacon", "1.0.0").unwrap();
    let mut content = String::new();
    file.read_to_string(&mut content).unwrap();
    assert_eq!((found.display().to_string(), content.as_str()), (path, "package"));
    fs_err::create_dir_all(store.path("dist/beacon/beacon-2.tar.gz")).unwrap();
    let problem = store.store().open_package("beacon", "2").unwrap_err();
    assert!(problem.to_string().contains("it is not a file"), "{problem}");
}
