//! Shipments of `gleam export erlang-shipment`: `entrypoint.sh` and a folder for each package, with `ebin` in it.

use super::modules;
use super::release::described;
use super::{Application, Facts, Kind, Refusal, StartScript, unpacked::Tree};
use crate::manifest::join;
use crate::otp::OtpRelease;

const MAX_SCRIPT: u64 = 256 << 10;
const MAX_APP: u64 = 4 << 20;

pub(super) fn read(whole: &Tree<'_>, folder: &str) -> Result<Facts, Refusal> {
    let shipment = whole.at(folder);
    let applications = applications(&shipment)?;
    let name = package_name(&shipment, &applications)?;
    let Some(version) = applications.iter().find(|app| app.name == name).map(|app| app.version.clone())
    else {
        return Err(Refusal::broken(
            "entrypoint.sh",
            format!("starts the package {name:?}, but {name}/ebin/{name}.app is missing"),
        ));
    };
    // What lies beside `erlang-shipment/` belongs to the app; a folder of another name is only a wrapping.
    let root = folder.strip_suffix("erlang-shipment").map(|above| above.trim_end_matches('/'));
    let script = if root.is_some() { "erlang-shipment/entrypoint.sh" } else { "entrypoint.sh" };
    let compiled_with = modules::newest_needed(&shipment);
    let otp_release = compiled_with
        .as_ref()
        .map(|compiled| OtpRelease { release: compiled.otp.to_string(), known_from: compiled.known_from });
    let survey = modules::survey(&shipment, std::iter::once(format!("{name}/ebin")));
    Ok(Facts {
        kind: Kind::GleamShipment,
        root: root.unwrap_or(folder).to_owned(),
        start: StartScript { path: script.to_owned(), arguments: vec!["run".to_owned()] },
        main_application: Some(name.clone()),
        release_name: name,
        version,
        erts: None,
        otp_release,
        compiled_with,
        applications,
        has_debug_info: survey.all_have_debug_info(),
        native_libraries: Vec::new(),
        boot_version: None,
        settings: None,
    })
}

fn applications(shipment: &Tree<'_>) -> Result<Vec<Application>, Refusal> {
    let mut applications = Vec::new();
    for folder in shipment.folders("") {
        let ebin = format!("{folder}/ebin");
        for file in shipment.files_ending(&ebin, ".app") {
            let path = join(&ebin, &file);
            let app = beam::app::parse(&shipment.read(&path, MAX_APP)?);
            let app = app.map_err(|error| Refusal::broken(&path, described(&error)))?;
            applications.push(Application { name: app.name, version: app.version });
        }
    }
    Ok(applications)
}

/// The package that the script runs: `PACKAGE=name`; by older templates the one with a module `name@@main`.
fn package_name(shipment: &Tree<'_>, applications: &[Application]) -> Result<String, Refusal> {
    const SCRIPT: &str = "entrypoint.sh";
    let bytes = shipment.read(SCRIPT, MAX_SCRIPT)?;
    let script = String::from_utf8_lossy(&bytes);
    let named = script.lines().find_map(|line| line.trim().strip_prefix("PACKAGE="));
    if let Some(name) = named.map(|name| name.trim_matches(['"', '\''])).filter(|name| !name.is_empty()) {
        return Ok(name.to_owned());
    }
    let has_main = |app: &&Application| {
        let main = format!("{}@@main", app.name);
        shipment.has_file(&format!("{}/ebin/{main}.beam", app.name)) || script.contains(&main)
    };
    let mut with_main = applications.iter().filter(has_main);
    match (with_main.next(), with_main.next()) {
        (Some(app), None) => Ok(app.name.clone()),
        _ => Err(Refusal::broken(SCRIPT, "names no package to run (no line PACKAGE=…)")),
    }
}
