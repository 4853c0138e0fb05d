//! The instance whose node is to do something.

use std::time::Duration;

use axum::http::StatusCode;
use dist::Node;
use model::AppName;
use model::app::{App, Instance};

use super::super::api::Api;
use super::super::problem::Failure;

/// How long a connection that is just being made is waited for.
pub(super) const CONNECTING: Duration = Duration::from_secs(5);

/// An instance that runs, and its node.
pub(super) struct Place {
    /// Its place.
    pub(super) place: u16,
    /// Its node, which was connected just now.
    pub(super) node: Node,
}

impl Place {
    /// The instance in a place; without one the first whose node answers.
    pub(super) async fn find(api: &Api, name: &AppName, place: Option<u16>) -> Result<Self, Failure> {
        let app = api.app(name)?;
        let running = running(&app, place);
        if running.is_empty() {
            return Err(nothing_runs(name, place));
        }
        let mut why = None;
        for instance in running {
            let place = instance.place.0;
            match api.control.nodes.connected(name, instance.id, CONNECTING).await {
                Ok(node) => return Ok(Place { place, node }),
                Err(reason) => why.get_or_insert((place, reason)),
            };
        }
        let (place, reason) = why.unwrap_or_default();
        let detail = format!("bellrockd has no link to the node of {name}/{place}: {reason}");
        Err(Failure::new("not-linked", StatusCode::CONFLICT, detail).remedy("bellrock doctor"))
    }
}

/// Instances that run, those that serve first.
pub(super) fn running(app: &App, place: Option<u16>) -> Vec<&Instance> {
    let wanted = |it: &&Instance| it.pid.is_some() && place.is_none_or(|place| it.place.0 == place);
    let mut running: Vec<&Instance> = app.instances.values().filter(wanted).collect();
    running.sort_by_key(|it| (!it.is_ready(), it.place, std::cmp::Reverse(it.id)));
    running
}

pub(super) fn nothing_runs(name: &AppName, place: Option<u16>) -> Failure {
    let what = match place {
        Some(place) => format!("no instance runs in place {place} of {name}"),
        None => format!("no instance of {name} runs"),
    };
    Failure::new("nothing-runs", StatusCode::CONFLICT, what).remedy(format!("bellrock status {name}"))
}
