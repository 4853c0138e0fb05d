//! `deployments`

use api::AppName;
use api::change::Granted;
use api::deployment::{Deployment, DeploymentDetail, Phase};
use api::query::DeploymentsQuery;
use clap::Subcommand;
use hyper::Method;
use jiff::Timestamp;

use super::{Context, Waiting, granted};
use crate::client::Route;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{ALARM, GOOD, WARNING};
use crate::progress::text as progress;
use crate::table::{Cell, Row, table};
use crate::time::{ago, between, span};

/// Lists deployments, shows one with its log, or gives one up.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,

    /// Only of this app.
    #[arg(long, value_name = "APP")]
    app: Option<AppName>,

    /// At most so many.
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20)]
    most: u32,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Shows a deployment with every step.
    Show {
        /// Its number.
        #[arg(value_name = "N")]
        id: u64,
    },
    /// Gives up a deployment that runs or waits; everything goes back to what was there before.
    Cancel {
        /// Its number.
        #[arg(value_name = "N")]
        id: u64,

        #[command(flatten)]
        waiting: Waiting,
    },
}

pub(super) async fn run(context: &Context<'_>, args: Args) -> Result<Exit, Failure> {
    let now = context.now();
    match args.command {
        None => {
            let query = DeploymentsQuery { app: args.app.map(String::from), most: Some(args.most) };
            let list: Vec<Deployment> = context.client.get(Route::new(["deployments"]).query(&query)).await?;
            context.output.data(&list, |list| text(list, now));
        }
        Some(Command::Show { id }) => {
            let route = Route::new(["deployments", &id.to_string()]);
            let detail: DeploymentDetail = context.client.get(route).await?;
            context.output.data(&detail, |detail| show(detail, now));
        }
        Some(Command::Cancel { id, waiting }) => {
            let route = Route::new(["deployments", &id.to_string(), "cancel"]);
            let wish: Granted = context.client.call(Method::POST, route).await?;
            return granted(context, wish, waiting, true).await;
        }
    }
    Ok(Exit::Ok)
}

/// The table.
pub(super) fn text(deployments: &[Deployment], now: Timestamp) -> String {
    let rows = deployments.iter().map(|it| line(it, now)).collect();
    table(&["", "app", "", "version", "outcome", "begun", "took", "by", ""], rows, "no deployments yet")
}

fn line(deployment: &Deployment, now: Timestamp) -> Row {
    let style = match deployment.phase {
        Phase::Committed => GOOD,
        Phase::RolledBack | Phase::Failed | Phase::RollbackFailed | Phase::RollingBack => ALARM,
        _ => WARNING,
    };
    let took = deployment.begun_at.map(|begun| span(between(begun, deployment.ended_at.unwrap_or(now))));
    vec![
        Cell::figure(deployment.id.to_string()),
        deployment.app.clone().into(),
        deployment.kind.word().into(),
        progress::change(deployment).trim().into(),
        Cell::from(deployment.phase.word()).style(style),
        deployment.begun_at.map(|begun| ago(begun, now)).unwrap_or_default().into(),
        Cell::figure(took.unwrap_or_default()),
        deployment.by.to_string().into(),
        deployment.reason.clone().unwrap_or_default().into(),
    ]
}

/// One deployment with every step.
pub(super) fn show(detail: &DeploymentDetail, now: Timestamp) -> String {
    let deployment = &detail.deployment;
    let mut lines = vec![progress::heading(deployment)];
    lines.extend(progress::steps(deployment, &detail.log, None));
    if !deployment.phase.is_over() {
        lines.extend(deployment.places.iter().map(|place| format!("{:15}{}", "", progress::place(place))));
    }
    lines.extend(progress::drains(deployment).into_iter().map(|line| format!("{:15}{line}", "")));
    lines.push(match deployment.phase.is_over() {
        true => progress::end(deployment, deployment.phase == Phase::Cancelled, now),
        false => format!("{:15}{}", "", progress::phase(deployment, now)),
    });
    if let (Phase::Canary, Some(canary)) = (deployment.phase, &deployment.canary) {
        lines.extend(progress::canary_figures(canary).map(|line| format!("{:24}{line}", "")));
    }
    lines.join("\n")
}
