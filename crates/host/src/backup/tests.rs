//! What is saved is what is restored, or nothing is.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::*;
use crate::journal::Journal;
use crate::paths::Paths;

struct Root(tempfile::TempDir);

impl Root {
    fn empty() -> Self {
        Root(tempfile::tempdir().unwrap())
    }

    /// A root with a bit of everything.
    fn full() -> Self {
        let root = Root::empty();
        fs_err::create_dir_all(root.paths().state()).unwrap();
        drop(Journal::open(&root.paths().database()).unwrap());
        root.wait_until_the_journal_is_closed();
        for (path, text) in [
            ("etc/bellrock/config.toml", "node_host = 'a'"),
            ("etc/bellrock/apps/shop.toml", "replicas = 2"),
            ("var/lib/bellrock/cookies/shop", "secret"),
            ("var/lib/bellrock/papers/shop/1.0.0/package.tar.gz", "a package"),
            ("var/lib/bellrock/papers/shop/1.0.0/build.log", "built"),
            ("var/lib/bellrock/shims/run-shop-e7/events", "began"),
            ("var/lib/bellrock/shims/run-shop-e7/lock", ""),
            ("var/lib/bellrock/shims/shop-1-i3/events", "an instance's"),
            ("var/lib/bellrock/versions/shop/1.0.0/bin/shop", "made again"),
        ] {
            let path = root.0.path().join(path);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        }
        root
    }

    /// Its threads close it after the last handle is gone; SQLite removes these files then.
    fn wait_until_the_journal_is_closed(&self) {
        let open = ["state.db-wal", "state.db-shm"].map(|name| self.paths().state().join(name));
        let deadline = Instant::now() + Duration::from_secs(20);
        while open.iter().any(|path| path.exists()) {
            assert!(Instant::now() < deadline, "the journal is still open");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn paths(&self) -> Paths {
        Paths::new(self.0.path())
    }

    fn backup(&self, packages: bool) -> Vec<u8> {
        let paths = self.paths();
        let (journal, config) = (paths.database(), paths.config_file());
        let mut bytes = Vec::new();
        write(&Contents { paths, journal, config, packages }, &mut bytes).unwrap();
        bytes
    }

    fn restore(&self, bytes: &[u8]) -> Result<Manifest, BackupError> {
        let file = self.0.path().join("backup.tar");
        fs_err::write(&file, bytes).unwrap();
        restore(&self.paths(), &file)
    }

    fn text(&self, path: &str) -> Option<String> {
        fs_err::read_to_string(self.0.path().join(path)).ok()
    }

    /// Files below the root, but the backup itself.
    fn files(&self) -> Vec<String> {
        fn below(folder: &Path, root: &Path, found: &mut Vec<String>) {
            for entry in fs_err::read_dir(folder).unwrap().flatten() {
                match entry.file_type().unwrap().is_dir() {
                    true => below(&entry.path(), root, found),
                    false => found.push(entry.path().strip_prefix(root).unwrap().display().to_string()),
                }
            }
        }
        let mut found = Vec::new();
        below(self.0.path(), self.0.path(), &mut found);
        found.retain(|path| path != "backup.tar");
        found.sort();
        found
    }
}

#[test]
fn what_cannot_be_made_again_comes_back_and_the_rest_does_not() {
    let (from, to) = (Root::full(), Root::empty());
    let manifest = to.restore(&from.backup(true)).unwrap();
    assert_eq!(
        to.files(),
        [
            "etc/bellrock/apps/shop.toml",
            "etc/bellrock/config.toml",
            "var/lib/bellrock/cookies/shop",
            "var/lib/bellrock/papers/shop/1.0.0/build.log",
            "var/lib/bellrock/papers/shop/1.0.0/package.tar.gz",
            "var/lib/bellrock/shims/run-shop-e7/events",
            "var/lib/bellrock/state.db",
        ]
    );
    assert_eq!(manifest.files.len(), 7);
    let cookie = to.0.path().join("var/lib/bellrock/cookies/shop");
    assert_eq!(fs_err::metadata(&cookie).unwrap().permissions().mode() & 0o777, 0o600);
    Journal::open(&to.paths().database()).unwrap();
}

#[test]
fn packages_can_be_left_out() {
    let (from, to) = (Root::full(), Root::empty());
    assert!(!to.restore(&from.backup(false)).unwrap().packages);
    assert_eq!(to.text("var/lib/bellrock/papers/shop/1.0.0/package.tar.gz"), None);
    assert_eq!(to.text("var/lib/bellrock/papers/shop/1.0.0/build.log").as_deref(), Some("built"));
}

#[test]
fn one_that_was_cut_off_or_changed_changes_nothing() {
    let bytes = Root::full().backup(true);
    // At every block, and in the middle of some.
    for length in (0..bytes.len() - 1024).step_by(512).chain([100, 5_000]) {
        let to = Root::empty();
        let error = to.restore(&bytes[..length]).unwrap_err();
        assert!(!matches!(error, BackupError::InTheWay { .. }), "{length}: {error}");
        assert_eq!(to.files(), [""; 0], "{length}");
    }
    let package = bytes.windows(9).position(|window| window == b"a package").unwrap();
    let mut changed = bytes;
    changed[package] = b'A';
    let to = Root::empty();
    let error = to.restore(&changed).unwrap_err().to_string();
    assert!(error.contains("package.tar.gz is not as it was saved"), "{error}");
    assert_eq!(to.files(), [""; 0]);
}

#[test]
fn nothing_is_put_where_it_does_not_belong() {
    for name in
        ["etc/passwd", "var/lib/bellrock/../../../etc/cron.d/x", "/etc/bellrock/x", "var/lib/bellrock"]
    {
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        // As somebody would write it who means ill.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(1);
        header.set_entry_type(tar::EntryType::Regular);
        header.set_cksum();
        archive.append(&header, &b"x"[..]).unwrap();
        let to = Root::empty();
        let error = to.restore(&archive.into_inner().unwrap()).unwrap_err();
        assert!(error.to_string().contains("does not belong"), "{name}: {error}");
        assert_eq!(to.files(), [""; 0], "{name}");
    }
}

#[test]
fn what_is_there_stays() {
    let bytes = Root::full().backup(true);
    let to = Root::full();
    let before = to.files();
    assert!(matches!(to.restore(&bytes), Err(BackupError::InTheWay { .. })));
    assert_eq!(to.files(), before);

    let to = Root::empty();
    fs_err::create_dir_all(to.0.path().join("etc/bellrock")).unwrap();
    fs_err::write(to.paths().config_file(), "node_host = 'other'").unwrap();
    let error = to.restore(&bytes).unwrap_err();
    assert!(error.to_string().contains("config.toml is there already"), "{error}");
    assert_eq!(to.files(), ["etc/bellrock/config.toml"]);
    fs_err::write(to.paths().config_file(), "node_host = 'a'").unwrap();
    to.restore(&bytes).unwrap();
}

#[test]
fn a_newer_form_says_what_to_install() {
    let newer = br#"{"format": 2, "bellrock": "9.1.0", "unheard": "of"}"#;
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(newer.len() as u64);
    header.set_entry_type(tar::EntryType::Regular);
    archive.append_data(&mut header, MANIFEST, &newer[..]).unwrap();
    let error = Root::empty().restore(&archive.into_inner().unwrap()).unwrap_err();
    assert!(error.to_string().contains("install Bellrock 9.1.0"), "{error}");
}
