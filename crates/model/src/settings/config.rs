//! The host's files: `config.toml` and `apps/NAME.toml`.

use std::collections::BTreeMap;

use toml_edit::{Item, TableLike};

use super::app::AppSettings;
use super::conflicts::{PORT_KEYS, ROUTE_KEYS, port_key};
use super::host::HostSettings;
use super::host_conflicts::{self, taken_by_proxy};
use super::keys::{APP_KEYS, HOST_KEYS};
use super::layer::{AppLayer, Said};
use super::merge::{Stack, assemble, merge, merged};
use super::ports::{overlaps, reservations};
use super::problem::{Problem, Problems};
use super::read::{Place, Reading, join, key_span, parse, read_table};
use super::routes::clashes;
use super::source::Source;
use super::value::{Fault, type_name};
use crate::names::AppName;

/// What the host's files say.
#[derive(Debug, Clone, PartialEq)]
pub struct HostConfig {
    /// About the host itself.
    pub settings: HostSettings,
    /// About each app, in the order of the files.
    apps: Vec<(AppName, Vec<AppLayer>)>,
    /// What the host says for all apps, as the lowest layer.
    base: AppLayer,
}

impl HostConfig {
    /// Apps that the files name, in their order.
    pub fn apps(&self) -> impl Iterator<Item = &AppName> {
        self.apps.iter().map(|(app, _)| app)
    }

    /// The settings of an app's version: what the host says for all apps, over it the package's own
    /// `bellrock.toml`, the host's files, and what `--settings` names. Where the host has no proxy, nothing makes a canary.
    pub fn app_settings(
        &self,
        app: &AppName,
        package: Option<&AppLayer>,
        command: Option<&AppLayer>,
    ) -> Result<AppSettings, Problems> {
        let mut settings = merge(&self.layers(app, package, command))?;
        if !self.settings.proxy.is_on() {
            // Nobody shares requests here. A package may be for hosts where somebody does.
            settings.canary.steps.clear();
        }
        Ok(settings)
    }

    /// The layers of an app, lowest first.
    pub fn layers(
        &self,
        app: &AppName,
        package: Option<&AppLayer>,
        command: Option<&AppLayer>,
    ) -> Vec<AppLayer> {
        let own = self.apps.iter().find(|(name, _)| name == app).map_or(&[][..], |(_, layers)| layers);
        let layers = std::iter::once(&self.base).chain(package).chain(own).chain(command);
        layers.cloned().collect()
    }

    /// Hosts and paths that two apps say, told with the places in the files.
    fn route_problems(&self, apps: &[(AppName, AppSettings)]) -> Vec<Problem> {
        let found = clashes(&self.readable(apps, ROUTE_KEYS));
        let explicit = found.into_iter().filter(|(_, clash)| clash.is_explicit());
        explicit
            .map(|(app, clash)| {
                let key = if clash.host.is_some() { "hosts" } else { "paths" };
                Stack(&self.layers(&app, None, None)).locate(key).problem(clash.message(), clash.remedy())
            })
            .collect()
    }

    /// Ports of apps on which the proxy listens.
    fn proxy_port_problems(&self, apps: &[(AppName, AppSettings)]) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (app, settings) in self.readable(apps, PORT_KEYS) {
            for reservation in reservations(settings) {
                if let Some(port) = taken_by_proxy(&self.settings.proxy, &reservation).first() {
                    let message = format!("{} holds {port}, where the proxy listens", reservation.range());
                    let layers = self.layers(app, None, None);
                    let remedy = "choose other ports for one of them";
                    problems
                        .push(Stack(&layers).locate(&port_key(&reservation.name)).problem(message, remedy));
                }
            }
        }
        problems
    }

    /// The apps of which these keys could be read.
    fn readable<'a>(
        &self,
        apps: &'a [(AppName, AppSettings)],
        keys: &[&str],
    ) -> Vec<(&'a AppName, &'a AppSettings)> {
        let is_readable = |app: &AppName| {
            let layers = self.layers(app, None, None);
            !keys.iter().any(|key| Stack(&layers).is_faulty(key))
        };
        apps.iter().filter(|(app, _)| is_readable(app)).map(|(app, settings)| (app, settings)).collect()
    }

    /// Ports that two apps have, told with the places in the files. Apps whose ports could not be read are left out.
    fn port_problems(&self, apps: &[(AppName, AppSettings)]) -> Vec<Problem> {
        overlaps(&self.readable(apps, PORT_KEYS))
            .into_iter()
            .map(|(app, overlap)| {
                Stack(&self.layers(&app, None, None))
                    .locate(&port_key(&overlap.name))
                    .problem(overlap.message(), overlap.remedy())
            })
            .collect()
    }
}

/// Reads the host's files. They must hold together by themselves, defaults included: an app whose package says
/// how many places or which port it has is checked again, with its package, when a version is registered.
pub fn load_host(config: &Source, apps: &[(AppName, Source)]) -> Result<HostConfig, Problems> {
    let mut problems = Problems::default();
    let mut host = read_config(config, &mut problems);
    for (app, source) in apps {
        let layer = AppLayer::from_file(source, &mut problems);
        match host.apps.iter_mut().find(|(name, _)| name == app) {
            Some((_, layers)) => layers.push(layer),
            None => host.apps.push((app.clone(), vec![layer])),
        }
    }
    let settings: Vec<(AppName, AppSettings)> =
        host.apps().map(|app| (app.clone(), merged(&host.layers(app, None, None), &mut problems))).collect();
    problems.extend(host.port_problems(&settings));
    problems.extend(host.proxy_port_problems(&settings));
    problems.extend(host.route_problems(&settings));
    problems.or(
        host,
        std::iter::once(config)
            .chain(apps.iter().map(|(_, source)| source))
            .map(|source| source.name.as_str()),
    )
}

fn read_config(config: &Source, problems: &mut Problems) -> HostConfig {
    let mut apps = Vec::new();
    let mut reading = Reading::default();
    match parse(config) {
        Err(problem) => problems.push(*problem),
        Ok(document) => {
            let mut top = document.as_table().clone();
            if let Some(item) = top.remove("apps") {
                apps = read_apps(config, document.as_table(), &item, problems);
            }
            reading = read_table(&Place { source: config, prefix: "" }, HOST_KEYS, &top, problems);
        }
    }
    let settings: HostSettings =
        assemble(reading.said.iter().map(|(key, said)| (key.as_str(), said)), problems);
    problems.extend(host_conflicts::find(&settings, &reading, config));
    HostConfig { settings, apps, base: base_layer(config, reading.said) }
}

/// What the host says about logs holds for every app that says nothing else.
fn base_layer(config: &Source, said: BTreeMap<String, Said>) -> AppLayer {
    let log = said.into_iter().filter(|(key, _)| key.starts_with("log."));
    let reading = Reading { said: log.collect(), ..Reading::default() };
    AppLayer::new(reading, config.locate("", None))
}

fn read_apps(
    config: &Source,
    top: &dyn TableLike,
    item: &Item,
    problems: &mut Problems,
) -> Vec<(AppName, Vec<AppLayer>)> {
    let place = Place { source: config, prefix: "" };
    let Some(tables) = item.as_table_like() else {
        let message = format!("is {}, not a table", type_name(item));
        let fault = Fault::new(message, "write one table per app: [apps.NAME]");
        problems.push(place.problem("apps", key_span(top, "apps", item), fault));
        return Vec::new();
    };
    tables
        .iter()
        .filter_map(|(name, item)| {
            let layer = read_app(config, tables, name, item, problems)?;
            Some((layer.0, vec![layer.1]))
        })
        .collect()
}

fn read_app(
    config: &Source,
    tables: &dyn TableLike,
    name: &str,
    item: &Item,
    problems: &mut Problems,
) -> Option<(AppName, AppLayer)> {
    let path = join("apps", name);
    let span = key_span(tables, name, item);
    let place = Place { source: config, prefix: "" };
    let app = match name.parse::<AppName>() {
        Ok(app) => app,
        Err(error) => {
            problems.push(place.problem(&path, span, Fault::new(error.to_string(), "rename the app")));
            return None;
        }
    };
    let Some(table) = item.as_table_like() else {
        let message = format!("is {}, not a table", type_name(item));
        problems.push(place.problem(&path, span, Fault::new(message, format!("write [{path}]"))));
        return None;
    };
    let prefix = format!("{path}.");
    let reading = read_table(&Place { source: config, prefix: &prefix }, APP_KEYS, table, problems);
    Some((app, AppLayer::new(reading, config.locate(&path, span))))
}
