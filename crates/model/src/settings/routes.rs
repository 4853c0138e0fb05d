//! Which requests an app gets, and that no two apps want the same ones.

use super::app::AppSettings;
use crate::names::AppName;

/// What an app wants that another one has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clash {
    /// The host name that both say; `None`: both get requests for every host.
    pub host: Option<String>,
    /// The path that both say; `None`: both get requests for every path.
    pub path: Option<String>,
    /// Who has it.
    pub holder: AppName,
}

impl Clash {
    /// What is wrong.
    pub fn message(&self) -> String {
        let Clash { host, path, holder } = self;
        match (host, path) {
            (Some(host), Some(path)) => format!("{host}{path} leads to \"{holder}\" already"),
            (Some(host), None) => format!("\"{host}\" leads to \"{holder}\" already"),
            (None, Some(path)) => format!("\"{path}\" of every host leads to \"{holder}\" already"),
            (None, None) => format!("\"{holder}\" takes every host and path already"),
        }
    }

    /// What to do about it.
    pub fn remedy(&self) -> String {
        match (&self.host, &self.path) {
            (None, None) => "set `hosts` or `paths` of one of them".to_owned(),
            _ => "choose another host or path for one of them".to_owned(),
        }
    }

    /// Whether the settings name what both want. Where neither app says anything, the one that came first gets the
    /// traffic and the other is warned.
    pub fn is_explicit(&self) -> bool {
        self.host.is_some() || self.path.is_some()
    }
}

/// All routes that an earlier app has. Apps come in the order in which they were registered: the earlier one keeps
/// its routes. An app that comes more than once (what it runs and what it is about to run) has them all by itself.
pub fn clashes(apps: &[(&AppName, &AppSettings)]) -> Vec<(AppName, Clash)> {
    let mut found = Vec::new();
    for (nth, (app, settings)) in apps.iter().enumerate().filter(|(_, (_, settings))| settings.proxy) {
        for (host, path) in pairs(settings) {
            let has = |earlier: &&(&AppName, &AppSettings)| {
                earlier.0 != *app && earlier.1.proxy && pairs(earlier.1).contains(&(host, path))
            };
            if let Some((holder, _)) = apps[..nth].iter().find(has) {
                let clash = Clash {
                    host: host.map(str::to_owned),
                    path: path.map(str::to_owned),
                    holder: (*holder).clone(),
                };
                found.push(((*app).clone(), clash));
            }
        }
    }
    found
}

/// Every host with every path; `/` is every path.
fn pairs(settings: &AppSettings) -> Vec<(Option<&str>, Option<&str>)> {
    fn options(texts: &[String]) -> Vec<Option<&str>> {
        if texts.is_empty() { vec![None] } else { texts.iter().map(|text| Some(text.as_str())).collect() }
    }
    let paths = options(&settings.paths);
    let hosts = options(&settings.hosts).into_iter();
    hosts.flat_map(|host| paths.iter().map(move |path| (host, path.filter(|path| *path != "/")))).collect()
}
