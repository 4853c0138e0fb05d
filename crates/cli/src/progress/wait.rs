//! Waiting for a deployment, through restarts of the daemon.

use std::time::Duration;

use api::deployment::{DeploymentDetail, Phase};
use api::query::EventsQuery;
use jiff::Timestamp;
use tokio::time::{Instant, sleep, timeout};

use super::{Screen, text};
use crate::client::{Client, Events, Route};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Until {
    /// Every new instance is ready and gets the traffic.
    Serving,
    /// The watch window held.
    Committed,
}

/// A daemon that is being replaced is back sooner.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits between two attempts to reach it.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// What is shown is looked at this often even when nothing happens: clocks run.
const LOOK: Duration = Duration::from_secs(1);

/// What came of waiting.
enum Came {
    /// The deployment as it was then.
    Done(Box<DeploymentDetail>),
    /// The deployment was dropped before it began.
    Dropped(Failure),
}

/// Waits for a deployment and tells its progress. `turned`: it is meant to go back.
pub(crate) async fn wait(
    client: &Client,
    output: &Output,
    id: u64,
    until: Until,
    turned: bool,
) -> Result<Exit, Failure> {
    let mut screen = Screen::new(output);
    let came = tokio::select! {
        came = watch(client, &mut screen, id, if turned { Until::Committed } else { until }) => came,
        _ = tokio::signal::ctrl_c() => {
            screen.leave();
            output.say(&format!(
                "deployment {id} goes on; to see it: bellrock deployments show {id}; \
                 to give it up: bellrock deployments cancel {id}"
            ));
            return Ok(Exit::Interrupted);
        }
    };
    let detail = match came? {
        Came::Done(detail) => detail,
        Came::Dropped(failure) => {
            screen.leave();
            output.failure(&failure);
            return Ok(Exit::DeploymentFailed);
        }
    };
    screen.end(&text::end(&detail.deployment, turned, Timestamp::now()));
    if output.json {
        output.data(&*detail, |_| String::new());
    }
    Ok(match detail.deployment.phase {
        _ if text::is_good(&detail.deployment, turned) => Exit::Ok,
        Phase::RolledBack => Exit::RolledBack,
        _ => Exit::DeploymentFailed,
    })
}

async fn watch(client: &Client, screen: &mut Screen<'_>, id: u64, until: Until) -> Result<Came, Failure> {
    let mut known = false;
    let mut events: Option<Events> = None;
    loop {
        let detail: DeploymentDetail = match look(client, screen, id).await {
            Ok(detail) => detail,
            Err(failure @ Failure::Problem(_)) if known || is_missing(&failure) => {
                return Ok(Came::Dropped(failure));
            }
            Err(failure) => return Err(failure),
        };
        known = true;
        screen.show(&detail, Timestamp::now());
        if text::is_done(&detail.deployment, until) {
            return Ok(Came::Done(Box::new(detail)));
        }
        if events.is_none() {
            let after = detail.log.last().map(|event| event.id).or(Some(0));
            events = listen(client, id, after).await;
        }
        if !something_happened(&mut events).await {
            events = None;
        }
    }
}

fn is_missing(failure: &Failure) -> bool {
    matches!(failure, Failure::Problem(problem) if problem.slug() == "no-deployment")
}

/// The deployment now; tried for a while when the daemon is away.
async fn look(client: &Client, screen: &Screen<'_>, id: u64) -> Result<DeploymentDetail, Failure> {
    let give_up_at = Instant::now() + PATIENCE;
    let mut pause = FIRST_WAIT;
    let mut said = false;
    loop {
        match client.get(Route::new(["deployments", &id.to_string()])).await {
            Ok(detail) => {
                if said {
                    screen.remark("bellrockd is back");
                }
                return Ok(detail);
            }
            Err(failure) if failure.is_absence() && Instant::now() < give_up_at => {
                if !said && pause >= Duration::from_millis(400) {
                    said = true;
                    screen.remark(
                        "bellrockd does not answer; trying for 60 s (the deployment is in its journal)",
                    );
                }
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_WAIT);
            }
            Err(failure) if failure.is_absence() => {
                let why = format!("{failure}; deployment {id} goes on, or will when bellrockd is back");
                return Err(Failure::Lost(why));
            }
            Err(failure) => return Err(failure),
        }
    }
}

/// Events only say that it is time to look again; without them looking once a second does.
async fn listen(client: &Client, id: u64, after: Option<i64>) -> Option<Events> {
    let query = EventsQuery { deployment: Some(id), after, ..EventsQuery::default() };
    client.events(Route::new(["events", "stream"]).query(&query)).await.ok()
}

/// Waits for an event or for the time to look. False when the stream has ended.
async fn something_happened(events: &mut Option<Events>) -> bool {
    match events {
        None => sleep(LOOK).await,
        Some(events) => match timeout(LOOK, events.next()).await {
            Ok(Ok(Some(_))) | Err(_) => {}
            Ok(Ok(None) | Err(_)) => {
                // The daemon goes: it is not asked in the same breath.
                sleep(FIRST_WAIT).await;
                return false;
            }
        },
    }
    true
}
