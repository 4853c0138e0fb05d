//! A plan for a pull request.

use std::fmt::Write as _;

use super::steps;
use crate::finding::{Finding, Severity};
use crate::plan::{Plan, Verdict};

/// The plan in Markdown, as GitHub, GitLab and Forgejo show it.
pub fn markdown(plan: &Plan) -> String {
    let Plan { release, from, to, verdict, level, .. } = plan;
    let mut text = format!("### {release} {from} → {to}: {}\n\n", verdict.words());
    let _ = writeln!(text, "Level: {}. {}.\n", level.words(), capital(&steps::summary(plan)));
    findings(&mut text, &plan.findings);
    let lines = steps::lines(plan);
    if !lines.is_empty() && plan.verdict != Verdict::Full {
        text.push_str("<details><summary>What happens on the node</summary>\n\n");
        for (index, line) in lines.iter().enumerate() {
            let _ = writeln!(text, "{}. {}: {}", index + 1, line.what, escaped(&line.whom));
        }
        text.push_str("\n</details>\n");
    }
    text
}

fn findings(text: &mut String, findings: &[Finding]) {
    if findings.is_empty() {
        return;
    }
    text.push_str("| | code | where | what | what to do |\n|---|---|---|---|---|\n");
    for finding in findings {
        let weight = match finding.severity {
            Severity::Block => "**block**",
            severity => severity.word(),
        };
        let forced = if finding.forced { " (forced)" } else { "" };
        let place = escaped(&finding.place.to_string());
        let (reason, remedy) = (escaped(&finding.reason), escaped(finding.remedy));
        let _ = writeln!(text, "| {weight}{forced} | {} | {place} | {reason} | {remedy} |", finding.code);
    }
    text.push('\n');
}

/// Text of a package's making, in which nothing is Markdown or HTML.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '&' => escaped.push_str("&amp;"),
            '\n' | '\r' => escaped.push(' '),
            '\\' | '|' | '*' | '_' | '[' | ']' | '`' | '#' | '@' => {
                escaped.push('\\');
                escaped.push(character);
            }
            _ => escaped.push(character),
        }
    }
    escaped
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}
