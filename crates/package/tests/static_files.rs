//! A version's static files, shared with a program that may see nothing else of it.
#![allow(clippy::unwrap_used, reason = "clippy knows tests by their attribute, not their helpers")]

mod support;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use package::digest::Sha256Digest;
use package::tree::{Check, ShareError, StaticFiles, remove_tree, share_static_files, verify};
use support::{Bench, Tar, mix};

fn release() -> Vec<u8> {
    mix(Tar::new(), "", "beacon", "1.0.0")
        .file("lib/beacon-1.0.0/priv/static/assets/app-1.js", "one")
        .file("lib/beacon-1.0.0/priv/static/assets/deep/er.css", "deep")
        .file("lib/beacon-1.0.0/priv/static/robots.txt", "not below a prefix")
        .file("lib/beacon-1.0.0/priv/secret.pem", "secret")
        .symlink("lib/beacon-1.0.0/priv/static/assets/link.js", "../../secret.pem")
        .file("lib/lib-1/priv/static/assets/app-1.js", "of another application")
        .file("lib/lib-1/priv/static/assets/app-1.js.gz", "zipped")
        .file("lib/lib-1/priv/static/assets/deep", "a file where there is a folder")
        .gz()
}

fn phoenix() -> StaticFiles {
    StaticFiles { folder: "lib/*/priv/static".into(), prefixes: vec!["/assets".into()] }
}

/// All that is below a folder, sorted, with modes.
fn all(folder: &Path) -> Vec<(String, u32)> {
    let mut all = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs_err::read_dir(next).unwrap() {
            let (path, kind) = entry.map(|it| (it.path(), it.file_type().unwrap())).unwrap();
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            all.push((name, fs_err::symlink_metadata(&path).unwrap().permissions().mode() & 0o7777));
            folders.extend(kind.is_dir().then_some(path));
        }
    }
    all.sort();
    all
}

fn shared() -> (Bench, usize) {
    let bench = Bench::new();
    bench.install(&release(), None).unwrap();
    let digest = Sha256Digest::of(&release());
    let count = share_static_files(&bench.path("v"), &digest, &phoenix(), &bench.path("shared")).unwrap();
    (bench, count)
}

#[test]
fn regular_files_below_the_prefixes_and_nothing_else() {
    let (bench, count) = shared();
    let found = all(&bench.path("shared"));
    let expected = [
        ("assets", 0o711),
        ("assets/app-1.js", 0o444),
        ("assets/app-1.js.gz", 0o444),
        ("assets/deep", 0o711),
        ("assets/deep/er.css", 0o444),
    ];
    assert_eq!(found, expected.map(|(name, mode)| (name.to_owned(), mode)));
    assert_eq!((count, fs_err::metadata(bench.path("shared")).unwrap().mode() & 0o7777), (3, 0o711));
    let content = fs_err::read_to_string(bench.path("shared/assets/app-1.js")).unwrap();
    assert_eq!(content, "one", "the first by name");
}

#[test]
fn they_are_links_which_the_version_bears_and_does_not_outlive() {
    let (bench, _) = shared();
    let inode = |path: &str| fs_err::metadata(bench.path(path)).unwrap().ino();
    let original = "v/tree/lib/beacon-1.0.0/priv/static/assets/app-1.js";
    assert_eq!(inode("shared/assets/app-1.js"), inode(original));
    verify(&bench.path("v"), Check::Full).unwrap();
    remove_tree(&bench.path("v")).unwrap();
    assert_eq!(fs_err::read_to_string(bench.path("shared/assets/app-1.js")).unwrap(), "one");
}

#[test]
fn another_user_reads_what_it_knows_the_name_of() {
    let (bench, _) = shared();
    if !rustix::process::geteuid().is_root() {
        return;
    }
    for folder in bench.path("shared").ancestors().skip(1).take(2) {
        if folder.starts_with(std::env::temp_dir()) && folder != std::env::temp_dir() {
            fs_err::set_permissions(folder, std::fs::Permissions::from_mode(0o711)).unwrap();
        }
    }
    let as_nobody = |program: &str, path: &str| {
        let mut command = Command::new(program);
        command.arg(bench.path(path)).uid(65534).gid(65534).output().unwrap().status.success()
    };
    assert!(as_nobody("cat", "shared/assets/deep/er.css"));
    assert!(!as_nobody("ls", "shared/assets"), "names are not told");
    assert!(
        !as_nobody("cat", "v/tree/lib/beacon-1.0.0/priv/static/assets/app-1.js"),
        "the version is ours alone"
    );
}

#[test]
fn another_package_is_not_taken_for_this_one() {
    let (bench, _) = shared();
    let error =
        share_static_files(&bench.path("v"), &Sha256Digest::of(b""), &phoenix(), &bench.path("other"));
    assert!(matches!(error, Err(ShareError::OtherPackage { .. })), "{error:?}");
    assert!(!bench.path("other").exists());
    let error =
        share_static_files(&bench.path("none"), &Sha256Digest::of(b""), &phoenix(), &bench.path("other"));
    assert!(matches!(error, Err(ShareError::Version(_))), "{error:?}");
}
