//! Inventories of real releases, built by `cargo xtask samples`, and in what they differ.
#![allow(clippy::unwrap_used, reason = "clippy knows tests by their attribute, not their helpers")]

use std::path::{Path, PathBuf};

use package::tree::{Unpacked, install_version, open_version, remove_tree};
use package::{HostPlatform, Limits, inventory};
use upgrade::Difference;
use upgrade::difference::ApplicationChange;
use upgrade::inventory::{CodeChange, Kind, Release, StartType};

/// What `cargo xtask samples` has built: where `BELLROCK_SAMPLES` says, else in the workspace's target folder.
fn sample(name: &str) -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(workspace, PathBuf::from);
    let samples = std::env::var_os("BELLROCK_SAMPLES").map_or(target.join("samples"), PathBuf::from);
    let path = samples.join(format!("{name}.tar.gz"));
    assert!(path.exists(), "{} is missing: build the samples first: cargo xtask samples", path.display());
    path
}

fn package(name: &str) -> Release {
    inventory::read_package(&sample(name), &Limits::default()).unwrap()
}

fn install(name: &str, folder: &Path) -> Unpacked {
    let (host, limits) = (HostPlatform::detect(), Limits::default());
    install_version(&sample(name), None, None, &folder.join(name), &host, &limits).unwrap()
}

#[test]
fn a_release_of_mix() {
    let release = package("beacon-1.0.0");
    assert_eq!(
        (release.name.as_str(), release.version.as_str(), release.kind),
        ("beacon", "1.0.0", Kind::Mix)
    );
    assert!(
        release.runtime.erts.is_some()
            && release.runtime.erts_content.is_some()
            && release.runtime.otp.is_some()
    );
    assert_eq!(release.start_order.first().map(String::as_str), Some("kernel"));
    let beacon = &release.applications["beacon"];
    assert_eq!((beacon.folder.as_str(), beacon.start_type), ("lib/beacon-1.0.0", StartType::Permanent));
    assert_eq!(beacon.callback.as_ref().map(|it| it.module.as_str()), Some("Elixir.Beacon.Application"));
    assert_eq!(release.applications["iex"].start_type, StartType::None);
    assert!(beacon.modules["Elixir.Beacon.Counter"].behaves_as(&["gen_server", "Elixir.GenServer"]));
    assert_eq!(beacon.modules["Elixir.Beacon.Application"].code_change, CodeChange::None);
    assert!(release.protocols.contains_key("Elixir.Enumerable"));
    assert!(
        release.protocols["Elixir.Enumerable"].digest
            != release.module("Elixir.Enumerable").unwrap().1.digest
    );
    let environment = release.configuration.environment.as_ref().unwrap();
    assert!(environment["elixir"].contains_key("config_provider_init"));
    let files: Vec<&str> = release.configuration.files.keys().map(String::as_str).collect();
    assert_eq!(files, ["env.sh", "remote.vm.args", "runtime.exs", "sys.config", "vm.args"]);
    let unread: Vec<_> = release.modules().filter(|(_, _, module)| module.unread.is_some()).collect();
    assert!(unread.is_empty(), "{unread:?}");
}

#[test]
fn a_release_of_rebar3() {
    let release = package("buoy-1.0.0");
    assert_eq!((release.kind, release.protocols.len()), (Kind::Rebar, 0));
    assert!(release.applications.values().all(|it| !it.modules.is_empty()));
    assert!(release.configuration.files.contains_key("vm.args.src"), "{:?}", release.configuration);
}

#[test]
fn a_shipment_of_gleam() {
    let release = package("lantern-0.2.0");
    assert_eq!((release.name.as_str(), release.kind), ("lantern", Kind::Gleam));
    let lantern = &release.applications["lantern"];
    assert_eq!(
        (lantern.folder.as_str(), lantern.start_type),
        ("erlang-shipment/lantern", StartType::Temporary)
    );
    assert!(lantern.modules.contains_key("lantern@@main") && release.applications.contains_key("skiff"));
    assert!(release.runtime.erts.is_none() && release.configuration.environment.is_none());
}

/// The same, whether it is read of a package, of a version's folder, of what was kept beside that, or of any folder.
#[test]
fn an_inventory_is_kept_and_read_back() {
    let bench = tempfile::tempdir().unwrap();
    let version = install("lantern-0.2.0", bench.path());
    let read = inventory::read(&version).unwrap();
    assert_eq!(read, package("lantern-0.2.0"));
    assert_eq!(read, inventory::read_folder(&version.tree()).unwrap());
    let kept = version.path.join("inventory.bin");
    assert!(!kept.exists());
    assert_eq!(inventory::open(&version).unwrap(), read);
    let whole = fs_err::read(&kept).unwrap();
    // what is kept is what is read: one that was put in its place shows
    let put = |content: &[u8]| {
        fs_err::remove_file(&kept).unwrap();
        fs_err::write(&kept, content).unwrap();
    };
    let other = bench.path().join("other");
    let mut other = Unpacked { path: other.clone(), ..install("lantern-0.3.0", bench.path()) };
    fs_err::create_dir(&other.path).unwrap();
    fs_err::os::unix::fs::symlink(bench.path().join("lantern-0.3.0/tree"), other.tree()).unwrap();
    other.digest = version.digest;
    let others = inventory::open(&other).unwrap();
    assert_ne!(others, read);
    put(&fs_err::read(other.path.join("inventory.bin")).unwrap());
    assert_eq!(inventory::open(&version).unwrap(), others);
    // one of another schema or package, a damaged one and half of one are made anew
    for at in [0, 4, 40, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        put(&damaged);
        assert_eq!(inventory::open(&version).unwrap(), read, "{at}");
        assert_eq!(fs_err::read(&kept).unwrap(), whole, "{at}");
    }
    put(&whole[..99]);
    assert_eq!(inventory::open(&version).unwrap(), read);
    assert_eq!(open_version(&version.path).unwrap(), version);
    remove_tree(bench.path()).unwrap();
}

#[test]
fn what_is_no_release_is_told_with_its_path() {
    let bench = tempfile::tempdir().unwrap();
    fs_err::create_dir(bench.path().join("lib")).unwrap();
    let error = inventory::read_folder(bench.path()).unwrap_err();
    assert!(
        matches!(&error, inventory::InventoryError::NotARelease { path, .. } if path == bench.path()),
        "{error:?}"
    );
    let missing = bench.path().join("missing.tar.gz");
    let error = inventory::read_package(&missing, &Limits::default()).unwrap_err();
    assert!(error.to_string().contains("missing.tar.gz"), "{error}");
    fs_err::write(&missing, "no archive").unwrap();
    let error = inventory::read_package(&missing, &Limits::default()).unwrap_err();
    assert!(matches!(error, inventory::InventoryError::Archive { .. }), "{error:?}");
}

/// Between two samples: the only application that differs, with what became of its modules.
fn between(old: &Release, new: &Release) -> (Difference, String) {
    let difference = Difference::between(old, new);
    let mut text = String::new();
    for (name, change) in &difference.applications {
        let ApplicationChange::Changed(change) = change else { panic!("{name}: {change:?}") };
        let modules = &change.modules;
        let changed: Vec<_> = modules.changed.keys().collect();
        text.push_str(&format!("{name} +{:?} -{:?} ~{changed:?}\n", modules.added, modules.removed));
    }
    (difference, text)
}

#[test]
fn versions_of_a_sample_differ_in_what_was_changed_alone() {
    let [first, second, third] = ["beacon-1.0.0", "beacon-1.1.0", "beacon-1.2.0"].map(package);
    let (difference, text) = between(&first, &second);
    assert_eq!(text, "beacon +{} -{} ~[\"Elixir.Beacon.Greeting\"]\n");
    assert!(
        difference.protocols.is_empty() && difference.configuration == Default::default(),
        "{difference:?}"
    );
    assert!(
        difference.runtime == Default::default() && difference.missing.is_empty() && !difference.is_empty()
    );
    let (_, text) = between(&second, &third);
    assert_eq!(text, "beacon +{\"Elixir.Beacon.Tide\"} -{} ~[\"Elixir.Beacon.Greeting\"]\n");
    assert_eq!(Difference::between(&first, &first), Difference::default());
}
