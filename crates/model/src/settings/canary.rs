//! A new version that gets a share of the requests first.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use toml_edit::Item;

use super::app::{AppSettings, Strategy};
use super::keys::Key;
use super::merge::Stack;
use super::problem::Problem;
use super::value::{Fault, quote, wrong_type};
use crate::units::millis;

/// How a `parallel` deployment makes its switch in steps. Without a step it makes it at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CanarySettings {
    /// Percent of the clients that get the new version, step by step; none: no canary.
    pub steps: Vec<u8>,
    /// How long a step lasts at least.
    #[serde(with = "millis")]
    pub step_time: Duration,
    /// A request header that chooses the version by its value: `always` the new one, `never`.
    pub header: Option<String>,
    /// Fewest requests of each version in a step.
    pub minimum_requests: u32,
    /// Percent by which the new version's p95 may be above the old one's.
    pub latency_margin: u32,
    /// How long a step that cannot be decided is held.
    #[serde(with = "millis")]
    pub hold_limit: Duration,
    /// What follows then.
    pub when_unsure: WhenUnsure,
}

/// What follows when a canary could not be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenUnsure {
    /// All traffic goes to the new version, as without a canary.
    #[default]
    Promote,
    /// It is rolled back.
    Abort,
    /// A person decides.
    Hold,
}

impl Default for CanarySettings {
    fn default() -> Self {
        CanarySettings {
            steps: Vec::new(),
            step_time: Duration::from_secs(300),
            header: None,
            minimum_requests: 100,
            latency_margin: 50,
            hold_limit: Duration::from_secs(3600),
            when_unsure: WhenUnsure::Promote,
        }
    }
}

/// A percentage that leaves something to the old version.
pub(super) fn percent(key: &Key, item: &Item) -> Result<Json, Fault> {
    match item.as_integer() {
        Some(percent) if (0..=99).contains(&percent) => Ok(json!(percent)),
        Some(percent) => {
            let remedy = "choose 0 to 99; after the last step all requests go to the new version";
            Err(Fault::new(format!("{percent} is out of range"), remedy))
        }
        None => Err(wrong_type(key, item, "a whole number")),
    }
}

/// Headers by which requests are framed, forwarded and led to apps: they say nothing about versions.
const NOT_TO_CHOOSE_BY: [&str; 7] =
    ["connection", "content-length", "expect", "host", "te", "transfer-encoding", "upgrade"];

/// The name of a request header (RFC 9110, 5.1), in lower case.
pub(super) fn header_name(text: &str) -> Result<Json, Fault> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let name = text.to_ascii_lowercase();
    if text.is_empty() || !text.chars().all(is_token) {
        let message = format!("{} is not the name of a header", quote(text));
        return Err(Fault::new(message, "write it like \"x-canary\", without a colon"));
    }
    if NOT_TO_CHOOSE_BY.contains(&name.as_str()) || name.starts_with("x-forwarded-") {
        let message = format!("{} has a meaning of its own", quote(text));
        return Err(Fault::new(message, "choose one of your own, like \"x-canary\""));
    }
    Ok(json!(name))
}

/// Steps that cannot be made. The other keys may be said without any: a package may say the steps, and its host the rest.
pub(super) fn conflicts(app: &AppSettings, stack: &Stack<'_>) -> Vec<Problem> {
    let steps = &app.canary.steps;
    if steps.is_empty() {
        return Vec::new();
    }
    let mut problems = Vec::new();
    let mut problem = |message: &str, remedy: &str| {
        problems.push(stack.locate("canary.steps").problem(message, remedy));
    };
    if !steps.is_sorted_by(|a, b| a < b) {
        problem("is not a rising row: nobody who has the new version is sent back to the old one", "sort it");
    }
    if steps[0] == 0 && app.canary.header.is_none() {
        problem("begins with 0, so that nobody gets the new version", "say canary.header, or begin with 1");
    }
    if app.strategy != Strategy::Parallel {
        let remedy = "say strategy = \"parallel\", or remove it";
        problem("needs old and new side by side, and `strategy` is not \"parallel\"", remedy);
    }
    if !app.proxy {
        problem("needs the proxy, and `proxy` is false", "say proxy = true, or remove it");
    }
    problems
}
