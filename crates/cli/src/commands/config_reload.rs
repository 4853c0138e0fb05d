//! `config reload`

use api::problem::Problem;
use api::reload::{ReloadConfig, ReloadLine, ReloadedApplication, ReloadedInstance, Told};
use futures_util::TryStreamExt;
use http_body_util::BodyExt;
use tokio::io::AsyncBufReadExt;
use tokio_util::io::StreamReader;

use super::Context;
use super::target::Target;
use crate::client::Route;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{QUIET, WARNING, styled};
use crate::time::parse_span;

/// What to reload, and what to restart.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The app, or one of its places: `shop/2`. Without a place all of them, one after another.
    #[arg(value_name = "APP[/INSTANCE]")]
    target: Target,

    /// Changes nothing: tells what would be changed.
    #[arg(long)]
    dry_run: bool,

    /// Then stops these applications in each node, the last first, and starts them again, the first first: `shop,shop_web`.
    #[arg(long, value_name = "APPLICATIONS", value_delimiter = ',')]
    restart: Vec<String>,

    /// How long a restart may take in one node.
    #[arg(long, value_name = "TIME", default_value = "60 s", requires = "restart")]
    within: String,
}

pub(super) async fn run(context: &Context<'_>, args: Args) -> Result<Exit, Failure> {
    let within = parse_span(&args.within).map_err(Failure::Usage)?;
    let app = args.target.app;
    let body = ReloadConfig {
        place: args.target.place,
        restart_within_ms: (!args.restart.is_empty())
            .then(|| u64::try_from(within.as_millis()).unwrap_or(u64::MAX)),
        restart: args.restart,
        dry_run: args.dry_run,
    };
    let answer = context.client.stream(Route::app(&app, &["config", "reload"]), &body).await?;
    let bytes = answer.into_data_stream().map_err(std::io::Error::other);
    let mut lines = StreamReader::new(bytes).lines();
    let mut exit = Exit::Ok;
    while let Some(line) = lines.next_line().await.map_err(|error| Failure::Lost(error.to_string()))? {
        let line: ReloadLine =
            serde_json::from_str(&line).map_err(|error| Failure::Answer(error.to_string()))?;
        if context.output.json {
            context.output.record(&line, |_| String::new());
        }
        match line {
            ReloadLine::Done => return Ok(exit),
            ReloadLine::Failed { place, reason, remedy } => return Err(failed(place, &reason, remedy)),
            ReloadLine::Reloaded(instance) => {
                if instance.applications.iter().any(|it| matches!(it.told, Told::Failed | Told::Late)) {
                    exit = Exit::Failed;
                }
                if !context.output.json {
                    context.output.line(&text(&instance));
                }
            }
            ReloadLine::Restarted { place, applications, took_ms } => {
                if !context.output.json {
                    let names = applications.join(", ");
                    context.output.line(&format!("place {place}: {names} restarted in {took_ms} ms"));
                }
            }
        }
    }
    Err(Failure::Lost("bellrockd has ended the answer; what is not told was not begun".to_owned()))
}

/// The status is that of something that failed here: instances before this one were changed.
fn failed(place: u16, reason: &str, remedy: Option<String>) -> Failure {
    let problem = Problem::new("reload", 502, format!("place {place}: {reason}"));
    Failure::Problem(match remedy {
        Some(remedy) => problem.remedy(remedy),
        None => problem,
    })
}

/// What has changed in an instance, as people read it.
pub(super) fn text(instance: &ReloadedInstance) -> String {
    let head = format!("place {}: ", instance.place);
    let of = format!("configuration of v{}", instance.version);
    let mut lines = vec![match (instance.applications.is_empty(), instance.dry_run) {
        (true, _) => format!("{head}{of}: nothing has changed"),
        (false, true) => format!("{head}{of} would be set"),
        (false, false) => format!("{head}{of}"),
    }];
    for application in &instance.applications {
        lines.push(format!("  {}: {}", application.application, keys(application)));
        lines.extend(told(application).map(|told| format!("    {told}")));
    }
    if !instance.left_out.is_empty() {
        let keys = instance.left_out.join(", ");
        lines.push(format!("  left as they are, as their values cannot leave a node: {keys}"));
    }
    if !instance.not_loaded.is_empty() {
        let names = instance.not_loaded.join(", ");
        lines.push(styled(QUIET, &format!("  configured and not loaded in the node: {names}")));
    }
    lines.extend(instance.remarks.iter().map(|remark| format!("  {}", styled(WARNING, remark))));
    lines.join("\n")
}

fn keys(application: &ReloadedApplication) -> String {
    let kinds =
        [("changed", &application.changed), ("new", &application.new), ("removed", &application.removed)];
    let said = kinds.iter().filter(|(_, keys)| !keys.is_empty());
    said.map(|(kind, keys)| format!("{kind} {}", keys.join(", "))).collect::<Vec<_>>().join("; ")
}

/// What a person should know of how it was told.
fn told(application: &ReloadedApplication) -> Option<String> {
    let name = &application.application;
    match application.told {
        Told::Ok | Told::Would => None,
        Told::NoCallback => Some(styled(
            WARNING,
            &format!(
                "has no config_change/3: what it has read at its start is as it was (--restart {name} starts it anew)"
            ),
        )),
        Told::NotRunning => Some("is loaded and does not run".to_owned()),
        Told::Failed => {
            let why = application.why.as_deref().unwrap_or("it does not say why");
            Some(styled(WARNING, &format!("config_change/3 failed: {why}")))
        }
        Told::Late => Some(styled(WARNING, "config_change/3 did not return in time, and goes on")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_and_what_to_do() {
        let application = |name: &str, told, why: Option<&str>| ReloadedApplication {
            application: name.to_owned(),
            changed: vec!["pool".to_owned(), "size".to_owned()],
            new: vec!["url".to_owned()],
            removed: Vec::new(),
            told,
            why: why.map(str::to_owned),
        };
        let instance = ReloadedInstance {
            place: 2,
            node: "shop-2@host".to_owned(),
            version: "1.0.0+env1".to_owned(),
            dry_run: false,
            applications: vec![
                application("shop", Told::Ok, None),
                application("shop_web", Told::NoCallback, None),
                application("cache", Told::Failed, Some("{error,nope}")),
            ],
            not_loaded: vec!["other".to_owned()],
            left_out: vec!["shop: handler".to_owned()],
            remarks: vec!["it keeps its environment".to_owned()],
        };
        let shown = anstream::adapter::strip_str(&text(&instance)).to_string();
        let expected = "\
place 2: configuration of v1.0.0+env1
  shop: changed pool, size; new url
  shop_web: changed pool, size; new url
    has no config_change/3: what it has read at its start is as it was (--restart shop_web starts it anew)
  cache: changed pool, size; new url
    config_change/3 failed: {error,nope}
  left as they are, as their values cannot leave a node: shop: handler
  configured and not loaded in the node: other
  it keeps its environment";
        assert_eq!(shown, expected);
        let nothing = ReloadedInstance {
            applications: Vec::new(),
            not_loaded: Vec::new(),
            left_out: Vec::new(),
            remarks: Vec::new(),
            ..instance
        };
        assert_eq!(text(&nothing), "place 2: configuration of v1.0.0+env1: nothing has changed");
    }
}
