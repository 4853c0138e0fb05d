//! Apps that hold a cluster of data: one member at a time, and what says that the next one's turn has come.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::app::{AppSettings, Strategy};
use super::command::PreCommand;
use super::merge::Stack;
use super::problem::Problem;
use crate::units::millis;

/// How the places of an app with `strategy = "member"` take turns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MemberSettings {
    /// Says by status 0 that the cluster is whole again. `None` only where the strategy is another one.
    pub check: Option<PreCommand>,
    /// Time limit of one run of it; one that takes longer has said no.
    #[serde(with = "millis")]
    pub within: Duration,
    /// After a no it is asked again after this time.
    #[serde(with = "millis")]
    pub retry_period: Duration,
}

impl Default for MemberSettings {
    fn default() -> Self {
        MemberSettings { check: None, within: Duration::from_secs(30), retry_period: Duration::from_secs(5) }
    }
}

/// Keys that mean something for members only.
const KEYS: [&str; 3] = ["member.check", "member.within", "member.retry_period"];

/// Members without what says that the next one's turn has come, or places that come and go by themselves.
pub(super) fn conflicts(app: &AppSettings, stack: &Stack<'_>) -> Vec<Problem> {
    if app.strategy != Strategy::Member {
        return idle(stack);
    }
    let mut problems = Vec::new();
    if app.member.check.is_none() {
        let message = "\"member\" needs `member.check`, which says when the next place's turn has come";
        let remedy = "say member.check = \"rpc Shop.Cluster.whole!()\" with your function or executable";
        problems.push(stack.locate("strategy").problem(message, remedy));
    }
    if app.autoscale.is_on() {
        let message = "\"member\" keeps its places, and `autoscale` lets the load change them";
        let remedy = "remove the keys of `autoscale`, and scale by hand: bellrock scale";
        problems.push(stack.locate("strategy").problem(message, remedy));
    }
    problems
}

/// Whoever says a check and not the strategy that asks it would wait for it in vain.
fn idle(stack: &Stack<'_>) -> Vec<Problem> {
    let said = KEYS.iter().filter(|key| stack.says(key) && stack.height(key) >= stack.height("strategy"));
    let message = "means nothing while `strategy` is not \"member\"";
    let remedy = "say strategy = \"member\", or remove it";
    said.map(|key| stack.locate(key).problem(message, remedy)).collect()
}

/// Whether a key means nothing because there are no members.
pub(super) fn is_idle(app: &AppSettings, path: &str) -> bool {
    app.strategy != Strategy::Member && KEYS.contains(&path)
}
