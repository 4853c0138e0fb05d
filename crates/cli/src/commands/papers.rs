//! One version, and each of its papers alone.

use std::collections::{BTreeMap, BTreeSet};

use api::deployment::DeploymentDetail;
use api::prepare::{Output, PrepareCommand, PrepareLog, PrepareOutcome};
use api::settings::{SettingsJson, to_toml};
use api::version::{Papers, VersionDetail};
use api::{AppName, VersionLabel, human};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Context, deployments, env, package, versions};
use crate::client::Route;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{QUIET, STRONG, styled};
use crate::table::{Row, lines, row};
use crate::time::{ago, clock};

/// Reads a version and its papers.
pub(super) struct Reader<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) app: AppName,
    pub(super) version: VersionLabel,
}

impl Reader<'_> {
    fn route(&self, paper: &[&str]) -> Route {
        Route::app(&self.app, &[&["versions", self.version.as_str()], paper].concat())
    }

    /// Everything that is known of it.
    pub(super) async fn version(&self, reveal: bool) -> Result<Exit, Failure> {
        let (detail, masked) = self.detail(reveal).await?;
        let (now, app) = (self.context.now(), self.app.as_str());
        self.context.output.data(&detail, |detail| text(app, detail, now, &TimeZone::system()));
        self.say_masked(masked);
        Ok(Exit::Ok)
    }

    /// The merged settings.
    pub(super) async fn settings(&self, reveal: bool) -> Result<Exit, Failure> {
        let (detail, masked) = self.detail(reveal).await?;
        self.context.output.data(&detail.settings, settings_text);
        self.say_masked(masked);
        Ok(Exit::Ok)
    }

    async fn detail(&self, reveal: bool) -> Result<(VersionDetail, usize), Failure> {
        let mut detail: VersionDetail = self.context.client.get(self.route(&[])).await?;
        let masked = if reveal { 0 } else { mask(&mut detail) };
        Ok((detail, masked))
    }

    fn say_masked(&self, masked: usize) {
        if masked > 0 && !self.context.output.json {
            self.context.output.say(&format!("{masked} masked by their names; --reveal shows them"));
        }
    }

    /// A paper that is a text, byte by byte.
    pub(super) async fn copy(&self, paper: &str) -> Result<Exit, Failure> {
        let body = self.context.client.open(self.route(&[paper])).await?;
        if self.context.output.json {
            let mut bytes = Vec::new();
            package::copy(body, &mut bytes).await?;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            self.context.output.data(&text, String::clone);
        } else {
            package::copy(body, &mut tokio::io::stdout()).await?;
        }
        Ok(Exit::Ok)
    }

    /// What the prepare commands wrote.
    pub(super) async fn prepare_log(&self) -> Result<Exit, Failure> {
        let log: PrepareLog = self.context.client.get(self.route(&["prepare-log"])).await?;
        self.context.output.data(&log, |log| prepare_text(log, &TimeZone::system()));
        Ok(Exit::Ok)
    }

    /// The last deployment that brought it up.
    pub(super) async fn deployment_log(&self) -> Result<Exit, Failure> {
        let detail: DeploymentDetail = self.context.client.get(self.route(&["deployment-log"])).await?;
        let now = self.context.now();
        self.context.output.data(&detail, |detail| deployments::show(detail, now));
        Ok(Exit::Ok)
    }
}

/// Hides values that are secrets by their names, and says how many variables that are.
pub(super) fn mask(detail: &mut VersionDetail) -> usize {
    let mut masked: BTreeSet<String> = BTreeSet::new();
    for revision in &mut detail.revisions {
        let secret = |it: &&api::variable::Variable| env::is_secret(&it.name, &it.value);
        masked.extend(revision.variables.iter().filter(secret).map(|it| it.name.clone()));
        env::mask(&mut revision.variables);
    }
    for (name, value) in &mut detail.settings.0.variables {
        if env::is_secret(name.as_str(), &value.to_string()) {
            masked.insert(name.to_string());
            *value = env::MASKED.parse().expect("stars refer to no secret");
        }
    }
    masked.len()
}

/// Settings as TOML. What is masked stands there as a comment, so that nobody sets it to stars.
pub(super) fn settings_text(settings: &SettingsJson) -> String {
    let mut settings = settings.0.clone();
    let is_masked = |value: &String| value == env::MASKED;
    let all = std::mem::take(&mut settings.variables);
    let (masked, shown): (BTreeMap<_, _>, BTreeMap<_, _>) =
        all.into_iter().partition(|(_, value)| is_masked(&value.to_string()));
    settings.variables = shown;
    let mut text = to_toml(&settings);
    for name in masked.keys() {
        text += &format!("# variables.{name} is masked by its name\n");
    }
    text
}

/// One version: facts, deployments, variables, settings.
pub(super) fn text(app: &str, detail: &VersionDetail, now: Timestamp, zone: &TimeZone) -> String {
    let version = &detail.version;
    let state = styled(versions::style(version.state), version.state.word());
    let mut parts =
        vec![format!("{}  {state}", styled(STRONG, &format!("{app} {}", versions::revised(version))))];
    parts.extend(lines(&facts(detail, now, zone)).into_iter().map(|line| format!("  {line}")));
    if !detail.deployments.is_empty() {
        parts.push(heading("deployments"));
        parts.push(deployments::text(&detail.deployments, now));
    }
    for revision in &detail.revisions {
        let current = if revision.current { "" } else { " (another revision)" };
        parts.push(heading(&format!("variables of {}{current}", revision.version)));
        parts.push(env::text(&revision.variables));
    }
    parts.push(heading("settings"));
    parts.push(settings_text(&detail.settings));
    parts.join("\n")
}

fn heading(text: &str) -> String {
    format!("\n{}", styled(STRONG, text))
}

fn facts(detail: &VersionDetail, now: Timestamp, zone: &TimeZone) -> Vec<Row> {
    let version = &detail.version;
    let (there, missing) = papers(detail.papers);
    let by = &version.by;
    let (at, passed) = (clock(version.registered_at, zone), ago(version.registered_at, now));
    let mut rows = vec![
        row!["package", format!("{}, sha256 {}", human::bytes(version.size_bytes), version.sha256)],
        row!["registered", format!("{at} ({passed}) by {by}")],
    ];
    if let Some(ghost) = &version.ghost {
        let at = clock(ghost.at, zone);
        rows.push(row!["ghosted", format!("{at} by deployment {}: {}", ghost.deployment, ghost.reason)]);
    }
    let remarks = versions::flags(version).collect::<Vec<_>>().join(", ");
    let meta = versions::meta(version).collect::<Vec<_>>().join(", ");
    let commands = detail.pre_commands.join("; ");
    let more = [
        ("remarks", remarks),
        ("meta", meta),
        ("version file", commands),
        ("papers", there),
        ("not available", missing),
    ];
    rows.extend(more.into_iter().filter(|(_, text)| !text.is_empty()).map(|(name, text)| row![name, text]));
    rows
}

/// The papers that there are, and those that are not.
fn papers(papers: Papers) -> (String, String) {
    let all = [
        ("package", papers.package),
        ("package settings", papers.package_settings),
        ("build log", papers.build_log),
        ("prepare log", papers.prepare_log),
        ("deployment log", papers.deployment_log),
    ];
    let named = |there: bool| {
        let names = all.iter().filter(|(_, is)| *is == there).map(|(name, _)| *name);
        names.collect::<Vec<_>>().join(", ")
    };
    (named(true), named(false))
}

/// Each command with what it wrote.
pub(super) fn prepare_text(log: &PrepareLog, zone: &TimeZone) -> String {
    log.commands.iter().map(|command| prepared(command, zone)).collect::<Vec<_>>().join("\n\n")
}

fn prepared(command: &PrepareCommand, zone: &TimeZone) -> String {
    let deployment = command.deployment.map(|id| format!("deployment {id}, ")).unwrap_or_default();
    let outcome = match command.outcome {
        PrepareOutcome::Running => "runs",
        PrepareOutcome::Done => "done",
        PrepareOutcome::RunBefore => "not run: it was run on this host before",
        PrepareOutcome::Failed => "failed",
        PrepareOutcome::Unknown => "nobody knows how it ended",
    };
    let detail = command.detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
    let mut parts = vec![
        styled(STRONG, &format!("$ {}", command.command)),
        styled(QUIET, &format!("# {deployment}{}: {outcome}{detail}", clock(command.at, zone))),
    ];
    match (&command.run_for, command.outcome) {
        (Some(run), _) => {
            let of = run.deployment.map(|id| format!(", deployment {id}")).unwrap_or_default();
            let at = clock(run.at, zone);
            let whose = format!("# what it wrote then, for {} {}{of}, {at}:", run.app, run.version);
            parts.push(styled(QUIET, &whose));
        }
        (None, PrepareOutcome::RunBefore) => parts.push(styled(QUIET, "# the log of that run was not kept")),
        _ => {}
    }
    let outputs = [output(&command.stdout, None), output(&command.stderr, Some("# standard error:"))];
    let outputs: Vec<String> = outputs.into_iter().flatten().collect();
    if outputs.is_empty() && command.run_for.is_some() {
        parts.push(styled(QUIET, "# (nothing, or its log is not kept any more)"));
    }
    parts.extend(outputs);
    parts.join("\n")
}

fn output(output: &Output, heading: Option<&str>) -> Option<String> {
    let text = output.text.trim_end_matches('\n');
    let cut = output.cut.then(|| styled(QUIET, "# … (only the end is shown)"));
    let text = (!text.is_empty()).then(|| text.to_owned());
    let parts: Vec<String> = cut.into_iter().chain(text).collect();
    let heading = heading.map(|heading| styled(QUIET, heading));
    (!parts.is_empty()).then(|| heading.into_iter().chain(parts).collect::<Vec<_>>().join("\n"))
}
