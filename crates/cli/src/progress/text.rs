//! What a deployment's progress and end are told as: data in, text out.

use std::time::Duration;

use api::deployment::{
    Canary, Counted, Deployment, DeploymentKind, DeploymentPlace, Drain, Member, MemberCheck, Phase,
};
use api::event::{Event, Level};
use api::human;
use jiff::Timestamp;

use super::Until;
use crate::output::{ALARM, GOOD, QUIET, STRONG, WARNING, styled};
use crate::time::{between, span, span_ms};

/// Width of a step's text, so that durations behind it align.
const STEP_WIDTH: usize = 64;

/// `deployment 42 of beacon: deploy 1.4.2 → 1.5.0, rolling, by ulf`
pub(crate) fn heading(deployment: &Deployment) -> String {
    let Deployment { id, app, kind, by, .. } = deployment;
    // Nothing takes turns when everything is stopped.
    let how = if deployment.hot { "hot".to_owned() } else { deployment.strategy.replace('_', " ") };
    let strategy = deployment.to.as_ref().map(|_| format!(", {how}"));
    let what = styled(STRONG, &format!("deployment {id} of {app}"));
    format!("{what}: {}{}{}, by {by}", kind.word(), change(deployment), strategy.unwrap_or_default())
}

/// ` 1.4.2 → 1.5.0`, ` 1.5.0` when nothing was there before or nothing changes.
pub(crate) fn change(deployment: &Deployment) -> String {
    match (&deployment.from, &deployment.to) {
        (Some(from), Some(to)) if from != to => format!(" {from} → {to}"),
        (_, Some(to)) => format!(" {to}"),
        (Some(from), None) => format!(" {from}"),
        (None, None) => String::new(),
    }
}

/// The steps of the log after an event. Several tell the same tail of a log: it is shown with the first of them,
/// or by [`end`] when it is what the deployment ended with.
pub(crate) fn steps(deployment: &Deployment, log: &[Event], after: Option<i64>) -> Vec<String> {
    let mut shown = deployment.log_tail.as_deref();
    let mut lines = Vec::new();
    for event in log {
        let tail = event.log_tail.as_deref().filter(|tail| shown != Some(*tail));
        shown = tail.or(shown);
        if after.is_none_or(|after| event.id > after) {
            lines.push(step(deployment, event, tail));
        }
    }
    lines
}

/// One step: time since the beginning, what happened, how long it took; then the tail of a log.
fn step(deployment: &Deployment, event: &Event, tail: Option<&str>) -> String {
    let since = deployment.begun_at.map_or_else(String::new, |begun| tenths(between(begun, event.at)));
    let (mark, style) = match event.level {
        Level::Info => (" ", None),
        Level::Warning => ("!", Some(WARNING)),
        Level::Alarm => ("✗", Some(ALARM)),
    };
    let took = event.took_ms.map(span_ms).unwrap_or_default();
    let gap = " ".repeat(STEP_WIDTH.saturating_sub(event.text.chars().count()));
    let text = style.map_or_else(|| event.text.clone(), |style| styled(style, &event.text));
    let line = format!("{since:>11}  {mark} {text}{gap}  {took}");
    let mut lines = vec![line.trim_end().to_owned()];
    lines.extend(tail.into_iter().flat_map(str::lines).map(|line| format!("{:15}{line}", "")));
    lines.join("\n")
}

/// A span that never needs more than tenths of a second.
fn tenths(passed: Duration) -> String {
    if passed < Duration::from_secs(1) {
        format!("0.{} s", passed.subsec_millis() / 100)
    } else {
        span(passed)
    }
}

/// `instance 1   old ready · new starting`
pub(crate) fn place(place: &DeploymentPlace) -> String {
    let member = |word: &str, member: &Option<Member>| {
        member.map(|it| match it.state {
            Some(state) => format!("{word} {}", state.word()),
            None => format!("{word} gone"),
        })
    };
    let parts = [member("old", &place.old), member("new", &place.new), member("back", &place.back)];
    let mut parts: Vec<String> = parts.into_iter().flatten().collect();
    if place.failures > 0 {
        parts.push(format!("{} failed", place.failures));
    }
    parts.extend(place.hot.clone());
    parts.extend(place.check.as_ref().map(check));
    format!("instance {:<3} {}", place.place, parts.join(" · "))
}

/// `check: no (3 times): ended with exit 1 after 0.4 s`
fn check(check: &MemberCheck) -> String {
    let MemberCheck { says, noes, why, .. } = check;
    let times = if *noes == 1 { "once".to_owned() } else { format!("{noes} times") };
    let why = why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    match (says.as_str(), noes) {
        ("yes", _) => "check: yes".to_owned(),
        (_, 0) => "check: asked".to_owned(),
        _ => styled(WARNING, &format!("check: no, {times}{why}")),
    }
}

/// `3 instances drained, the slowest in 12 s: 40 WebSockets closed (1001), 3 streams ended, 1 cut`
pub(crate) fn drains(deployment: &Deployment) -> Option<String> {
    let drains = &deployment.drains;
    let slowest = drains.iter().map(|it| it.took_ms).max()?;
    let sum = |count: fn(&Drain) -> u64| drains.iter().map(count).sum::<u64>();
    let plural = |count: u64, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    Some(format!(
        "{} drained, the slowest in {}: {} closed (1001), {} ended, {} cut",
        plural(drains.len() as u64, "instance"),
        span_ms(slowest),
        plural(sum(|it| it.websockets_closed), "WebSocket"),
        plural(sum(|it| it.streams_ended), "stream"),
        sum(|it| it.cut),
    ))
}

/// `watching   1 min 40 s left`
pub(crate) fn phase(deployment: &Deployment, now: Timestamp) -> String {
    let word = deployment.phase.word();
    match (deployment.phase, deployment.watching_until, &deployment.reason) {
        (Phase::Watching, Some(until), _) => format!("{word}   {} left", span(between(now, until))),
        (Phase::Canary, ..) => deployment.canary.as_ref().map_or(word.to_owned(), |it| canary(it, now)),
        (Phase::RollingBack, _, Some(reason)) => format!("{word}   {reason}"),
        _ => match deployment.begun_at {
            Some(begun) => format!("{word}   {}", span(between(begun, now))),
            None => word.to_owned(),
        },
    }
}

/// `canary   step 2 of 4: 5 %   for 3 min   held for 1 min: too few requests to compare`
pub(crate) fn canary(canary: &Canary, now: Timestamp) -> String {
    let Canary { step, steps, percent, since, .. } = canary;
    let held = canary.held.as_ref().map(|held| {
        let why = match held.why.as_str() {
            "too_few" => "too few requests to compare",
            "both_bad" => "both versions fail",
            other => other,
        };
        styled(WARNING, &format!("   held for {}: {why}", span(between(held.since, now))))
    });
    let time = span(between(*since, now));
    format!("canary   step {step} of {steps}: {percent} %   for {time}{}", held.unwrap_or_default())
}

/// `old 2341 requests, 0.10 % errors, p95 20 ms`, and the same of the new version.
pub(crate) fn canary_figures(canary: &Canary) -> [String; 2] {
    [format!("old {}", answers(&canary.old)), format!("new {}", answers(&canary.new))]
}

fn answers(counted: &Counted) -> String {
    let Counted { requests, errors, p95_us } = counted;
    let share = if *requests == 0 { 0.0 } else { *errors as f64 / *requests as f64 * 100.0 };
    let p95 = p95_us.map(|us| format!(", p95 {}", human::latency(us))).unwrap_or_default();
    format!("{requests} requests, {share:.2} % errors{p95}")
}

/// Whether what is waited for has come, or cannot come any more.
pub(crate) fn is_done(deployment: &Deployment, until: Until) -> bool {
    deployment.phase.is_over() || (until == Until::Serving && deployment.phase == Phase::Watching)
}

/// Whether it ended as it was meant to. A running deployment that was told to turn round is meant to go back.
pub(crate) fn is_good(deployment: &Deployment, turned: bool) -> bool {
    match deployment.phase {
        Phase::Committed | Phase::Watching => !turned,
        Phase::RolledBack | Phase::Cancelled => turned,
        _ => false,
    }
}

/// The last words: what became of it, why, the end of the right log, and the next command.
pub(crate) fn end(deployment: &Deployment, turned: bool, now: Timestamp) -> String {
    let mut lines = vec![verdict(deployment, turned, now)];
    if !is_good(deployment, turned) {
        lines.extend(
            deployment.log_tail.iter().flat_map(|tail| tail.lines()).map(|line| format!("     {line}")),
        );
        lines.extend(next_steps(deployment).into_iter().map(|line| format!("   {line}")));
    }
    lines.join("\n")
}

fn verdict(deployment: &Deployment, turned: bool, now: Timestamp) -> String {
    let Deployment { id, app, .. } = deployment;
    let took = deployment.begun_at.map(|begun| span(between(begun, deployment.ended_at.unwrap_or(now))));
    let took = took.unwrap_or_default();
    let to = version(deployment.to.as_deref());
    let from = version(deployment.from.as_deref());
    let because = deployment.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let text = match deployment.phase {
        Phase::Watching => {
            let left = deployment.watching_until.map(|until| span(between(now, until))).unwrap_or_default();
            format!("serving {to} after {took}; watched for {left} more, then committed")
        }
        Phase::Committed => format!("{} in {took}", done(deployment, &to)),
        Phase::RolledBack if deployment.from.is_none() => format!("rolled back after {took}{because}"),
        Phase::RolledBack => format!("rolled back to {from} after {took}{because}"),
        Phase::Cancelled => format!("given up after {took}; {app} is back on {from}"),
        Phase::Superseded => format!("replaced by a newer version after {took}"),
        Phase::Failed => format!("failed after {took}{because}"),
        Phase::RollbackFailed => format!("rollback failed after {took}{because}"),
        phase => format!("{} {to}", phase.word()),
    };
    let show = styled(QUIET, &format!("bellrock deployments show {id}"));
    match is_good(deployment, turned) {
        true => format!("{}  {text}      {show}", styled(GOOD, "✓")),
        false => format!("{}  {text}", styled(ALARM, "✗")),
    }
}

fn done(deployment: &Deployment, to: &str) -> String {
    match deployment.kind {
        DeploymentKind::Stop => format!("stopped {}", deployment.app),
        DeploymentKind::Start => format!("started {to}"),
        DeploymentKind::Restart => format!("restarted {to}"),
        DeploymentKind::Scale => format!("scaled {}", deployment.app),
        _ => format!("committed {to}"),
    }
}

fn version(label: Option<&str>) -> String {
    label.map_or_else(|| "nothing".to_owned(), |label| format!("v{label}"))
}

fn next_steps(deployment: &Deployment) -> Vec<String> {
    let Deployment { id, app, .. } = deployment;
    let mut lines = Vec::new();
    if deployment.pre_commands_ran && deployment.phase != Phase::Committed {
        lines.push("what its pre-commands did (migrations, for one) stays done".to_owned());
    }
    if let (true, Some(to)) = (deployment.ghosted, &deployment.to) {
        // The ghost is the version's, whatever revision was tried.
        let label = to.rsplit_once("+env").map_or(to.as_str(), |(label, _)| label);
        lines.push(format!("v{label} is ghosted. To try it again:   bellrock ghosts {app} clear {label}"));
    }
    if deployment.phase == Phase::RollbackFailed {
        lines.push(format!("{app} needs a person:   bellrock status {app}"));
    }
    lines.push(format!("every step:   bellrock deployments show {id}"));
    lines
}
