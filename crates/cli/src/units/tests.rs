//! What inits are given: each file read by the program that will read it.

use super::*;

use std::path::Path;
use std::process::Command;

use api::standalone::Standalone;
use package::Facts;
use serde_json::json;

fn made(init: Init) -> Vec<UnitFile> {
    let (daemon, root) = (Path::new("/opt/bellrock/bin/bellrockd"), Path::new("/srv/bellrock"));
    itself(init, &Templates::default(), daemon, root).unwrap()
}

/// `beacon` with two places, `settings` laid over those of an app, in `/srv/beacon`.
fn app_files(init: Init, settings: &serde_json::Value) -> Vec<UnitFile> {
    let mut all = serde_json::to_value(model_settings()).unwrap();
    all.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    let place = |place| json!({"place": place, "environment": {"PORT": "4000"}});
    let told: Standalone = serde_json::from_value(json!({
        "app": "beacon", "version": "1.0.0+env1", "package": "1.0.0", "sha256": "00", "settings": all,
        "user": {"uid": 0, "gid": 0, "user": "root", "group": "root"},
        "runtime_bin": null, "start": ["bin/beacon", "start"],
        "private_files": {}, "places": [place(1), place(2)],
    }))
    .unwrap();
    let facts: Facts = serde_json::from_value(json!({
        "kind": "mix_release", "root": "", "release_name": "beacon", "main_application": "beacon",
        "version": "1.0.0", "erts": "13.1.5", "otp_release": null, "compiled_with": null,
        "start": {"path": "bin/beacon", "arguments": ["start"]}, "applications": [], "has_debug_info": true,
        "native_libraries": [], "boot_version": null, "settings": null,
    }))
    .unwrap();
    let folder = Path::new("/srv/beacon");
    let app = App { told: &told, facts: &facts, folder, templates: &Templates::default() };
    app.files(init).unwrap()
}

fn model_settings() -> api::settings::SettingsJson {
    api::settings::SettingsJson(Default::default())
}

/// Bellrock's own files and an app's.
fn all_files(init: Init) -> Vec<UnitFile> {
    [made(init), app_files(init, &json!({}))].concat()
}

fn text_of<'f>(files: &'f [UnitFile], path: &str) -> &'f str {
    let found = files.iter().find(|file| file.path == path);
    &found.unwrap_or_else(|| panic!("{path} is not among {files:?}")).text
}

/// `KEY=VALUE` lines of a unit with the section that they are in.
fn keys(unit: &str) -> Vec<(&str, (&str, &str))> {
    let mut section = "";
    let mut keys = Vec::new();
    for line in unit.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            Some(name) => section = name,
            None => keys.push((section, line.split_once('=').unwrap())),
        }
    }
    keys
}

#[test]
fn every_text_starts_this_daemon_on_this_root() {
    for init in Init::value_variants() {
        let files = made(*init);
        let text = &files[0].text;
        assert!(text.contains("/opt/bellrock/bin/bellrockd") && text.contains("/srv/bellrock"), "{text}");
    }
}

#[test]
fn every_init_ends_the_apps_when_the_host_goes_down() {
    for init in Init::value_variants() {
        let files = made(*init);
        let ends: Vec<&UnitFile> = files.iter().filter(|file| file.text.contains(" --stop-all")).collect();
        assert_eq!(ends.len(), 1, "{init:?}: {files:?}");
    }
}

/// `{word}` is a key that nobody has filled; a shell's own `${word}` is none.
#[test]
fn nothing_is_left_to_be_filled() {
    for init in Init::value_variants() {
        for UnitFile { path, text, .. } in all_files(*init) {
            let text: String = text.lines().filter(|line| !line.starts_with('#')).collect();
            let open = text.match_indices('{').filter(|(at, _)| !text[..*at].ends_with('$'));
            for (at, _) in open {
                let word: String =
                    text[at + 1..].chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
                let closed = text[at + 1 + word.len()..].starts_with('}');
                assert!(word.is_empty() || !closed, "{path}: {{{word}}}");
            }
        }
    }
}

#[test]
fn systemd_leaves_the_applications_alone() {
    let files = made(Init::Systemd);
    let keys = keys(text_of(&files, "bellrockd.service"));
    for wanted in [
        ("Unit", ("StartLimitIntervalSec", "0")),
        ("Service", ("KillMode", "process")),
        ("Service", ("OOMPolicy", "continue")),
        ("Service", ("Delegate", "yes")),
        ("Service", ("Restart", "always")),
        ("Service", ("ExecStart", "/opt/bellrock/bin/bellrockd --root /srv/bellrock")),
        ("Install", ("WantedBy", "multi-user.target")),
    ] {
        assert!(keys.contains(&wanted), "{wanted:?} is not in {keys:?}");
    }
}

#[test]
fn systemd_holds_a_place_to_the_apps_settings() {
    let settings = json!({
        "stop_timeout": 7000, "umask": "077", "no_new_privs": true,
        "rlimits": {"nofile": 4096, "core": "unlimited"}, "resources": {"memory": 512_000_000, "cpu": 150},
    });
    let files = app_files(Init::Systemd, &settings);
    let place = keys(text_of(&files, "systemd/beacon-2.service"));
    for wanted in [
        ("Unit", ("After", "network-online.target local-fs.target beacon-epmd.service")),
        ("Unit", ("StartLimitIntervalSec", "0")),
        ("Service", ("ExecStart", "/srv/beacon/bin/start 2")),
        ("Service", ("User", "root")),
        ("Service", ("Restart", "always")),
        ("Service", ("KillMode", "mixed")),
        ("Service", ("TimeoutStopSec", "7s")),
        ("Service", ("UMask", "077")),
        ("Service", ("NoNewPrivileges", "yes")),
        ("Service", ("LimitNOFILE", "4096")),
        ("Service", ("LimitCORE", "infinity")),
        ("Service", ("MemoryMax", "512000000")),
        ("Service", ("CPUQuota", "150%")),
    ] {
        assert!(place.contains(&wanted), "{wanted:?} is not in {place:?}");
    }
    let epmd = text_of(&files, "systemd/beacon-epmd.service");
    assert!(!epmd.contains("MemoryMax") && !epmd.contains("beacon-epmd.service beacon"), "{epmd}");
    let start = text_of(&files, "bin/start");
    assert!(start.contains("prlimit --pid \"$$\" --core=unlimited:unlimited"), "{start}");
}

/// systemd reads the units itself, in a root of stubs: nothing is started.
#[test]
fn systemd_finds_nothing_wrong_with_its_units() {
    let root = tempfile::tempdir().unwrap();
    let units = root.path().join("etc/systemd/system");
    fs_err::create_dir_all(&units).unwrap();
    for target in ["sysinit", "basic", "shutdown", "network", "network-online", "local-fs", "multi-user"] {
        fs_err::write(units.join(format!("{target}.target")), "[Unit]\nDescription=stub\n").unwrap();
    }
    for program in ["opt/bellrock/bin/bellrockd", "srv/beacon/bin/start"] {
        let path = root.path().join(program);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, "").unwrap();
        fs_err::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let mut names = Vec::new();
    let limits =
        json!({"resources": {"memory": 512_000_000, "cpu": 150}, "rlimits": {"nproc": 100, "as": 1}});
    for file in [made(Init::Systemd), app_files(Init::Systemd, &limits)].concat() {
        let name = file.path.trim_start_matches("systemd/").to_owned();
        if name.ends_with(".service") {
            fs_err::write(units.join(&name), file.text).unwrap();
            names.push(name);
        }
    }
    assert_eq!(names.len(), 5);
    let mut root_option = std::ffi::OsString::from("--root=");
    root_option.push(root.path());
    let verify =
        Command::new("systemd-analyze").arg("verify").arg("--man=no").arg(root_option).args(&names).output();
    let verify = verify.unwrap_or_else(|error| panic!("systemd-analyze: {error}; run tools/setup.sh all"));
    assert!(verify.status.success() && verify.stderr.is_empty(), "{verify:?}");
}

#[test]
fn scripts_are_read_by_a_shell_and_by_shellcheck() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("script");
    for init in Init::value_variants() {
        for UnitFile { path, text, .. } in all_files(*init).into_iter().filter(|file| file.executable) {
            fs_err::write(&file, &text).unwrap();
            let read = Command::new("sh").arg("-n").arg(&file).output().unwrap();
            assert!(read.status.success(), "{init:?} {path}: {read:?}");
            let mut check = Command::new("shellcheck");
            // OpenRC's own shell sets and reads what looks unused here.
            let check = match text.starts_with("#!/sbin/openrc-run") {
                true => check.args(["--shell=sh", "--exclude=SC2034,SC2154"]),
                false => check.arg("--shell=dash"),
            };
            let check = check.arg(&file).output();
            let check = check.unwrap_or_else(|error| panic!("shellcheck: {error}; run tools/setup.sh all"));
            assert!(check.status.success(), "{init:?} {path}: {}", String::from_utf8_lossy(&check.stdout));
        }
    }
}

#[test]
fn a_template_of_the_operators_wins() {
    let folder = tempfile::tempdir().unwrap();
    fs_err::write(folder.path().join("runit"), "mine: {bellrockd}").unwrap();
    let templates = Templates { folder: Some(folder.path().to_owned()) };
    let files = |init| itself(init, &templates, Path::new("/b"), Path::new("/")).unwrap();
    assert_eq!(files(Init::Runit)[0].text, "mine: /b");
    assert!(files(Init::Sysv)[0].text.contains("### BEGIN INIT INFO"), "the others are ours");
}
