//! The compiled corpus as releases.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use upgrade::Digest;
use upgrade::inventory::{Application, Configuration, Kind, Module, Release, Runtime, StartType};
use upgrade::survey;

/// One side of a pair: its folders are applications, but for those that hold something else.
pub(crate) fn read(side: &Path) -> Release {
    let told = fs_err::read_to_string(side.join("RELEASE")).ok().map(|text| text.trim().to_owned());
    let version = told.unwrap_or_else(|| if side.ends_with("old") { "1.0.0" } else { "2.0.0" }.to_owned());
    let version = version.as_str();
    let names = names(side).into_iter().filter(|name| side.join(name).join("ebin").is_dir());
    let applications: BTreeMap<String, Application> =
        names.map(|name| (name.clone(), application(side, &name, version))).collect();
    let text = |name: &str| fs_err::read(side.join(name)).ok();
    let environment = text("sys.config").unwrap_or_else(|| b"[].".to_vec());
    let environment = beam::sys_config::parse(&environment).unwrap();
    let files = ["vm.args", "env.sh", "runtime.exs"]
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), Digest::of(&text(name)?))));
    let erts =
        text("erts").map_or("13.1.5".to_owned(), |erts| String::from_utf8(erts).unwrap().trim().to_owned());
    Release {
        runtime: Runtime { erts: Some(erts), erts_content: None, otp: Some("25".to_owned()) },
        start_order: applications.keys().cloned().collect(),
        applications,
        protocols: modules(&side.join("consolidated")),
        configuration: Configuration {
            environment: Some(survey::environment(&environment, version)),
            included: Vec::new(),
            files: files.collect(),
        },
        ..empty(version)
    }
}

/// A release of nothing.
pub(crate) fn empty(version: &str) -> Release {
    Release {
        name: "shop".to_owned(),
        version: version.to_owned(),
        kind: Kind::Mix,
        runtime: Runtime::default(),
        applications: BTreeMap::new(),
        start_order: Vec::new(),
        protocols: BTreeMap::new(),
        configuration: Configuration::default(),
    }
}

fn application(side: &Path, name: &str, version: &str) -> Application {
    let folder = side.join(name);
    let said = |file: &str| fs_err::read_to_string(folder.join(file)).ok().map(|text| text.trim().to_owned());
    let version =
        said("VERSION").unwrap_or_else(|| if name == "shop" { version } else { "1.0.0" }.to_owned());
    let has_app = folder.join("shop_app.erl").exists().then(|| "shop_app".to_owned());
    let callback = said("CALLBACK").or(has_app);
    let callback = callback.map(|module| format!("{{mod, {{'{module}', []}}}},")).unwrap_or_default();
    let text = format!(
        "{{application, {name}, [{{vsn, \"{version}\"}}, {callback} {{applications, [kernel, stdlib]}}]}}."
    );
    let app = beam::app::parse(text.as_bytes()).unwrap();
    let mut application = survey::application(app, &format!("lib/{name}-{version}"), StartType::Permanent);
    application.modules = modules(&folder.join("ebin"));
    application.appup = said(&format!("{name}.appup"));
    let private = side.join("priv").join(name);
    let files = names(&private).into_iter();
    application.private =
        files.map(|file| (file.clone(), Digest::of(&fs_err::read(private.join(file)).unwrap()))).collect();
    let libraries = application.private.keys().filter(|file| file.ends_with(".so"));
    application.native_libraries = libraries.cloned().collect::<BTreeSet<_>>();
    application
}

pub(crate) fn modules(folder: &Path) -> BTreeMap<String, Module> {
    let files = names(folder).into_iter().filter(|name| name.ends_with(".beam"));
    files.map(|name| survey::module(&fs_err::read(folder.join(name)).unwrap()).unwrap()).collect()
}

pub(crate) fn names(folder: &Path) -> BTreeSet<String> {
    let Ok(entries) = fs_err::read_dir(folder) else { return BTreeSet::new() };
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}
