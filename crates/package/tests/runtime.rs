//! Runtimes for packages that carry none.
#![allow(clippy::unwrap_used, reason = "clippy knows tests by their attribute, not their helpers")]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use package::Facts;
use package::otp::OtpSource;
use package::runtime::{Runtime, for_package};
use support::{Bench, Tar, beam, compiled_by, described, mix, shipment};

/// An installation with an ERTS of this version.
fn installation(erts: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    program(folder.path(), "bin/erl");
    program(folder.path(), &format!("erts-{erts}/bin/erl"));
    program(folder.path(), &format!("erts-{erts}/bin/beam.smp"));
    folder
}

fn program(folder: &Path, path: &str) -> PathBuf {
    let path = folder.join(path);
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    fs_err::write(&path, "").unwrap();
    fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn facts(tar: Tar) -> Facts {
    Bench::new().install(&tar.gz(), None).unwrap().facts
}

fn lantern(module: Vec<u8>) -> Facts {
    facts(shipment(Tar::new(), "", "lantern", "0.1.0").file("lantern/ebin/lantern.beam", module))
}

#[test]
fn an_installation_is_found_by_its_top_or_its_erts() {
    let folder = installation("14.2.5");
    for path in [folder.path().to_owned(), folder.path().join("erts-14.2.5")] {
        let runtime = Runtime::inspect(&path).unwrap();
        assert_eq!((runtime.root.as_path(), runtime.erts.as_str()), (folder.path(), "14.2.5"));
        assert_eq!(runtime.bin, folder.path().join("bin"));
        let otp = runtime.otp.unwrap();
        assert_eq!((otp.release.as_str(), otp.known_from), ("26", OtpSource::ErtsVersion));
    }
    let told = folder.path().join("releases/26/OTP_VERSION");
    fs_err::create_dir_all(told.parent().unwrap()).unwrap();
    fs_err::write(told, "26.2.5.13\n").unwrap();
    let otp = Runtime::inspect(folder.path()).unwrap().otp.unwrap();
    assert_eq!((otp.release.as_str(), otp.major()), ("26.2.5.13", Some(26)));
}

#[test]
fn debians_erlang_is_a_runtime() {
    let path = Path::new("/usr/lib/erlang");
    assert!(path.exists(), "these tests need Debian's erlang: apt-get install erlang");
    let runtime = Runtime::inspect(path).unwrap();
    let told = std::process::Command::new(runtime.bin.join("erl"))
        .args([
            "-noshell",
            "-eval",
            "io:format(\"~s ~s\", [erlang:system_info(version), erlang:system_info(otp_release)]), halt().",
        ])
        .output()
        .unwrap();
    let major = runtime.otp.as_ref().and_then(|otp| otp.major()).unwrap();
    assert_eq!(String::from_utf8(told.stdout).unwrap(), format!("{} {major}", runtime.erts));
}

#[test]
fn what_is_no_runtime_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let says = |path: &Path, expected: &str| {
        let error = described(&Runtime::inspect(path).unwrap_err());
        assert!(error.contains(expected), "{error}");
    };
    says(&folder.path().join("gone"), "gone is no Erlang runtime: erts-*/bin/beam.smp is not there");
    says(folder.path(), "is no Erlang runtime: erts-*/bin/beam.smp is not there");
    fs_err::create_dir_all(folder.path().join("erts-14.0/bin")).unwrap();
    says(folder.path(), "erts-*/bin/beam.smp is not there");
    program(folder.path(), "erts-14.0/bin/beam.smp");
    says(folder.path(), "bin/erl is not there");
    program(folder.path(), "erts-15.0/bin/beam.smp");
    says(folder.path(), "holds several runtimes (14.0, 15.0): which one is meant?");
}

#[test]
fn a_runtime_older_than_what_compiled_is_refused() {
    let (old, new) = (installation("13.1.5"), installation("15.0"));
    let exact = lantern(beam("lantern", 160, &[(b"CInf", compiled_by("8.5.2"))]));
    let error = for_package(&exact, Some(old.path())).unwrap_err().to_string();
    let path = old.path().display();
    assert_eq!(
        error,
        format!(
            "lantern 0.1.0 was compiled for OTP 27 or newer (lantern/ebin/lantern.beam says so); the runtime {path} \
             is OTP 25"
        )
    );
    assert!(for_package(&exact, Some(new.path())).unwrap().is_some());
    let stripped = lantern(beam("lantern", 182, &[]));
    assert!(for_package(&stripped, Some(old.path())).is_err());
    assert!(for_package(&stripped, Some(new.path())).is_ok());
    let silent = lantern(b"no module".to_vec());
    assert!(for_package(&silent, Some(old.path())).is_ok());
}

#[test]
fn a_package_without_erts_needs_a_setting_and_one_with_erts_does_not() {
    let needs = facts(mix(Tar::new(), "", "beacon", "1.0.0"));
    let error = for_package(&needs, None).unwrap_err().to_string();
    assert!(
        error.starts_with("beacon 1.0.0 carries no Erlang runtime and the settings name none"),
        "{error}"
    );
    let carries = facts(mix(Tar::new(), "", "beacon", "1.0.0").script("erts-13.1.5/bin/erl", ""));
    assert_eq!(for_package(&carries, None).unwrap(), None);
}
