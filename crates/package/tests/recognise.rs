//! What packages are taken for, and what is said about those that are refused.
#![allow(clippy::unwrap_used, reason = "clippy knows tests by their attribute, not their helpers")]

mod support;

use package::otp::OtpSource;
use package::{Facts, HostPlatform, Kind, Limits};
use support::{
    Bench, Tar, app, beam, compiled_by, debug_info, described, host, mix, native, rebar, rel, shipment,
};

#[track_caller]
fn facts(tar: Tar, name: Option<&str>) -> Facts {
    match Bench::new().install(&tar.gz(), name) {
        Ok(unpacked) => unpacked.facts,
        Err(error) => panic!("{}", described(&error)),
    }
}

fn refusal_on(tar: Tar, name: Option<&str>, host: &HostPlatform) -> String {
    let bench = Bench::new();
    let error = bench.install_on(&tar.gz(), name, host, &Limits::default()).expect_err("it was accepted");
    assert_eq!(bench.names(), ["package.tar.gz"], "something was left behind");
    described(&error)
}

#[track_caller]
fn refused(tar: Tar, name: Option<&str>, why: &str) {
    let message = refusal_on(tar, name, &host("2.36"));
    assert!(message.contains(why), "refused for another reason: {message}");
}

fn release() -> Tar {
    mix(Tar::new(), "", "beacon", "1.0.0")
}

#[test]
fn a_mix_release_is_recognised() {
    let facts = facts(release(), Some("beacon-1.0.0.tar.gz"));
    assert_eq!(facts.kind, Kind::MixRelease);
    assert_eq!((facts.release_name.as_str(), facts.version.as_str()), ("beacon", "1.0.0"));
    assert_eq!(facts.main_application.as_deref(), Some("beacon"));
    assert_eq!(
        (facts.start.path.as_str(), facts.start.arguments.join(" ")),
        ("bin/beacon", "start".to_owned())
    );
    assert_eq!(facts.boot_version.as_deref(), Some("1.0.0"));
    assert_eq!(facts.erts, None);
    let otp = facts.otp_release.unwrap();
    assert_eq!((otp.release.as_str(), otp.known_from), ("25", OtpSource::ErtsVersion));
    let names: Vec<_> = facts.applications.iter().map(|app| app.name.as_str()).collect();
    assert_eq!(names, ["kernel", "beacon"]);
}

#[test]
fn a_rebar_release_is_recognised_and_its_names_kept_apart() {
    let facts = facts(rebar(Tar::new(), "harbour", "2.0.1", "buoy"), None);
    assert_eq!(facts.kind, Kind::RebarRelease);
    assert_eq!(facts.release_name, "harbour");
    assert_eq!(facts.main_application.as_deref(), Some("buoy"));
    assert_eq!(
        (facts.start.path.as_str(), facts.start.arguments.join(" ")),
        ("bin/harbour", "foreground".to_owned())
    );
    assert_eq!(facts.boot_version, None);
}

#[test]
fn a_shipment_is_recognised_in_its_folder_at_the_top_and_wrapped() {
    let cases = [
        ("erlang-shipment/", "", "erlang-shipment/entrypoint.sh"),
        ("", "", "entrypoint.sh"),
        ("lantern/", "lantern", "entrypoint.sh"),
        ("lantern/erlang-shipment/", "lantern", "erlang-shipment/entrypoint.sh"),
    ];
    for (top, root, script) in cases {
        let facts = facts(shipment(Tar::new(), top, "lantern", "0.1.0"), Some("lantern-0.1.0.tar.gz"));
        assert_eq!(facts.kind, Kind::GleamShipment);
        assert_eq!((facts.root.as_str(), facts.start.path.as_str()), (root, script), "{top}");
        assert_eq!(facts.start.arguments, ["run"]);
        assert_eq!((facts.release_name.as_str(), facts.version.as_str()), ("lantern", "0.1.0"));
    }
}

#[test]
fn an_older_shipment_tells_its_package_by_the_main_module() {
    let tar = Tar::new()
        .script("entrypoint.sh", "#!/bin/sh\nerl -eval \"lantern@@main:run(lantern)\"\n")
        .file("lantern/ebin/lantern.app", app("lantern", "0.2.0", &[]))
        .file("skiff/ebin/skiff.app", app("skiff", "1.0.0", &[]));
    assert_eq!(facts(tar, None).release_name, "lantern");
    let tar = shipment(Tar::new(), "", "lantern", "0.1.0");
    let other = tar.file("x", "");
    assert_eq!(facts(other, None).release_name, "lantern");
    let nameless = Tar::new().script("entrypoint.sh", "#!/bin/sh\n").file("a/ebin/a.app", app("a", "1", &[]));
    refused(nameless, None, "entrypoint.sh names no package to run");
    let absent =
        Tar::new().script("entrypoint.sh", "PACKAGE=gone\n").file("a/ebin/a.app", app("a", "1", &[]));
    refused(absent, None, "starts the package \"gone\", but gone/ebin/gone.app is missing");
}

#[test]
fn a_wrapping_folder_becomes_the_root() {
    let facts = facts(mix(Tar::new().file("README.md", "hello"), "beacon/", "beacon", "1.0.0"), None);
    assert_eq!((facts.root.as_str(), facts.start.path.as_str()), ("beacon", "bin/beacon"));
}

#[test]
fn what_is_no_release_is_told_with_what_is_there() {
    let source = Tar::new().file("mix.exs", "").file("lib/beacon.ex", "").folder("config");
    refused(source, None, "this is not a release");
    refused(
        Tar::new().file("mix.exs", "").file("lib/beacon.ex", ""),
        None,
        "neither releases/ with lib/ (mix release, rebar3 tar) nor entrypoint.sh with */ebin/*.app \
         (gleam export erlang-shipment) is at its top or in a folder there; there is lib, mix.exs",
    );
    refused(Tar::new(), None, "there is nothing");
}

#[test]
fn two_roots_are_refused() {
    let two = mix(mix(Tar::new(), "a/", "a", "1.0.0"), "b/", "b", "1.0.0");
    refused(two, None, "holds two releases, one in a/ and one in b/");
    let both = shipment(release(), "erlang-shipment/", "lantern", "0.1.0");
    refused(both, None, "holds two releases, one at the top and one in erlang-shipment/");
}

#[test]
fn start_erl_data_decides_between_several_versions() {
    let add =
        |tar: Tar| tar.file("releases/0.9.0/beacon.rel", rel("beacon", "0.9.0", &[("beacon", "0.9.0")]));
    assert_eq!(facts(add(release()), None).version, "1.0.0");
    let undecided = add(rebar(Tar::new(), "beacon", "1.0.0", "beacon"));
    refused(undecided, None, "several versions (0.9.0, 1.0.0) and no start_erl.data says which one boots");
    let gone = rebar(Tar::new(), "beacon", "1.0.0", "beacon").file("releases/start_erl.data", "13.1.5 3.0.0");
    refused(gone, None, "start_erl.data boots version \"3.0.0\", but releases/ holds 1.0.0");
    let garbled = rebar(Tar::new(), "beacon", "1.0.0", "beacon").file("releases/start_erl.data", "nonsense");
    refused(garbled, None, "releases/start_erl.data does not hold an ERTS version and a release version");
    refused(Tar::new().folder("lib").folder("releases"), None, "no folder with a .rel file");
}

#[test]
fn the_release_with_a_script_is_meant() {
    let two = release().file("releases/1.0.0/other.rel", rel("other", "1.0.0", &[]));
    assert_eq!(facts(two.clone(), None).release_name, "beacon");
    refused(
        two.script("bin/other", ""),
        None,
        "holds several releases (beacon, other), each with a script in bin/",
    );
    let none = Tar::new()
        .folder("lib")
        .file("bin/start", "")
        .file("releases/1.0.0/beacon.rel", rel("beacon", "1.0.0", &[]));
    refused(none, None, "the script that starts it is missing: bin/beacon (there is start)");
    let not_executable = Tar::new()
        .folder("lib")
        .file("bin/beacon", "")
        .file("releases/1.0.0/beacon.rel", rel("beacon", "1.0.0", &[]));
    refused(not_executable, None, "bin/beacon is not executable");
}

#[test]
fn broken_release_files_are_told_with_the_place() {
    let broken = Tar::new().folder("lib").file("releases/1/x.rel", "{release,\n {\"x\" oops}}.");
    refused(broken, None, "releases/1/x.rel is not Erlang text: line 2, column 7");
    let shape = Tar::new().folder("lib").file("releases/1/x.rel", "{application, x, []}.");
    refused(shape, None, "does not hold {release, {Name, Version}, {erts, Version}, Applications}");
    let erts = release().file("erts-14.0/bin/erl", "");
    refused(erts, None, "erts-14.0/ is not the ERTS that the release was made for, 13.1.5");
}

#[test]
fn an_umbrella_has_no_main_application_unless_one_tops_the_others() {
    let umbrella = |needs: &[&str]| {
        let applications = [("kernel", "8.5.3"), ("core", "1.0.0"), ("web", "1.0.0")];
        Tar::new()
            .script("bin/fleet", "foreground")
            .file("releases/1.0.0/fleet.rel", rel("fleet", "1.0.0", &applications))
            .file("lib/core-1.0.0/ebin/core.app", app("core", "1.0.0", &["kernel"]))
            .file("lib/web-1.0.0/ebin/web.app", app("web", "1.0.0", needs))
    };
    assert_eq!(facts(umbrella(&["kernel"]), None).main_application, None);
    assert_eq!(facts(umbrella(&["kernel", "core"]), None).main_application.as_deref(), Some("web"));
}

#[test]
fn file_names_must_tell_the_truth() {
    let names = [
        "beacon-1.0.0.tar.gz",
        "beacon_1.0.0.release.tar.gz",
        "/some/where/beacon-1.0.0.tar.gz",
        "my-other-name-1.0.0.tar.gz",
        "beacon-v1.0.0.tgz",
        "1.0.0.tar.gz",
        "beacon.tar.gz",
        "package.tar.gz",
        "upload",
    ];
    for name in names {
        facts(release(), Some(name));
    }
    for name in
        ["beacon-1.0.1.tar.gz", "beacon_2.release.tar.gz", "beacon-main.tar.gz", "other-11.0.0.tar.gz"]
    {
        refused(release(), Some(name), "but the release in it is beacon 1.0.0");
    }
}

#[test]
fn versions_of_any_shape_are_compared_with_names() {
    for version in ["1.0.4+build.7", "2026-11-21_3", "main-abc123", "1.0.0-rc.1"] {
        let release = || mix(Tar::new(), "", "sea-mark", version);
        assert_eq!(facts(release(), Some(&format!("sea-mark-{version}.tar.gz"))).version, version);
        let escaped = version.replace('+', "%2B");
        facts(release(), Some(&format!("sea-mark-{escaped}.tar.gz")));
        refused(release(), Some("sea-mark-1.0.0.tar.gz"), "but the release in it is sea-mark");
    }
}

#[test]
fn names_that_instances_need_are_theirs() {
    refused(release().file("tmp", "x"), None, "\"tmp\" is not a folder in this package");
    refused(release().symlink("log", "lib"), None, "\"log\" is not a folder in this package");
    for name in [".bellrock-instance.json", ".bellrock-launch"] {
        refused(release().file(name, "{}"), None, "instances need a folder or file of their own");
    }
    facts(release().file("tmp/keep", ""), None);
}

#[test]
fn a_link_out_of_the_root_is_refused_though_it_stays_in_the_archive() {
    let tar = mix(Tar::new().file("secret", ""), "beacon/", "beacon", "1.0.0")
        .symlink("beacon/lib/up", "../../secret");
    refused(tar, None, "a link leads out of the release's folder");
}

#[test]
fn settings_travel_in_the_package() {
    let settings = "[app]\nreplicas = 2\n";
    assert_eq!(facts(release().file("bellrock.toml", settings), None).settings.as_deref(), Some(settings));
    let beside = shipment(Tar::new(), "erlang-shipment/", "lantern", "0.1.0").file("bellrock.toml", settings);
    assert_eq!(facts(beside, None).settings.as_deref(), Some(settings));
    let large = release().file("bellrock.toml", vec![b'#'; 300 << 10]);
    refused(large, None, "bellrock.toml is longer than 262144 bytes");
    refused(release().file("bellrock.toml", b"\xff"), None, "bellrock.toml is not UTF-8 text");
}

#[test]
fn debug_information_is_that_of_the_main_application() {
    let with = || beam("beacon", 180, &[(b"Dbgi", debug_info(b"h\x02l\0\0\0\x01a\x01jj"))]);
    let none = || beam("beacon_b", 180, &[(b"Dbgi", debug_info(b"h\x02w\x04nonej"))]);
    let at = |name: &str| format!("lib/beacon-1.0.0/ebin/{name}.beam");
    assert!(!facts(release(), None).has_debug_info);
    assert!(facts(release().file(&at("a"), with()), None).has_debug_info);
    assert!(!facts(release().file(&at("a"), with()).file(&at("b"), none()), None).has_debug_info);
    assert!(!facts(release().file(&at("a"), beam("beacon", 180, &[])), None).has_debug_info);
    assert!(!facts(release().file(&at("a"), "no module"), None).has_debug_info);
    let other = release().file("lib/dep-1/ebin/dep.beam", with());
    assert!(!facts(other, None).has_debug_info);
}

#[test]
fn what_compiled_the_modules_is_told_for_packages_without_erts() {
    let with = |content: Vec<u8>| {
        let tar = shipment(Tar::new(), "", "lantern", "0.1.0");
        facts(tar.file("lantern/ebin/lantern.beam", content), None).compiled_with
    };
    let by_compiler = with(beam("lantern", 170, &[(b"CInf", compiled_by("8.4.2"))])).unwrap();
    assert_eq!((by_compiler.otp, by_compiler.known_from), (26, OtpSource::CompilerVersion));
    assert_eq!(by_compiler.module, "lantern/ebin/lantern.beam");
    let stripped = with(beam("lantern", 183, &[])).unwrap();
    assert_eq!((stripped.otp, stripped.known_from), (27, OtpSource::Instructions));
    assert_eq!(with(b"not a module".to_vec()), None);
}

fn nif(path: &str) -> Tar {
    release().file(path, native())
}

#[test]
fn native_code_for_this_host_is_listed() {
    let facts = {
        let bench = Bench::new();
        let tar = nif("lib/beacon-1.0.0/priv/nif.so").file("lib/beacon-1.0.0/priv/odd.so", b"\x7fELF odd");
        bench.install_on(&tar.gz(), None, &HostPlatform::detect(), &Limits::default()).unwrap().facts
    };
    let [library] = facts.native_libraries.as_slice() else { panic!("{:?}", facts.native_libraries) };
    assert_eq!(library.path, "lib/beacon-1.0.0/priv/nif.so");
    assert_eq!(library.arch, std::env::consts::ARCH);
    assert!(library.fits && !library.musl && library.glibc.is_some(), "{library:?}");
}

#[test]
fn a_newer_glibc_is_refused_with_the_file_and_both_versions() {
    let host = HostPlatform { glibc: "2.2".parse().ok(), ..HostPlatform::detect() };
    let message = refusal_on(nif("lib/beacon-1.0.0/priv/nif.so"), None, &host);
    assert!(message.contains("lib/beacon-1.0.0/priv/nif.so needs glibc 2."), "{message}");
    assert!(message.ends_with("or newer; this host has 2.2"), "{message}");
    let alpine = HostPlatform { glibc: None, musl: true, ..host };
    let message = refusal_on(nif("lib/beacon-1.0.0/priv/nif.so"), None, &alpine);
    assert!(message.ends_with("or newer; this host has no glibc"), "{message}");
}

#[test]
fn code_for_musl_is_refused_where_there_is_none() {
    let mut program = native();
    let at = program.windows(8).position(|part| part == b"ld-linux").unwrap();
    program[at..at + 8].copy_from_slice(b"ld-musl-");
    let tar = || release().script("erts-13.1.5/bin/beam.smp", &program);
    let host = HostPlatform { musl: false, ..HostPlatform::detect() };
    let message = refusal_on(tar(), None, &host);
    assert!(message.contains("erts-13.1.5/bin/beam.smp is linked to musl"), "{message}");
    let bench = Bench::new();
    let both = HostPlatform { musl: true, ..host };
    assert!(bench.install_on(&tar().gz(), None, &both, &Limits::default()).is_ok());
}

/// The same program for another machine: `e_machine` is at byte 18.
fn foreign() -> Vec<u8> {
    let mut program = native();
    let other = if std::env::consts::ARCH == "aarch64" { 62 } else { 183 };
    program[18..20].copy_from_slice(&[other, 0]);
    program
}

#[test]
fn code_for_another_machine_is_refused() {
    let host = HostPlatform::detect();
    let message = refusal_on(release().script("erts-13.1.5/bin/beam.smp", foreign()), None, &host);
    let (there, here) = if host.arch == "aarch64" { ("x86_64", "aarch64") } else { ("aarch64", "x86_64") };
    assert!(
        message.contains(&format!("erts-13.1.5/bin/beam.smp is built for {there}; this host is {here}")),
        "{message}"
    );
    let message = refusal_on(release().file("lib/beacon-1.0.0/priv/nif.so", foreign()), None, &host);
    assert!(message.contains("lib/beacon-1.0.0/priv/nif.so is built for"), "{message}");
    let mac = release().script("erts-13.1.5/bin/beam.smp", b"\xcf\xfa\xed\xfe\x07\0\0\x01");
    let message = refusal_on(mac, None, &host);
    assert!(message.contains("erts-13.1.5/bin/beam.smp is built for macOS"), "{message}");
    let broken = release().script("erts-13.1.5/bin/beam.smp", b"\x7fELF but no more");
    assert!(refusal_on(broken, None, &host).contains("is not a native program"));
}

#[test]
fn variants_for_several_machines_are_accepted_in_one_application() {
    let both = nif("lib/beacon-1.0.0/priv/here.so").file("lib/beacon-1.0.0/priv/there.so", foreign());
    let bench = Bench::new();
    let host = HostPlatform::detect();
    let facts = bench.install_on(&both.clone().gz(), None, &host, &Limits::default()).unwrap().facts;
    let fits: Vec<_> = facts.native_libraries.iter().map(|library| library.fits).collect();
    assert_eq!(fits, [true, false]);
    let message = refusal_on(both.file("lib/dep-1/priv/nif.so", foreign()), None, &host);
    assert!(message.contains("lib/dep-1/priv/nif.so is built for"), "{message}");
}

#[test]
fn facts_come_back_from_json() {
    let facts = facts(nif("lib/x-1/priv/x.txt").file("bellrock.toml", ""), None);
    let text = serde_json::to_string(&facts).unwrap();
    assert_eq!(serde_json::from_str::<Facts>(&text).unwrap(), facts);
}
