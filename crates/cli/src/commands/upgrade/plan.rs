//! `upgrade plan`

use api::VersionLabel;
use api::upgrade::{InstancePlan, NodeSeen, PlanUpgrade, UpgradePlans};
use hyper::Method;
use upgrade::plan::{Plan, Verdict};

use super::{Format, PolicyArgs};
use crate::client::Route;
use crate::commands::Context;
use crate::commands::target::Target;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{QUIET, STRONG, WARNING, styled};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The app, or one of its places: `shop/2`.
    #[arg(value_name = "APP[/INSTANCE]")]
    target: Target,

    /// The version that is to run: one that the host has.
    #[arg(value_name = "VERSION")]
    version: VersionLabel,

    /// How the plans are written.
    #[arg(long, value_enum, value_name = "FORMAT", default_value = "text")]
    format: Format,

    #[command(flatten)]
    policy: PolicyArgs,
}

pub(super) async fn run(context: &Context<'_>, args: Args) -> Result<Exit, Failure> {
    let policy = args.policy;
    let asked = PlanUpgrade {
        place: args.target.place,
        upgrade: policy.upgrade.mode(),
        accept: policy.accept.map(|codes| codes.into_iter().collect()),
        force: policy.force.into_iter().collect(),
        modules: policy.modules.into_iter().collect(),
        restart: policy.restart_application.into_iter().collect(),
        ignore_appups: policy.ignore_appup.into_iter().collect(),
    };
    let route = Route::app(&args.target.app, &["versions", args.version.as_str(), "plan"]);
    let plans: UpgradePlans = context.client.send(Method::POST, route, &asked).await?;
    let format = if context.output.json { Format::Json } else { args.format };
    context.output.line(&written(&plans, format));
    Ok(exit(&plans))
}

/// The weightiest verdict of all.
fn exit(plans: &UpgradePlans) -> Exit {
    match plans.instances.iter().map(|it| it.plan.verdict).max() {
        Some(Verdict::Full) => Exit::NotHot,
        Some(Verdict::Care) => Exit::HotWithCare,
        Some(Verdict::Hot) | None => Exit::Ok,
    }
}

fn written(plans: &UpgradePlans, format: Format) -> String {
    const KEYS: &str = "our data has text keys";
    let all: Vec<&Plan> = plans.instances.iter().map(|it| &it.plan).collect();
    match format {
        Format::Json => serde_json::to_string_pretty(plans).expect(KEYS),
        Format::Sarif => serde_json::to_string_pretty(&upgrade::report::sarif::of_all(all)).expect(KEYS),
        Format::Markdown => {
            let one = |it: &InstancePlan| {
                format!("## {}/{}\n\n{}", plans.app, it.place, upgrade::report::markdown::markdown(&it.plan))
            };
            plans.instances.iter().map(one).collect::<Vec<_>>().join("\n").trim_end().to_owned()
        }
        Format::Text => text(plans),
    }
}

/// Each instance: whether its node was asked, its plan.
pub(in crate::commands) fn text(plans: &UpgradePlans) -> String {
    let one = |it: &InstancePlan| {
        let who = styled(STRONG, &format!("{}/{}", plans.app, it.place));
        let look = match (&it.seen, &it.why_not) {
            (Some(seen), _) => styled(QUIET, &asked(seen)),
            (None, why) => {
                styled(WARNING, &format!("not asked: {}", why.as_deref().unwrap_or("nobody knows why")))
            }
        };
        format!("{who}  {look}\n{}", super::text::plan(&it.plan))
    };
    plans.instances.iter().map(one).collect::<Vec<_>>().join("\n\n")
}

fn asked(seen: &NodeSeen) -> String {
    let NodeSeen { node, suspended, converted, estimated_pause_us, .. } = seen;
    match suspended {
        0 => format!("asked {node}: nobody would stand still"),
        _ => format!(
            "asked {node}: {suspended} processes would stand still for about {} ms, {converted} convert their state",
            estimated_pause_us.div_ceil(1000)
        ),
    }
}
