//! What nodes are told, from the packages alone.

use beam::Term;
use host::lowering::{Environments, LowerError, Told, lower};
use hot::{CodePath, Instructions};
use upgrade::plan::Direction;
use upgrade::policy::Policy;

use crate::unpacked::Unpacked;

fn names(instructions: &Instructions) -> Vec<&str> {
    let mut names: Vec<&str> = instructions.modules.iter().map(|it| it.name.as_str()).collect();
    names.sort_unstable();
    names
}

#[test]
fn modules_states_applications_and_paths_of_beacon() {
    let folder = tempfile::tempdir().unwrap();
    let [one, four] =
        ["beacon-base", "beacon-state-changed"].map(|name| Unpacked::sample(name, folder.path()));
    let (_, up) = one.to(&four, "up", Direction::Up);
    assert_eq!(up.direction, hot::Direction::Up);
    let modules = ["Elixir.Beacon.Counter", "Elixir.Beacon.Greeting", "Elixir.Beacon.Tide"];
    assert_eq!(names(&up), modules);
    for module in &up.modules {
        let file = format!("lib/beacon-1.3.0/ebin/{}.beam", module.name.as_str());
        assert_eq!(module.code.file, four.root.join(&file).to_str().unwrap());
        assert_eq!(module.code.object, fs_err::read(four.root.join(&file)).unwrap());
        let before = one.release.module(module.name.as_str());
        assert_eq!(module.before.as_ref().map(|it| it.md5), before.map(|it| *it.1.digest.as_bytes()));
        let code = module.before.as_ref().and_then(|it| it.code.as_ref());
        assert_eq!(code.is_some(), before.is_some());
    }
    let [processes] = &up.processes[..] else { panic!("{:?}", up.processes) };
    let convert = processes.convert.as_ref().unwrap();
    assert_eq!((processes.module.as_str(), &convert.vsn), ("Elixir.Beacon.Counter", &Term::integer(1)));
    let [changed] = &up.applications.changed[..] else { panic!("{:?}", up.applications) };
    let keys = &changed.as_tuple().unwrap()[2];
    assert_eq!(keys.property("vsn").unwrap().as_text().unwrap(), "1.3.0");
    assert!(up.environment.is_empty() && up.deleted.is_empty() && up.supervisors.is_empty());
    assert_paths(&up, &one, &four);
    assert!(up.os_environment.contains(&("RELEASE_VSN".to_owned(), Some("1.3.0".to_owned()))));

    let (_, down) = four.to(&one, "down", Direction::Down);
    assert_eq!(down.direction, hot::Direction::Down);
    assert_eq!(names(&down), &modules[..2]);
    assert_eq!(down.deleted[0].name.as_str(), "Elixir.Beacon.Tide");
    let convert = down.processes[0].convert.as_ref().unwrap();
    assert_eq!(convert.vsn, Term::integer(1), "the older version's, in both directions");
}

/// Every folder of the old root is replaced by one of the new root that is there.
fn assert_paths(instructions: &Instructions, old: &Unpacked, new: &Unpacked) {
    let ebins = fs_err::read_dir(old.root.join("lib")).unwrap().count();
    assert_eq!(instructions.code_paths.len(), ebins + 1, "and the consolidated protocols");
    for path in &instructions.code_paths {
        let CodePath::Replace { old: from, new: to } = path else { panic!("{path:?}") };
        assert!(from.starts_with(old.root.to_str().unwrap()), "{from}");
        assert!(to.starts_with(new.root.to_str().unwrap()) && std::path::Path::new(to).is_dir(), "{to}");
    }
}

#[test]
fn buoy_of_rebar3_too() {
    let folder = tempfile::tempdir().unwrap();
    let [old, new] = ["buoy-base", "buoy-module-changed"].map(|name| Unpacked::sample(name, folder.path()));
    let (plan, up) = old.to(&new, "up", Direction::Up);
    assert_eq!(up.modules.len(), plan.steps.load.len());
    assert!(!up.modules.is_empty());
    assert!(up.os_environment.contains(&("RELEASE_VSN".to_owned(), Some("1.1.0".to_owned()))));
}

#[test]
fn what_is_computed_at_a_start_is_not_guessed() {
    let folder = tempfile::tempdir().unwrap();
    let [old, mut new] =
        ["beacon-base", "beacon-module-changed"].map(|name| Unpacked::sample(name, folder.path()));
    // as if runtime.exs had changed
    let file = new.release.configuration.files.get_mut("runtime.exs").unwrap();
    *file = upgrade::Digest::of(b"another");
    let (plan, refused) = old.lowered(&new, "up", Direction::Up);
    let Err(LowerError::Computed { what, .. }) = refused else { panic!("{refused:?}") };
    assert!(what.contains("runtime.exs"), "{what}");

    let environments = |port: i64, also: &[&str]| -> Environments {
        let port = [("port".to_owned(), Term::integer(port))];
        let also = also.iter().map(|key| ((*key).to_owned(), Term::atom("it")));
        [("beacon".to_owned(), port.into_iter().chain(also).collect())].into()
    };
    let told = Told {
        environments: Some((environments(1, &["gone", "same"]), environments(2, &["same"]))),
        ..Told::default()
    };
    let up = lower("up", &plan, old.version(), new.version(), &told).unwrap();
    let [beacon] = &up.environment[..] else { panic!("{:?}", up.environment) };
    assert_eq!(beacon.set, [(beam::term::Atom::new("port"), Term::integer(2))]);
    assert_eq!(beacon.unset, [beam::term::Atom::new("gone")]);
}

#[test]
fn the_plan_of_another_pair_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let [beacon, later, buoy] = ["beacon-base", "beacon-module-changed", "buoy-base"]
        .map(|name| Unpacked::sample(name, folder.path()));
    let plan = upgrade::plan(&beacon.release, &later.release, &Policy::default());
    let refused = lower("up", &plan, buoy.version(), later.version(), &Told::default());
    assert!(matches!(refused, Err(LowerError::Foreign { .. })), "{refused:?}");
}
