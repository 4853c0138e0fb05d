//! What other proxies are told about an app's instances: text of theirs, made from what is served.

mod texts;

use crate::app::{App, BackendMode, Route};
use crate::names::{AppName, InstanceId, Place};

/// A proxy of somebody else's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rival {
    /// nginx: an `upstream` block.
    Nginx,
    /// HAProxy: a `backend` section.
    Haproxy,
    /// Caddy: a snippet with a `reverse_proxy`.
    Caddy,
}

/// The instances of an app that get new requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// The app.
    pub app: AppName,
    /// By place and instance; none: nothing is ready.
    pub servers: Vec<Server>,
}

/// One instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Server {
    /// Its place.
    pub place: Place,
    /// The instance.
    pub instance: InstanceId,
    /// Its port on 127.0.0.1.
    pub port: u16,
}

impl Rival {
    /// All of them.
    pub const ALL: [Rival; 3] = [Rival::Nginx, Rival::Haproxy, Rival::Caddy];

    /// Its name, as in settings and commands.
    pub fn name(self) -> &'static str {
        match self {
            Rival::Nginx => "nginx",
            Rival::Haproxy => "haproxy",
            Rival::Caddy => "caddy",
        }
    }

    /// The text for some apps: the same for the same instances.
    pub fn text<'a>(self, upstreams: impl IntoIterator<Item = &'a Upstream>) -> String {
        let mut text =
            "# Made by Bellrock at each change of what is ready; what is written here by hand is lost.\n"
                .to_owned();
        for upstream in upstreams {
            text.push('\n');
            match self {
                Rival::Nginx => texts::nginx(&mut text, upstream),
                Rival::Haproxy => texts::haproxy(&mut text, upstream),
                Rival::Caddy => texts::caddy(&mut text, upstream),
            }
        }
        text
    }
}

impl Upstream {
    /// What a route offers to new requests.
    pub fn of_route(app: &AppName, route: Option<&Route>) -> Self {
        let offered = route.into_iter().flat_map(|route| &route.backends);
        let offered = offered.filter(|backend| backend.mode == BackendMode::Active);
        let server =
            |it: &crate::app::Backend| Server { place: it.place, instance: it.instance, port: it.port };
        let mut servers: Vec<Server> = offered.map(server).collect();
        servers.sort_unstable();
        Upstream { app: app.clone(), servers }
    }

    /// What an app offers now.
    pub fn of(app: &App) -> Self {
        Upstream::of_route(&app.name, app.route().as_ref())
    }
}

#[cfg(test)]
mod tests;
