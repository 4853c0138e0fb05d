//! Keys of `autoscale` that do not fit together.

use super::super::app::AppSettings;
use super::super::merge::Stack;
use super::super::problem::Problem;
use crate::autoscale::MOST_SAMPLES;
use crate::units::format_duration;

/// Keys that mean nothing without one that says by what places follow the load.
const OTHERS: [&str; 8] = [
    "autoscale.min",
    "autoscale.max",
    "autoscale.collect",
    "autoscale.up_after",
    "autoscale.down_after",
    "autoscale.up_percentile",
    "autoscale.down_percentile",
    "autoscale.cool_down",
];

/// A range that is none, or leaves what ports are reserved for.
pub(super) fn places(app: &AppSettings, stack: &Stack<'_>) -> Vec<Problem> {
    let most = app.max();
    if let Some(max) = app.autoscale.max.filter(|max| *max > most) {
        let message = format!("{max} is more than `max`, which is {most}");
        let remedy = format!("choose {most} or less, or raise `max`");
        return vec![stack.locate("autoscale.max").problem(message, remedy)];
    }
    let (min, max) = (app.autoscale.min.unwrap_or(app.replicas), app.autoscale.max.unwrap_or(most));
    if !app.autoscale.is_on() || min <= max {
        return Vec::new();
    }
    let key = if stack.height("autoscale.min") >= stack.height("autoscale.max") {
        "autoscale.min"
    } else {
        "autoscale.max"
    };
    let message = format!("the fewest places are {min} and the most are {max}");
    let remedy = "choose an autoscale.min (else `replicas`) that is not above autoscale.max (else `max`)";
    vec![stack.locate(key).problem(message, remedy)]
}

/// Keys without effect, and windows that never fill.
pub(super) fn idle(app: &AppSettings, stack: &Stack<'_>) -> Vec<Problem> {
    let said = |keys: &'static [&'static str]| keys.iter().filter(|key| stack.says(key));
    if !app.autoscale.is_on() {
        let message = "means nothing without a target to follow";
        let remedy = "say autoscale.cpu, memory, requests, run_queue or node_memory, or remove it";
        return said(&OTHERS).map(|key| stack.locate(key).problem(message, remedy)).collect();
    }
    if app.autoscale.requests.is_some() && !app.proxy {
        let remedy = "say proxy = true, or follow autoscale.cpu or autoscale.memory";
        let message = "counts the proxy's requests, and `proxy` is false";
        return vec![stack.locate("autoscale.requests").problem(message, remedy)];
    }
    never_full(app, stack)
}

/// Whether a key means nothing because nothing is followed.
pub(super) fn is_idle(app: &AppSettings, path: &str) -> bool {
    !app.autoscale.is_on() && OTHERS.contains(&path)
}

fn never_full(app: &AppSettings, stack: &Stack<'_>) -> Vec<Problem> {
    let scale = &app.autoscale;
    [("autoscale.up_after", scale.up_after), ("autoscale.down_after", scale.down_after)]
        .into_iter()
        .filter_map(|(key, window)| {
            let samples = window.as_millis() / scale.collect.as_millis().max(1);
            let message = if window < scale.collect {
                format!("is shorter than autoscale.collect, which is {}", format_duration(scale.collect))
            } else if samples + 2 > MOST_SAMPLES as u128 {
                format!("holds {samples} samples, and {} are kept", MOST_SAMPLES - 2)
            } else {
                return None;
            };
            let at = if stack.says(key) { key } else { "autoscale.collect" };
            Some(stack.locate(at).problem(message, "choose another window or autoscale.collect"))
        })
        .collect()
}
