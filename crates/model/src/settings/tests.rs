//! Fixtures in, what a person would be told out.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::keys::{APP_KEYS, Default as KeyDefault, HOST_KEYS, Key, Kind};
use super::*;
use crate::names::AppName;

/// Reads a fixture: files, each under a line `-- NAME --`; `config.toml`, `apps/NAME.toml`, `bellrock.toml`
/// (the package's, of the app `shop`) and `settings.toml` (named by `--settings` for `shop`).
/// The answer is the problems, or "fine".
fn check(fixture: &str) -> String {
    let mut config = Source::new("config.toml", "");
    let (mut apps, mut package, mut command) = (Vec::new(), None, None);
    for source in files(fixture) {
        match source.name.as_str() {
            "config.toml" => config = source,
            "bellrock.toml" => package = Some(source),
            "settings.toml" => command = Some(source),
            name => {
                let app = name.strip_prefix("apps/").and_then(|name| name.strip_suffix(".toml"));
                apps.push((app.expect("apps/NAME.toml").parse().unwrap(), source));
            }
        }
    }
    let answer = load_host(&config, &apps).and_then(|host| {
        let package = package.as_ref().map(AppLayer::parse_package).transpose()?;
        let command = command.as_ref().map(AppLayer::parse).transpose()?;
        host.app_settings(&"shop".parse().unwrap(), package.as_ref(), command.as_ref())
    });
    match answer {
        Ok(_) => "fine".to_owned(),
        Err(problems) => problems.to_string(),
    }
}

fn files(fixture: &str) -> Vec<Source> {
    let mut files: Vec<Source> = Vec::new();
    for line in fixture.lines() {
        match line.strip_prefix("-- ").and_then(|line| line.strip_suffix(" --")) {
            Some(name) => files.push(Source::new(name, "")),
            None => {
                let file = files.last_mut().expect("a fixture starts with -- NAME --");
                file.text.push_str(line);
                file.text.push('\n');
            }
        }
    }
    files
}

fn snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_omit_expression(true);
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// The fixture and the answer side by side, so that a reader of the snapshot can judge it.
macro_rules! snapshot {
    ($name:ident) => {
        #[test]
        fn $name() {
            let fixture = include_str!(concat!("fixtures/", stringify!($name), ".txt"));
            snapshot(stringify!($name), &format!("{fixture}== answer ==\n{}", check(fixture)));
        }
    };
}

snapshot!(all_fine);
snapshot!(autoscale);
snapshot!(broken_toml);
snapshot!(certificates_without_https);
snapshot!(checks);
snapshot!(commands);
snapshot!(every_file_at_once);
snapshot!(names);
snapshot!(package_says_too_much);
snapshot!(places_and_ports);
snapshot!(ports_between_apps);
snapshot!(proxied);
snapshot!(proxied_conflicts);
snapshot!(canaries);
snapshot!(ranges);
snapshot!(hot_upgrades);
snapshot!(members);
snapshot!(nodes);
snapshot!(strategies);
snapshot!(units);
snapshot!(unknown_keys);
snapshot!(variables);
snapshot!(wrong_types);

#[test]
fn reference_is_as_reviewed() {
    snapshot("reference", &reference());
}

#[test]
fn example_is_as_reviewed() {
    snapshot("example", &example());
}

/// Paths of all fields; free tables (`ports`, `variables`) are one key.
fn fields(value: &Json, path: &str, keys: &[Key], out: &mut BTreeSet<String>) {
    let inner = value.as_object().filter(|_| !keys.iter().any(|key| key.path == path));
    match inner {
        None => {
            out.insert(path.to_owned());
        }
        Some(object) => {
            for (name, value) in object {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                fields(value, &path, keys, out);
            }
        }
    }
}

fn at<'a>(value: &'a Json, path: &str) -> &'a Json {
    path.split('.').fold(value, |value, name| &value[name])
}

fn table_matches(keys: &[Key], defaults: &Json) {
    let mut of_struct = BTreeSet::new();
    fields(defaults, "", keys, &mut of_struct);
    let of_table: BTreeSet<String> = keys.iter().map(|key| key.path.to_owned()).collect();
    assert_eq!(of_struct, of_table);
    assert_eq!(of_table.len(), keys.len(), "a key stands twice in the table");
}

#[test]
fn the_table_has_each_field_and_no_other() {
    table_matches(APP_KEYS, &json!(AppSettings::default()));
    table_matches(HOST_KEYS, &json!(HostSettings::default()));
}

/// Says one key in a file, as a dotted key.
fn say(key: &Key, value: &str) -> Source {
    Source::new("one.toml", format!("{} = {value}\n", key.path))
}

#[test]
fn each_default_in_the_table_is_the_structs() {
    let app = json!(AppSettings::default());
    let host = json!(HostSettings::default());
    for (keys, defaults) in [(APP_KEYS, &app), (HOST_KEYS, &host)] {
        for key in keys {
            let empty = [Json::Null, json!([])];
            match key.default {
                KeyDefault::Unset(..) => assert!(empty.contains(at(defaults, key.path)), "{}", key.path),
                KeyDefault::Is("{}") => assert_eq!(at(defaults, key.path), &json!({}), "{}", key.path),
                KeyDefault::Is(toml) => {
                    let said = said(keys, &say(key, toml));
                    assert_eq!(&said, at(defaults, key.path), "{}", key.path);
                }
            }
        }
    }
}

/// The one value that a file says, as its struct's field holds it.
fn said(keys: &[Key], source: &Source) -> Json {
    let mut problems = Problems::default();
    let document = super::read::parse(source).unwrap();
    let place = super::read::Place { source, prefix: "" };
    let said = super::read::read_table(&place, keys, document.as_table(), &mut problems).said;
    assert!(problems.is_empty(), "{problems}");
    said.into_values().next().expect("one key").value
}

#[test]
fn each_sample_reaches_its_field() {
    for key in APP_KEYS.iter().filter(|key| !matches!(key.kind, Kind::Ports | Kind::Variables)) {
        let source = say(key, key.sample());
        let value = said(APP_KEYS, &source);
        let layer = AppLayer::parse(&source).unwrap();
        let mut problems = Problems::default();
        let app = super::merge::assemble::<AppSettings>(
            layer.reading.said.iter().map(|(key, said)| (key.as_str(), said)),
            &mut problems,
        );
        assert!(problems.is_empty(), "{problems}");
        assert_eq!(at(&json!(app), key.path), &value, "{}", key.path);
    }
    for key in HOST_KEYS {
        let source = say(key, key.sample());
        let value = said(HOST_KEYS, &source);
        let at_key = super::layer::Said { value: value.clone(), at: source.locate(key.path, None) };
        let mut problems = Problems::default();
        let host = super::merge::assemble::<HostSettings>([(key.path, &at_key)], &mut problems);
        assert!(problems.is_empty(), "{problems}");
        assert_eq!(at(&json!(host), key.path), &value, "{}", key.path);
    }
}

#[test]
fn the_example_says_nothing_but_reads() {
    let host = load_host(&Source::new("config.toml", example()), &[]).unwrap();
    assert_eq!(host.settings, HostSettings::default());
    assert_eq!(host.apps().count(), 0);
}

/// Each line of the example, without its `#`, is a setting under the heading where it stands.
#[test]
fn the_example_reads_when_uncommented() {
    let is_code = |line: &str| {
        line.starts_with('[') || line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '))
    };
    let text: String = example()
        .lines()
        .filter_map(|line| line.strip_prefix("# "))
        .filter(|line| is_code(line))
        .map(|line| format!("{line}\n"))
        .collect();
    let document = super::read::parse(&Source::new("config.toml", text.as_str())).map(|_| ());
    assert_eq!(document, Ok(()));
    let problems = load_host(&Source::new("config.toml", text.as_str()), &[]).unwrap_err();
    // All checks' keys are said at once, which is the one thing that cannot be.
    for problem in &problems {
        assert!(problem.message.starts_with("means nothing while"), "{problem}");
    }
    let keys = text.lines().filter(|line| !line.starts_with('[')).count();
    assert_eq!(keys, APP_KEYS.len() + HOST_KEYS.len());
}

fn shop() -> AppName {
    "shop".parse().unwrap()
}

#[test]
fn a_host_without_a_proxy_makes_no_canary() {
    for (http, steps) in [("\"127.0.0.1:8080\"", vec![5, 50]), ("", vec![])] {
        let config = format!("proxy.http = [{http}]\n[apps.shop]\ncanary.steps = [5, 50]\n");
        let host = load_host(&Source::new("config.toml", &config), &[]).unwrap();
        assert_eq!(host.app_settings(&shop(), None, None).unwrap().canary.steps, steps);
    }
}

#[test]
fn later_layers_win_key_by_key() {
    let config = Source::new(
        "config.toml",
        "log.keep = 9\n[apps.shop]\nreplicas = 2\nport = 5000\nvariables = { A = \"host\", B = \"host\" }\n",
    );
    let app = Source::new("apps/shop.toml", "port = 6000\nlog.max_size = \"1 MB\"\n");
    let package = AppLayer::parse_package(&Source::new(
        "bellrock.toml",
        "replicas = 9\ntries = 7\nvariables = { A = \"package\", C = \"package\" }\n",
    ))
    .unwrap();
    let command = AppLayer::parse(&Source::new("settings.toml", "variables.B = \"command\"\n")).unwrap();
    let host = load_host(&config, &[(shop(), app)]).unwrap();
    let merged = host.app_settings(&shop(), Some(&package), Some(&command)).unwrap();
    let text = |text: &str| text.parse::<VariableValue>().unwrap();
    let expected = AppSettings {
        replicas: 2,
        port: 6000,
        tries: 7,
        log: LogSettings { max_size: crate::units::Size(1_000_000), keep: 9, ..LogSettings::default() },
        variables: [("A", text("host")), ("B", text("command")), ("C", text("package"))]
            .map(|(name, value)| (name.parse().unwrap(), value))
            .into(),
        ..AppSettings::default()
    };
    assert_eq!(merged, expected);
}

#[test]
fn stored_settings_are_read_by_older_and_newer_versions() {
    let mut stored = json!(AppSettings { replicas: 7, ..AppSettings::default() });
    stored["of_the_future"] = json!({"a": 1});
    stored["readiness"]["of_the_future"] = json!(true);
    stored.as_object_mut().unwrap().remove("health");
    stored["log"].as_object_mut().unwrap().remove("keep");
    let read: AppSettings = serde_json::from_value(stored).unwrap();
    assert_eq!(read, AppSettings { replicas: 7, ..AppSettings::default() });
}

#[test]
fn every_sort_of_value_survives_storing() {
    let text: String = APP_KEYS
        .iter()
        .filter(|key| !matches!(key.kind, Kind::Ports | Kind::Variables))
        .map(|key| format!("{} = {}\n", key.path, key.sample()))
        .chain(["ports.ADMIN = 7000\nvariables.A = \"x\"\nvariables.B = \"secret:db/shop#url\"\n".to_owned()])
        .collect();
    let layer = AppLayer::parse(&Source::new("all.toml", text)).unwrap();
    let mut problems = Problems::default();
    let app: AppSettings = super::merge::assemble(
        layer.reading.said.iter().map(|(key, said)| (key.as_str(), said)),
        &mut problems,
    );
    assert!(problems.is_empty(), "{problems}");
    assert_ne!(app, AppSettings::default());
    assert_eq!(serde_json::from_str::<AppSettings>(&json!(app).to_string()).unwrap(), app);
}

fn health_of(text: &str) -> Option<Check> {
    merge(&[AppLayer::parse(&Source::new("a.toml", text)).unwrap()]).unwrap().health_check()
}

#[test]
fn health_goes_on_where_readiness_ended() {
    let http = |path: &str, port: PortName| {
        Some(Check::HttpGet { scheme: Scheme::Http, port, path: path.to_owned() })
    };
    assert_eq!(health_of(""), Some(Check::Tcp { port: PortName::Port }));
    assert_eq!(health_of("health.kind = 'off'"), None);
    assert_eq!(health_of("readiness.kind = 'runs_for'"), None);
    assert_eq!(health_of("readiness = { kind = 'http_get', path = '/up' }"), http("/up", PortName::Port));
    let other = "readiness = { kind = 'http_get', path = '/up' }\nhealth = { path = '/ok', port = 'ADMIN' }\nports.ADMIN = 7000";
    assert_eq!(health_of(other), http("/ok", PortName::Extra("ADMIN".parse().unwrap())));
    let own = "health = { kind = 'exec', command = 'bin/ok \"a b\"' }";
    assert_eq!(health_of(own), Some(Check::Exec { command: Command::split("bin/ok 'a b'").unwrap() }));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_it_panic(text in "\\PC*|([a-z_]{1,9}(\\.[a-z_]{1,9})? = (\"[^\"\n]{0,12}\"|-?[0-9]{1,20}|\\[\\]|\\{\\})\n){0,6}") {
        let source = Source::new("config.toml", text);
        let _ = load_host(&source, &[(shop(), source.clone())]);
        let _ = AppLayer::parse_package(&source);
    }

    /// Known keys with odd values get further into the reader than free text does.
    #[test]
    fn no_value_makes_it_panic(
        nth in 0..APP_KEYS.len(),
        value in "\"\\PC{0,16}\"|'[ -&(-~]{0,16}'|-?[0-9]{1,19}|\\[(\"[a-z'\\\\]{0,8}\",?){0,3}\\]|\\{ *[A-Z]{0,4} = [0-9]{1,7} \\}|true|1\\.5|2020-01-01",
    ) {
        let source = say(&APP_KEYS[nth], &value);
        if let Ok(layer) = AppLayer::parse(&source) {
            let _ = merge(&[layer.clone(), layer]).map(|app| ports::overlaps(&[(&shop(), &app), (&shop(), &app)]));
        }
    }

    #[test]
    fn a_command_reads_back(argv in prop::collection::vec("[^\0]{0,8}", 1..4)) {
        prop_assume!(!argv[0].is_empty());
        let command = Command::try_from(argv).unwrap();
        prop_assert_eq!(Command::split(&command.to_string()), Ok(command));
    }

    #[test]
    fn ports_of_instances_are_reserved_and_differ(max in 1u16..60, base in 1u16..=65535) {
        use crate::names::{Place, Slot};
        let app = AppSettings { replicas: 1, max: Some(max), port: base, ..AppSettings::default() };
        let range = ports::reservations(&app)[0].range();
        let mut seen = BTreeSet::new();
        for (slot, place) in [Slot::A, Slot::B].into_iter().flat_map(|slot| (1..=max).map(move |place| (slot, place))) {
            match ports::ports_of(&app, slot, Place(place)).get(&PortName::Port) {
                Some(port) => {
                    prop_assert!((range.first..=range.last).contains(&u32::from(*port)));
                    prop_assert!(seen.insert(*port), "{port} is given twice");
                }
                None => prop_assert!(!range.exists()),
            }
        }
        prop_assert!(ports::ports_of(&app, Slot::A, Place(max + 1)).is_empty());
    }
}

#[test]
fn a_problem_as_json_has_its_place_in_characters() {
    let source =
        Source::new("config.toml", "# a\nlog = { keep = 2, max_age = 'ü' }\n[apps.shop]\nenv = 'ü' # ü\r\n");
    let problems = load_host(&source, &[]).unwrap_err();
    let expected = json!([
        {
            "source": "config.toml", "line": 2, "column": 19, "key": "log.max_age",
            "message": "\"ü\" is not a duration", "remedy": "write a whole number and a unit, like \"30 days\"",
        },
        {
            "source": "config.toml", "line": 4, "column": 1, "key": "apps.shop.env",
            "message": "\"ü\" is not a name", "remedy": "use letters, digits, '_', '-' and '.', not starting with '-'",
        },
    ]);
    assert_eq!(json!(problems), expected);
    assert_eq!(serde_json::from_value::<Problems>(expected).unwrap(), problems);
}

/// Whoever follows every proposal is done.
#[test]
fn proposed_ports_fit_together() {
    let app = |port| AppSettings { port, ..AppSettings::default() };
    let names: Vec<AppName> = ["a", "b", "c", "d", "e"].map(|name| name.parse().unwrap()).into();
    let mut apps: Vec<AppSettings> = [4000, 4000, 4011, 4030, 4365].map(app).into();
    let pairs = |apps: &[AppSettings]| {
        let pairs: Vec<_> = names.iter().zip(apps).collect();
        ports::overlaps(&pairs)
    };
    let found = pairs(&apps);
    let moved: Vec<_> = found.iter().map(|(name, overlap)| (name.as_str(), overlap.free)).collect();
    assert_eq!(moved, [("b", Some(4012)), ("c", Some(4042)), ("e", Some(4370))]);
    for (name, overlap) in found {
        let nth = names.iter().position(|other| *other == name).unwrap();
        apps[nth].port = overlap.free.unwrap();
    }
    assert_eq!(pairs(&apps), []);
}

fn read_back(settings: &AppSettings) -> AppSettings {
    let text = to_toml(settings);
    let layer = AppLayer::parse(&Source::new("written.toml", text.as_str()));
    let read = layer.and_then(|layer| merge(&[layer]));
    read.unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

#[test]
fn settings_are_written_as_they_are_read() {
    assert_eq!(read_back(&AppSettings::default()), AppSettings::default());
    for key in APP_KEYS.iter().filter(|key| !matches!(key.kind, Kind::Ports | Kind::Variables)) {
        let layer = AppLayer::parse(&say(key, key.sample())).unwrap();
        let more = match key.path {
            "readiness.command" => "readiness.kind = \"exec\"",
            "readiness.mfa" => "readiness.kind = \"mfa\"",
            "readiness.path" | "readiness.scheme" => "readiness.kind = \"http_get\"",
            "readiness.runs_for" => "readiness.kind = \"runs_for\"",
            "health.command" => "health.kind = \"exec\"",
            "health.mfa" => "health.kind = \"mfa\"",
            "health.path" | "health.scheme" => "health.kind = \"http_get\"",
            key if key.starts_with("autoscale.") => "autoscale.cpu = 70",
            key if key.starts_with("member.") => "strategy = \"member\"\nmember.check = \"bin/whole\"",
            _ => "",
        };
        let more = AppLayer::parse(&Source::new("more.toml", more)).unwrap();
        let settings = merge(&[more, layer]).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(read_back(&settings), settings, "{}", key.path);
    }
}

#[test]
fn written_settings_are_as_reviewed() {
    let text = r#"
        replicas = 2
        prepare_commands = [["apt-get", "install", "-y", "it's here"], "bin/setup --all"]
        pre_commands = ["eval IO.puts(\"a\\nb\")"]
        [ports]
        METRICS_PORT = 9100
        [readiness]
        kind = "http_get"
        path = "/health"
        within = "1500 ms"
        [rlimits]
        core = "unlimited"
        memlock = "64 MiB"
        nproc = 4096
        [variables]
        GREETING = "\"hello\",\n\tworld #1"
        SECRET_KEY_BASE = "secret:shop#key"
    "#;
    let settings = merge(&[AppLayer::parse(&Source::new("shop.toml", text)).unwrap()]).unwrap();
    assert_eq!(read_back(&settings), settings);
    snapshot("written", &to_toml(&settings));
}

proptest! {
    #[test]
    fn every_text_is_written_so_that_it_reads_back(text in "[^\0]{0,20}") {
        let value = VariableValue::Text(format!("x{text}"));
        let settings = AppSettings {
            variables: [("NAME".parse().unwrap(), value)].into(),
            prepare_commands: vec![vec!["echo".to_owned(), text].try_into().unwrap()],
            ..AppSettings::default()
        };
        prop_assert_eq!(read_back(&settings), settings);
    }
}
