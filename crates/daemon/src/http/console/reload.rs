//! Instances are given the configuration that they would be started with now.

use std::convert::Infallible;

use ::api::problem::Problem;
use ::api::reload::{ReloadConfig, ReloadLine};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::AppName;
use model::app::App;
use package::Kind;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use super::super::api::Api;
use super::super::extract::{Json, Path};
use super::super::peer::Peer;
use super::super::problem::Failure;
use super::place::nothing_runs;
use crate::config_reload::{ConfigReload, places};

/// Applications that are restarted at most.
const MOST_RESTARTED: usize = 100;

/// Gives running instances the configuration that they would be started with now: one JSON text (`ReloadLine`) a line.
///
/// For each place in turn the release's configuration is evaluated in a VM of its own (`sys.config`, `runtime.exs` and other
/// providers, with the variables that count now), set in the node, and told to its applications by `config_change/3`. It ends
/// at the first place that fails. Values are in no answer and no record. When the caller goes away it ends before the next
/// place.
#[utoipa::path(post, path = "/v1/apps/{app}/config/reload", tag = "console", operation_id = "reload_config",
    params(("app" = String, Path, description = "Name of the app")), request_body = ReloadConfig,
    responses((status = OK, body = ReloadLine, content_type = "application/x-ndjson"),
        (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn reload(
    State(api): State<Api>,
    peer: Peer,
    Path(name): Path<AppName>,
    Json(wish): Json<ReloadConfig>,
) -> Result<Response, Failure> {
    refuse(&wish)?;
    let app = api.app(&name)?;
    if places(&Some(app.clone()), wish.place).is_empty() {
        return Err(nothing_runs(&name, wish.place));
    }
    has_config(&api, app).await?;
    let busy = || {
        let detail = format!("the configuration of {name} is being reloaded already; wait for that");
        Failure::new("reload-runs", StatusCode::CONFLICT, detail)
    };
    let turn = api.control.reloading.begin(&name).ok_or_else(busy)?;
    api.record(&peer, Some(&name), recorded(&wish)).await?;
    // a line for each place is told as soon as it is known, and nobody is ahead of who reads by more than this
    let (tell, told) = mpsc::channel(16);
    let reload = ConfigReload { control: api.control.clone(), name, wish, turn };
    api.control.tasks().spawn(reload.run(tell));
    let body = Body::from_stream(lines(told, api));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

fn refuse(wish: &ReloadConfig) -> Result<(), Failure> {
    let wrong = |detail: String| Err(Failure::new("bad-restart", StatusCode::UNPROCESSABLE_ENTITY, detail));
    let names = &wish.restart;
    if names.len() > MOST_RESTARTED {
        return wrong(format!(
            "{} applications are to be restarted; at most {MOST_RESTARTED} are",
            names.len()
        ));
    }
    let is_plain = |name: &str| {
        let letters = name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_' || it == b'@');
        letters && name.starts_with(|first: char| first.is_ascii_lowercase()) && name.len() <= 255
    };
    if let Some(name) = names.iter().find(|name| !is_plain(name)) {
        return wrong(format!("{name:?} is no name of an application"));
    }
    match names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
        Some((_, twice)) => wrong(format!("{twice} is to be restarted twice")),
        None => Ok(()),
    }
}

/// A shipment has no configuration beside its environment.
async fn has_config(api: &Api, app: std::sync::Arc<App>) -> Result<(), Failure> {
    let site = api.control.site.clone();
    let name = app.name.clone();
    let kind = spawn_blocking(move || {
        let target = app.active()?;
        site.facts(&app, target).ok().map(|facts| facts.kind)
    });
    if kind.await.ok().flatten() != Some(Kind::GleamShipment) {
        return Ok(());
    }
    let detail = format!(
        "{name} is a Gleam shipment, which is configured by its environment alone, and that of a process stays as it is"
    );
    Err(Failure::new("no-config", StatusCode::CONFLICT, detail).remedy(format!("bellrock restart {name}")))
}

fn recorded(wish: &ReloadConfig) -> String {
    let places = wish.place.map_or_else(|| "all places".to_owned(), |place| format!("place {place}"));
    let dry = if wish.dry_run { " (dry run)" } else { "" };
    match &wish.restart[..] {
        [] => format!("config reload in {places}{dry}"),
        names => format!("config reload in {places}, restart of {}{dry}", names.join(", ")),
    }
}

fn lines(
    mut told: mpsc::Receiver<ReloadLine>,
    api: Api,
) -> impl futures_util::Stream<Item = Result<Bytes, Infallible>> {
    async_stream::stream! {
        loop {
            tokio::select! {
                line = told.recv() => match line {
                    Some(line) => yield Ok(text(&line)),
                    None => break,
                },
                () = api.stop.cancelled() => break,
            }
        }
    }
}

fn text(line: &ReloadLine) -> Bytes {
    let mut text = serde_json::to_vec(line).expect("it is made of texts and numbers");
    text.push(b'\n');
    Bytes::from(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_is_recorded() {
        let all = ReloadConfig::default();
        assert_eq!(recorded(&all), "config reload in all places");
        let one = ReloadConfig {
            place: Some(2),
            restart: vec!["a".into(), "b".into()],
            dry_run: true,
            ..ReloadConfig::default()
        };
        assert_eq!(recorded(&one), "config reload in place 2, restart of a, b (dry run)");
    }

    #[test]
    fn only_applications_are_restarted_and_each_once() {
        let said = |names: &[&str]| {
            let restart = names.iter().map(|name| (*name).to_owned()).collect();
            refuse(&ReloadConfig { restart, ..ReloadConfig::default() }).is_ok()
        };
        assert!(said(&[]) && said(&["shop", "shop_web"]));
        for wrong in [&["Shop"][..], &[""], &["a b"], &["shop", "other", "shop"]] {
            assert!(!said(wrong), "{wrong:?}");
        }
    }
}
