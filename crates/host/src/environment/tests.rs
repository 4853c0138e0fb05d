//! The whole table, for each kind of package.

use super::*;

use model::settings::SecretReference;
use package::recognise::StartScript;

/// A package of some kind, as far as an environment depends on it.
pub(crate) fn facts(kind: Kind) -> Facts {
    Facts {
        kind,
        root: String::new(),
        release_name: "beacon".into(),
        main_application: Some("beacon".into()),
        version: "1.0.0".into(),
        erts: (kind != Kind::GleamShipment).then(|| "13.1.5".into()),
        otp_release: None,
        compiled_with: None,
        start: StartScript { path: "bin/beacon".into(), arguments: vec!["start".into()] },
        applications: Vec::new(),
        has_debug_info: true,
        native_libraries: Vec::new(),
        boot_version: None,
        settings: None,
    }
}

fn text(value: &str) -> VariableValue {
    VariableValue::Text(value.into())
}

fn variables(pairs: &[(&str, &str)]) -> Variables {
    pairs.iter().map(|(name, value)| (name.parse().unwrap(), text(value))).collect()
}

/// An environment being asked for; place 2 of `beacon` unless a test says otherwise.
struct Asked {
    kind: Kind,
    slot: Slot,
    node_host: &'static str,
    settings: AppSettings,
    variables: Variables,
    runtime_bin: Option<&'static str>,
}

impl Asked {
    fn of(kind: Kind) -> Self {
        Asked {
            kind,
            slot: Slot::A,
            node_host: "web1",
            settings: AppSettings::default(),
            variables: Variables::new(),
            runtime_bin: None,
        }
    }

    fn answer(&self) -> Result<Environment, EnvironmentError> {
        let app: AppName = "beacon".parse().unwrap();
        let standing = Standing {
            app: &app,
            version: "1.0.0+env1",
            place: Place(2),
            slot: self.slot,
            node_host: self.node_host,
        };
        let runtime_bin = self.runtime_bin.map(Path::new);
        let tree = Path::new("/srv/i7");
        of_instance(standing, &self.settings, &self.variables, &facts(self.kind), tree, runtime_bin, "COOKIE")
    }

    fn table(&self) -> String {
        let lines = self.answer().unwrap();
        let line = |(name, value): (OsString, OsString)| {
            format!("{}={}\n", name.to_str().unwrap(), value.to_str().unwrap())
        };
        lines.into_iter().map(line).collect()
    }

    fn value(&self, name: &str) -> Option<String> {
        let environment = self.answer().unwrap();
        environment.get(&OsString::from(name)).map(|value| value.to_str().unwrap().to_owned())
    }
}

/// What mix and rebar3 releases get in slot a.
const RELEASE: &str = "\
BELLROCK_APP=beacon
BELLROCK_PLACE=2
BELLROCK_VERSION=1.0.0+env1
ERL_AFLAGS=-kernel inet_dist_use_interface {127,0,0,1}
ERL_INETRC=/srv/i7/tmp/inetrc
ERL_ZFLAGS=-start_epmd false
HOME=/srv/i7/tmp
LANG=C.UTF-8
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
PORT=4001
RELEASE_COOKIE=COOKIE
RELEASE_DISTRIBUTION=sname
RELEASE_NODE=beacon-2@web1
RELEASE_NODE_SUFFIX=-2
RELEASE_TMP=/srv/i7/tmp
RELX_REPLACE_OS_VARS=true
TMPDIR=/srv/i7/tmp
";

#[test]
fn a_release_gets_this_and_nothing_else() {
    assert_eq!(Asked::of(Kind::MixRelease).table(), RELEASE);
    assert_eq!(Asked::of(Kind::RebarRelease).table(), RELEASE);
}

#[test]
fn a_shipment_gets_its_name_and_runtime_too() {
    let asked = Asked {
        runtime_bin: Some("/usr/lib/erlang/bin"),
        settings: AppSettings {
            ports: [("METRICS_PORT".parse().unwrap(), 9100)].into(),
            ..AppSettings::default()
        },
        ..Asked::of(Kind::GleamShipment)
    };
    let expected = RELEASE
        .replace("{127,0,0,1}", "{127,0,0,1} -sname beacon-2@web1")
        .replace("RELEASE_COOKIE=COOKIE\n", "")
        .replace("PATH=/usr/local/sbin", "METRICS_PORT=9101\nPATH=/usr/lib/erlang/bin:/usr/local/sbin");
    let sorted = |table: &str| table.lines().map(str::to_owned).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(sorted(&asked.table()), sorted(&expected));
}

#[test]
fn slot_b_has_ports_and_a_node_of_its_own() {
    let asked = Asked { slot: Slot::B, ..Asked::of(Kind::MixRelease) };
    // 3 replicas, so max is 6.
    assert_eq!(asked.value("PORT").as_deref(), Some("4007"));
    assert_eq!(asked.value("RELEASE_NODE").as_deref(), Some("beacon-2b@web1"));
    assert_eq!(asked.value("RELEASE_NODE_SUFFIX").as_deref(), Some("-2"));
}

#[test]
fn a_host_with_a_point_has_long_names() {
    let asked = Asked { node_host: "web1.example.org", ..Asked::of(Kind::MixRelease) };
    assert_eq!(asked.value("RELEASE_DISTRIBUTION").as_deref(), Some("name"));
    assert_eq!(asked.value("RELEASE_NODE").as_deref(), Some("beacon-2@web1.example.org"));
}

#[test]
fn variables_set_by_hand_win_over_the_settings_and_these_over_the_table() {
    let mut asked = Asked::of(Kind::MixRelease);
    asked.settings.variables = variables(&[("A", "settings"), ("B", "settings"), ("LANG", "de_DE.UTF-8")]);
    asked.variables = variables(&[("A", "by hand"), ("PATH", "/opt/bin")]);
    let value = |name| asked.value(name).unwrap();
    assert_eq!([value("A"), value("B")], ["by hand", "settings"]);
    assert_eq!([value("LANG"), value("PATH")], ["de_DE.UTF-8", "/opt/bin"]);
}

#[test]
fn what_bellrock_tells_the_release_wins_over_every_variable() {
    let names =
        ["RELEASE_NODE", "RELEASE_COOKIE", "RELEASE_TMP", "RELEASE_DISTRIBUTION", "RELX_REPLACE_OS_VARS"];
    let plain = Asked::of(Kind::MixRelease);
    let mut asked = Asked::of(Kind::MixRelease);
    asked.settings.variables = variables(&names.map(|name| (name, "settings")));
    asked.variables = variables(&names.map(|name| (name, "by hand")));
    for name in names {
        assert_eq!(asked.value(name), plain.value(name), "{name}");
    }
}

#[test]
fn flags_of_the_operator_are_kept_before_ours() {
    let mut asked = Asked::of(Kind::MixRelease);
    asked.variables = variables(&[("ERL_ZFLAGS", "+S 4")]);
    assert_eq!(asked.value("ERL_ZFLAGS").as_deref(), Some("+S 4 -start_epmd false"));
}

#[test]
fn flags_of_the_operator_are_kept_for_a_shipment_too() {
    let mut asked = Asked::of(Kind::GleamShipment);
    asked.variables = variables(&[("ERL_AFLAGS", "+P 1000000")]);
    assert_eq!(
        asked.value("ERL_AFLAGS").as_deref(),
        Some("+P 1000000 -kernel inet_dist_use_interface {127,0,0,1} -sname beacon-2@web1")
    );
}

#[test]
fn what_the_operator_says_of_names_and_addresses_comes_first() {
    let mut asked = Asked::of(Kind::MixRelease);
    asked.settings.variables = variables(&[("ERL_INETRC", "/etc/inetrc")]);
    assert_eq!(asked.value("ERL_INETRC").as_deref(), Some("/etc/inetrc"));
    let interface = "-kernel inet_dist_use_interface {10,0,0,5}";
    asked.settings.variables = variables(&[("ERL_AFLAGS", interface)]);
    assert_eq!(asked.value("ERL_AFLAGS").as_deref(), Some(interface));
    assert_eq!(asked.value("ERL_INETRC"), None, "the host says what its name means");
}

#[test]
fn without_distribution_no_node_has_a_name() {
    for kind in [Kind::MixRelease, Kind::RebarRelease, Kind::GleamShipment] {
        let mut asked = Asked::of(kind);
        asked.settings.distribution = Distribution::Off;
        assert_eq!(asked.value("RELEASE_DISTRIBUTION").as_deref(), Some("none"), "{kind:?}");
        assert_eq!((asked.value("ERL_AFLAGS"), asked.value("ERL_INETRC")), (None, None), "{kind:?}");
    }
}

#[test]
fn a_node_gets_its_cookie_and_what_the_host_is_called() {
    let files = |settings: &AppSettings| {
        private_files(settings, "web1", "COOKIE").into_iter().map(|(path, text)| format!("{path}: {text}"))
    };
    let mut settings = AppSettings::default();
    let all: String = files(&settings).collect::<Vec<_>>().join("\n");
    assert_eq!(
        all,
        "tmp/.erlang.cookie: COOKIE\n\
         tmp/inetrc: {hosts_file, \"\"}.\n{host, {127,0,0,1}, [\"web1\"]}.\n{lookup, [file, native]}.\n"
    );
    settings.distribution = Distribution::Off;
    assert_eq!(files(&settings).count(), 1, "no node is looked for");
}

#[test]
fn a_secret_is_refused_rather_than_given_as_its_reference() {
    let secret = VariableValue::Secret(SecretReference { path: "db".into(), key: "password".into() });
    let mut asked = Asked::of(Kind::MixRelease);
    asked.variables = [("DB_PASSWORD".parse().unwrap(), secret)].into();
    let error = asked.answer().unwrap_err();
    assert!(matches!(&error, EnvironmentError::Secret(name) if name.as_str() == "DB_PASSWORD"));
    assert!(!error.to_string().contains("password"), "not even where it is kept: {error}");
}

#[test]
fn ports_beyond_the_last_one_are_refused() {
    let mut asked = Asked::of(Kind::MixRelease);
    asked.settings.port = 65_535;
    assert!(matches!(asked.answer(), Err(EnvironmentError::NoPort(Place(2)))));
}

#[test]
fn no_two_places_and_slots_share_a_port() {
    let app: AppName = "beacon".parse().unwrap();
    let settings =
        AppSettings { ports: [("ADMIN_PORT".parse().unwrap(), 5000)].into(), ..AppSettings::default() };
    let mut ports = Vec::new();
    for place in 1..=settings.max() {
        for slot in [Slot::A, Slot::B] {
            let standing = Standing { app: &app, version: "1", place: Place(place), slot, node_host: "web1" };
            ports.extend(standing.ports(&settings).unwrap().into_iter().map(|(_, port)| port));
        }
    }
    let count = ports.len();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), count);
    assert_eq!(ports, (4000..4012).chain(5000..5012).collect::<Vec<u16>>(), "what is reserved, and no other");
}

#[test]
fn a_node_that_speaks_tls_is_told_of_a_file_whatever_its_path_holds() {
    let mut asked = Asked::of(Kind::MixRelease);
    asked.settings.distribution = Distribution::Tls;
    assert_eq!(asked.value("ERL_AFLAGS"), None, "it listens everywhere");
    assert_eq!(
        asked.value("ERL_INETRC").as_deref(),
        Some("/srv/i7/tmp/inetrc"),
        "and meets its own host at 127.0.0.1"
    );
    let mut environment = Environment::new();
    set(&mut environment, "ERL_AFLAGS", "+P 9");
    speak_tls(&mut environment, Path::new("/srv/a \"b/x.conf"));
    assert_eq!(
        environment[std::ffi::OsStr::new("ERL_AFLAGS")],
        r#"+P 9 -proto_dist inet_tls -ssl_dist_optfile /srv/a\ \"b/x.conf"#
    );
}
