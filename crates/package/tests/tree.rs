//! Versions unpacked once, and instances that share their files without being able to change them.
#![allow(clippy::unwrap_used, reason = "clippy knows tests by their attribute, not their helpers")]

mod support;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use package::Limits;
use package::digest::Sha256Digest;
use package::tree::{
    Check, Damage, InstallError, InstanceError, Owner, VerifyError, install_version, instance_tree,
    open_version, remove_tree, sweep, verify,
};
use support::{Bench, Tar, described, host, mix, names, shipment};

/// The user that stands for an app's own.
const NOBODY: Owner = Owner { uid: 65534, gid: 65534 };
const SHARED: &str = "lib/beacon-1.0.0/ebin/beacon.app";

fn release() -> Vec<u8> {
    mix(Tar::new(), "", "beacon", "1.0.0").symlink("lib/beacon", "beacon-1.0.0").gz()
}

fn installed() -> Bench {
    let bench = Bench::new();
    bench.install(&release(), None).unwrap();
    bench
}

fn mode(path: &Path) -> u32 {
    fs_err::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn a_version_is_unpacked_read_only_and_described() {
    let bench = installed();
    let version = bench.path("v");
    assert_eq!(names(&version), ["facts.json", "manifest.json", "tree"]);
    assert_eq!(mode(&version), 0o700);
    let tree = version.join("tree");
    for (path, expected) in [("", 0o555), ("lib", 0o555), (SHARED, 0o444), ("bin/beacon", 0o555)] {
        assert_eq!(mode(&tree.join(path)), expected, "{path}");
    }
    let unpacked = open_version(&version).unwrap();
    assert_eq!(unpacked.digest, Sha256Digest::of(&release()));
    assert_eq!(unpacked.facts.version, "1.0.0");
    let content: u64 =
        unpacked.manifest.files().map(|(path, _)| fs_err::metadata(tree.join(path)).unwrap().len()).sum();
    assert_eq!(unpacked.unpacked_bytes(), content);
    assert_eq!(verify(&version, Check::Full).unwrap(), unpacked);
}

#[test]
fn a_package_with_another_digest_is_refused_and_leaves_nothing() {
    let bench = Bench::new();
    let package = bench.package(&release());
    let install = |expected: Sha256Digest| {
        let (path, limits) = (bench.path("v"), Limits::default());
        install_version(&package, Some(&expected), None, &path, &host("2.36"), &limits)
    };
    let other = Sha256Digest::of(b"other");
    let error = install(other).unwrap_err();
    assert!(matches!(error, InstallError::DigestDiffers { expected, .. } if expected == other), "{error:?}");
    assert_eq!(bench.names(), ["package.tar.gz"]);
    // A download that was cut is told by its digest, too, not by what it looks like.
    let whole = release();
    fs_err::write(&package, &whole[..whole.len() / 2]).unwrap();
    let error = install(Sha256Digest::of(&whole)).unwrap_err();
    assert!(matches!(error, InstallError::DigestDiffers { .. }), "{error:?}");
    fs_err::write(&package, &whole).unwrap();
    assert!(install(Sha256Digest::of(&whole)).is_ok());
}

#[test]
fn installing_twice_keeps_what_is_whole() {
    let bench = installed();
    let inode = |bench: &Bench| fs_err::metadata(bench.path("v/tree").join(SHARED)).unwrap().ino();
    let first = inode(&bench);
    bench.install(&release(), None).unwrap();
    assert_eq!(inode(&bench), first);
    let other = mix(Tar::new(), "", "beacon", "1.0.0").file("lib/other", "").gz();
    let error = bench.install(&other, None).unwrap_err();
    assert!(matches!(error, InstallError::Occupied { .. }), "{error:?}");
    assert_eq!(inode(&bench), first);
}

#[test]
fn a_damaged_version_is_made_anew_and_instances_keep_their_files() {
    let bench = installed();
    let (version, instance) = (bench.path("v"), bench.path("i"));
    instance_tree(&version, &instance, None).unwrap();
    let victim = version.join("tree").join("bin/beacon");
    set_mode(&version.join("tree/bin"), 0o755);
    fs_err::remove_file(&victim).unwrap();
    bench.install(&release(), None).unwrap();
    verify(&version, Check::Full).unwrap();
    assert!(instance.join("bin/beacon").exists());
    assert_eq!(bench.names(), ["i", "package.tar.gz", "v"]);
}

#[test]
fn a_folder_that_is_not_ours_is_not_replaced() {
    let bench = Bench::new();
    fs_err::create_dir(bench.path("v")).unwrap();
    fs_err::write(bench.path("v/thesis.tex"), "years of work").unwrap();
    let error = bench.install(&release(), None).unwrap_err();
    assert!(matches!(error, InstallError::NotOurs { .. }), "{error:?}");
    fs_err::remove_file(bench.path("v/thesis.tex")).unwrap();
    bench.install(&release(), None).unwrap();
}

/// Does something to the version's tree and gives what the checks find.
fn damaged(check: Check, harm: impl FnOnce(&Path)) -> Option<Damage> {
    let bench = installed();
    let tree = bench.path("v/tree");
    set_mode(&tree, 0o755);
    harm(&tree);
    set_mode(&tree, 0o555);
    match verify(&bench.path("v"), check) {
        Ok(_) => None,
        Err(VerifyError::Damaged { damage, .. }) => Some(damage),
        Err(error) => panic!("{}", described(&error)),
    }
}

/// Writes as the owner may: the mode is changed first, and put back after.
fn overwrite(path: &Path, content: &str) {
    let before = fs_err::metadata(path).unwrap();
    set_mode(path, 0o644);
    fs_err::write(path, content).unwrap();
    set_mode(path, before.permissions().mode());
}

#[test]
fn every_damage_is_found() {
    let shared = |tree: &Path| tree.join(SHARED);
    assert_eq!(damaged(Check::Full, |_| {}), None);
    assert_eq!(damaged(Check::Quick, |_| {}), None);
    for check in [Check::Full, Check::Quick] {
        let extra = |tree: &Path| fs_err::write(tree.join("extra"), "").unwrap();
        assert_eq!(damaged(check, extra), Some(Damage::Extra));
        let missing = |tree: &Path| fs_err::rename(tree.join("bin"), tree.join("nib")).unwrap();
        assert_eq!(damaged(check, missing), Some(Damage::Missing));
        assert_eq!(damaged(check, |tree| set_mode(&shared(tree), 0o644)), Some(Damage::Mode));
        assert_eq!(damaged(check, |tree| set_mode(&tree.join("lib"), 0o777)), Some(Damage::Mode));
        assert_eq!(damaged(check, |tree| overwrite(&shared(tree), "x")), Some(Damage::Size));
        let same_size = |tree: &Path| overwrite(&tree.join("bin/beacon"), "#!/bin/zz\n");
        assert_eq!(damaged(check, same_size), Some(Damage::Modified));
        let relinked = |tree: &Path| {
            let link = tree.join("lib/beacon");
            set_mode(&tree.join("lib"), 0o755);
            fs_err::remove_file(&link).unwrap();
            fs_err::os::unix::fs::symlink("/etc", &link).unwrap();
            set_mode(&tree.join("lib"), 0o555);
        };
        assert_eq!(damaged(check, relinked), Some(Damage::Target));
    }
}

#[test]
fn content_changed_with_its_time_put_back_is_found_by_the_full_check_alone() {
    let sly = |tree: &Path| {
        let path = tree.join("bin/beacon");
        let modified = fs_err::metadata(&path).unwrap().modified().unwrap();
        overwrite(&path, "#!/bin/zz\n");
        set_mode(&path, 0o755);
        fs_err::OpenOptions::new().write(true).open(&path).unwrap().file().set_modified(modified).unwrap();
        set_mode(&path, 0o555);
    };
    assert_eq!(damaged(Check::Quick, sly), None);
    assert_eq!(damaged(Check::Full, sly), Some(Damage::Content));
}

#[test]
fn instances_share_files_and_own_what_the_node_writes() {
    let bench = installed();
    let (version, instance) = (bench.path("v"), bench.path("i"));
    let made = instance_tree(&version, &instance, None).unwrap();
    assert!(!made.reused && made.copied == 0 && made.linked >= 2, "{made:?}");
    let inode = |path: PathBuf| fs_err::metadata(path).unwrap().ino();
    assert_eq!(inode(instance.join(SHARED)), inode(version.join("tree").join(SHARED)));
    assert_eq!(fs_err::read_link(instance.join("lib/beacon")).unwrap(), Path::new("beacon-1.0.0"));
    let own = "releases/1.0.0/sys.config";
    assert_ne!(inode(instance.join(own)), inode(version.join("tree").join(own)));
    assert_eq!(fs_err::read(instance.join(own)).unwrap(), b"[].\n");
    for (path, expected) in [
        ("", 0o550),
        ("lib", 0o555),
        (SHARED, 0o444),
        ("bin/beacon", 0o555),
        ("releases", 0o700),
        ("releases/COOKIE", 0o600),
        ("releases/1.0.0/elixir", 0o700),
        ("releases/1.0.0/sys.config", 0o600),
        ("tmp", 0o700),
        ("log", 0o700),
    ] {
        assert_eq!(mode(&instance.join(path)), expected, "{path}");
    }
    fs_err::write(instance.join(own), "changed").unwrap();
    verify(&version, Check::Full).unwrap();
    assert_eq!(instance_tree(&version, &bench.path("i2"), None).unwrap().linked, made.linked);
    assert_eq!(fs_err::read(bench.path("i2").join(own)).unwrap(), b"[].\n");
}

#[test]
fn an_instance_begins_at_the_release_inside_the_package() {
    let bench = Bench::new();
    bench.install(&mix(Tar::new(), "wrapped/", "beacon", "1.0.0").gz(), None).unwrap();
    instance_tree(&bench.path("v"), &bench.path("i"), None).unwrap();
    let own = [".bellrock-instance.json", ".bellrock-launch", "bin", "lib", "log", "releases", "tmp"];
    assert_eq!(names(&bench.path("i")), own);
    let launcher = bench.path("i").join(".bellrock-launch");
    assert_eq!(mode(&launcher), 0o555, "whoever runs the app may execute it, and nobody may change it");
    let bench = Bench::new();
    bench.install(&shipment(Tar::new(), "erlang-shipment/", "lantern", "1.0.0").gz(), None).unwrap();
    let made = instance_tree(&bench.path("v"), &bench.path("i"), None).unwrap();
    assert_eq!(names(&bench.path("i")), [".bellrock-instance.json", "erlang-shipment", "log", "tmp"]);
    assert!(bench.path("i").join(made.facts.start.path).is_file());
}

#[test]
fn making_an_instance_twice_changes_nothing_and_a_half_one_is_made_anew() {
    let bench = installed();
    let (version, instance) = (bench.path("v"), bench.path("i"));
    instance_tree(&version, &instance, None).unwrap();
    fs_err::write(instance.join("log/kept"), "").unwrap();
    fs_err::remove_file(instance.join("releases/COOKIE")).unwrap();
    assert!(instance_tree(&version, &instance, None).unwrap().reused);
    assert!(instance.join("log/kept").exists());

    set_mode(&instance.join("bin"), 0o755);
    fs_err::remove_file(instance.join("bin/beacon")).unwrap();
    assert!(!instance_tree(&version, &instance, None).unwrap().reused);
    assert!(instance.join("bin/beacon").exists() && !instance.join("log/kept").exists());

    set_mode(&instance, 0o755);
    fs_err::remove_file(instance.join(package::tree::INSTANCE_MARK)).unwrap();
    assert!(!instance_tree(&version, &instance, None).unwrap().reused);
}

#[test]
fn the_tree_of_another_package_is_not_touched() {
    let bench = installed();
    let instance = bench.path("i");
    instance_tree(&bench.path("v"), &instance, None).unwrap();
    let package = bench.path("other.tar.gz");
    fs_err::write(&package, mix(Tar::new(), "", "beacon", "2.0.0").gz()).unwrap();
    install_version(&package, None, None, &bench.path("v2"), &host("2.36"), &Limits::default()).unwrap();
    let error = instance_tree(&bench.path("v2"), &instance, None).unwrap_err();
    assert!(matches!(error, InstanceError::Occupied { .. }), "{error:?}");
    assert!(instance.join("releases/1.0.0").exists());
}

#[test]
fn files_are_copied_where_links_cannot_be_made() {
    // /dev/shm is another file system everywhere that these tests run.
    let Ok(other) = tempfile::tempdir_in("/dev/shm") else {
        panic!("/dev/shm is needed as another file system")
    };
    let bench = installed();
    let instance = other.path().join("i");
    let made = instance_tree(&bench.path("v"), &instance, None).unwrap();
    assert!(made.linked == 0 && made.copied >= 2, "{made:?}: are /tmp and /dev/shm one file system?");
    let (copy, original) = (instance.join(SHARED), bench.path("v/tree").join(SHARED));
    assert_eq!(fs_err::read(&copy).unwrap(), fs_err::read(&original).unwrap());
    assert_eq!(mode(&copy), 0o444);
    let time = |path: &Path| fs_err::metadata(path).unwrap().mtime();
    assert_eq!(time(&copy), time(&original));
    remove_tree(&instance).unwrap();
}

#[test]
fn read_only_trees_are_removed_and_links_in_them_not_followed() {
    let bench = installed();
    let instance = bench.path("i");
    instance_tree(&bench.path("v"), &instance, None).unwrap();
    let treasure = bench.path("treasure");
    fs_err::create_dir(&treasure).unwrap();
    fs_err::write(treasure.join("gold"), "").unwrap();
    fs_err::os::unix::fs::symlink(&treasure, instance.join("tmp/link")).unwrap();
    remove_tree(&instance).unwrap();
    remove_tree(&bench.path("v")).unwrap();
    remove_tree(&bench.path("never there")).unwrap();
    assert_eq!(bench.names(), ["package.tar.gz", "treasure"]);
    assert!(treasure.join("gold").exists());
}

#[test]
fn what_a_crash_left_is_swept_and_nothing_else() {
    let bench = installed();
    let half = bench.path(".bellrock-tmp-abcdefghijkl");
    fs_err::create_dir_all(half.join("tree/lib")).unwrap();
    set_mode(&half.join("tree/lib"), 0o555);
    set_mode(&half.join("tree"), 0o555);
    fs_err::write(bench.path(".bellrock-tmp-mnopqrstuvwx"), "half a package").unwrap();
    assert_eq!(sweep(bench.folder.path()).unwrap(), 2);
    assert_eq!(bench.names(), ["package.tar.gz", "v"]);
    assert_eq!(sweep(bench.folder.path()).unwrap(), 0);
}

/// Runs a shell command as another user.
fn as_nobody(command: &str) -> bool {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(command).uid(NOBODY.uid).gid(NOBODY.gid).current_dir("/");
    shell.output().unwrap().status.success()
}

/// As root: the app has a user of its own. It uses its tree, and changes nothing that is shared.
#[test]
fn an_apps_user_cannot_write_through_its_links() {
    if !is_root() {
        // The next test is for ordinary users.
        return;
    }
    let bench = installed();
    set_mode(bench.folder.path(), 0o755);
    let (version, instance) = (bench.path("v"), bench.path("i"));
    instance_tree(&version, &instance, Some(NOBODY)).unwrap();
    instance_tree(&version, &bench.path("i2"), Some(Owner { uid: 12345, gid: 12345 })).unwrap();
    let at = instance.display();
    for allowed in [
        format!("cat {at}/{SHARED} && {at}/bin/beacon"),
        format!("echo x > {at}/tmp/x && echo x > {at}/log/x"),
        format!("echo x > {at}/releases/1.0.0/sys.config && cat {at}/releases/COOKIE"),
        format!("mv {at}/releases/1.0.0 {at}/releases/2.0.0"),
    ] {
        assert!(as_nobody(&allowed), "the app needs: {allowed}");
    }
    let other = bench.path("i2");
    for forbidden in [
        format!("echo x >> {at}/{SHARED}"),
        format!("chmod u+w {at}/{SHARED}"),
        format!("truncate -s 0 {at}/bin/beacon"),
        format!("touch {at}/lib/new"),
        format!("touch {at}/new"),
        format!("mv {at}/bin/beacon {at}/bin/x"),
        format!("rm -f {at}/bin/beacon"),
        format!("mv {at}/bin {at}/nib"),
        format!("chmod 777 {at}"),
        format!("ln {at}/{SHARED} {at}/tmp/mine && echo x > {at}/tmp/mine"),
        format!("cat {}/manifest.json", version.display()),
        format!("ls {}", version.display()),
        format!("ls {}", other.display()),
        format!("cat {}/releases/COOKIE", other.display()),
    ] {
        assert!(!as_nobody(&forbidden), "an app was allowed: {forbidden}");
    }
    verify(&version, Check::Full).unwrap();
}

/// As one ordinary user for all: mistakes are stopped by the mode, intent is found by the digest.
#[test]
fn an_owner_who_changes_a_mode_is_found_by_the_digest() {
    let bench = installed();
    let (version, instance) = (bench.path("v"), bench.path("i"));
    instance_tree(&version, &instance, None).unwrap();
    let shared = instance.join(SHARED);
    if !is_root() {
        assert!(fs_err::OpenOptions::new().write(true).open(&shared).is_err());
        assert!(fs_err::write(instance.join("lib/new"), "").is_err());
        assert!(fs_err::write(instance.join("new"), "").is_err());
    }
    let content = fs_err::read_to_string(&shared).unwrap().replace("1.0.0", "6.6.6");
    overwrite(&shared, &content);
    let error = verify(&version, Check::Full).unwrap_err();
    assert!(matches!(error, VerifyError::Damaged { .. }), "{error:?}");
    bench.install(&release(), None).unwrap();
    verify(&version, Check::Full).unwrap();
}

/// The same again as an ordinary user when the tests run as root, where permissions hold nobody back.
#[test]
fn everything_works_as_an_ordinary_user_too() {
    if !is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    set_mode(folder.path(), 0o777);
    let program = folder.path().join("tests");
    fs_err::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let output = Command::new(&program)
        .env("TMPDIR", folder.path())
        .uid(NOBODY.uid)
        .gid(NOBODY.gid)
        .current_dir("/")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("an_owner_who_changes_a_mode_is_found_by_the_digest ... ok"), "{text}");
}

#[test]
fn an_unpacked_version_is_damaged_when_our_own_files_are() {
    let bench = installed();
    let manifest = bench.path("v/manifest.json");
    set_mode(&manifest, 0o644);
    let text = fs_err::read_to_string(&manifest).unwrap();
    fs_err::write(&manifest, &text[..text.len() / 2]).unwrap();
    let error = verify(&bench.path("v"), Check::Quick).unwrap_err();
    assert!(matches!(error, VerifyError::Format { .. }), "{error:?}");
    let error = instance_tree(&bench.path("v"), &bench.path("i"), None).unwrap_err();
    assert!(matches!(error, InstanceError::Version(_)), "{error:?}");
    bench.install(&release(), None).unwrap();
    verify(&bench.path("v"), Check::Full).unwrap();
}
