//! A plan for tools that show findings: SARIF 2.1.0 (OASIS), as far as it is needed.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::finding::{Code, Finding, Place, Severity};
use crate::plan::Plan;

/// A log of a run for each plan.
#[derive(Clone, Debug, Serialize)]
pub struct Log {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: Vec<Run>,
}

#[derive(Clone, Debug, Serialize)]
struct Run {
    tool: Tool,
    results: Vec<Outcome>,
    properties: Properties,
}

#[derive(Clone, Debug, Serialize)]
struct Tool {
    driver: Driver,
}

#[derive(Clone, Debug, Serialize)]
struct Driver {
    name: &'static str,
    version: &'static str,
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: Code,
    name: &'static str,
    short_description: Message,
    help: Message,
    default_configuration: Configuration,
}

#[derive(Clone, Debug, Serialize)]
struct Configuration {
    level: &'static str,
}

#[derive(Clone, Debug, Serialize)]
struct Message {
    text: String,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    rule_id: Code,
    rule_index: usize,
    level: &'static str,
    message: Message,
    locations: [Location; 1],
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Location {
    physical_location: PhysicalLocation,
    logical_locations: [LogicalLocation; 1],
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: Artifact,
}

#[derive(Clone, Debug, Serialize)]
struct Artifact {
    uri: String,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LogicalLocation {
    fully_qualified_name: String,
    kind: &'static str,
}

#[derive(Clone, Debug, Serialize)]
struct Properties {
    release: String,
    from: String,
    to: String,
    verdict: &'static str,
}

/// The plan as a log.
pub fn sarif(plan: &Plan) -> Log {
    of_all([plan])
}

/// Plans as one log, in their order.
pub fn of_all<'a>(plans: impl IntoIterator<Item = &'a Plan>) -> Log {
    Log {
        schema: "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        version: "2.1.0",
        runs: plans.into_iter().map(run).collect(),
    }
}

fn run(plan: &Plan) -> Run {
    let mut codes: Vec<Code> = plan.findings.iter().map(|finding| finding.code).collect();
    codes.sort();
    codes.dedup();
    let files: BTreeMap<&str, &str> =
        plan.steps.load.iter().map(|load| (load.module.as_str(), load.file.as_str())).collect();
    let index = |code: Code| codes.iter().position(|it| *it == code).unwrap_or_default();
    let results = plan.findings.iter().map(|finding| Outcome {
        rule_id: finding.code,
        rule_index: index(finding.code),
        level: level(finding.severity),
        message: Message { text: escaped(&format!("{} {}", finding.reason, finding.remedy)) },
        locations: [location(plan, finding, &files)],
    });
    let results = results.collect();
    let rules = codes.iter().copied().map(rule).collect();
    let driver = Driver { name: "bellrock", version: env!("CARGO_PKG_VERSION"), rules };
    Run {
        tool: Tool { driver },
        results,
        properties: Properties {
            release: plan.release.clone(),
            from: plan.from.clone(),
            to: plan.to.clone(),
            verdict: plan.verdict.words(),
        },
    }
}

fn rule(code: Code) -> Rule {
    let rule = code.rule();
    Rule {
        id: code,
        name: rule.name,
        short_description: Message { text: rule.sentence.replace('{', "<").replace('}', ">") },
        help: Message { text: escaped(rule.remedy) },
        default_configuration: Configuration { level: level(rule.severity) },
    }
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Block => "error",
        Severity::Care => "warning",
        Severity::Note => "note",
    }
}

fn location(plan: &Plan, finding: &Finding, files: &BTreeMap<&str, &str>) -> Location {
    let (name, kind, path) = match &finding.place {
        Place::Release => {
            (plan.release.clone(), "package", format!("releases/{}/{}.rel", plan.to, plan.release))
        }
        Place::Application { application } => (application.clone(), "module", format!("lib/{application}")),
        Place::Module { application, module } => {
            let file = files.get(module.as_str()).map(|file| (*file).to_owned());
            let file = file.unwrap_or_else(|| format!("lib/{application}/ebin/{module}.beam"));
            (format!("{application}/{module}"), "module", file)
        }
        Place::Process { process, module } => {
            let file = files.get(module.as_str()).map(|file| (*file).to_owned());
            (format!("{module}/{process}"), "object", file.unwrap_or_else(|| format!("{module}.beam")))
        }
    };
    Location {
        physical_location: PhysicalLocation { artifact_location: Artifact { uri: uri(&path) } },
        logical_locations: [LogicalLocation { fully_qualified_name: name, kind }],
    }
}

/// Braces are placeholders in messages of SARIF, unless they are doubled (section 3.11.5).
fn escaped(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}")
}

/// A path as a relative URI (RFC 3986): what is not unreserved is escaped.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b'@' | b'+' => {
                uri.push(char::from(byte));
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}
