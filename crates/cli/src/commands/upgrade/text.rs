//! A plan as people read it.

use upgrade::finding::{Finding, Severity};
use upgrade::plan::{Plan, Verdict};
use upgrade::report::steps;

use crate::output::{ALARM, GOOD, QUIET, STRONG, WARNING, styled};
use crate::table::{Cell, Row, lines};

/// Verdict, findings, steps.
pub(in crate::commands) fn plan(plan: &Plan) -> String {
    let Plan { release, from, to, verdict, level, .. } = plan;
    let style = match verdict {
        Verdict::Hot => GOOD,
        Verdict::Care => WARNING,
        Verdict::Full => ALARM,
    };
    let level = match verdict {
        Verdict::Full => String::new(),
        _ => format!("  {}", level.words()),
    };
    let versions = format!("{release}  {from} → {to}");
    let mut text = vec![format!("{}  {}{level}", styled(STRONG, &versions), styled(style, verdict.words()))];
    text.push(styled(QUIET, &steps::summary(plan)));
    for finding in &plan.findings {
        text.push(String::new());
        text.extend(said(finding));
    }
    text.extend(on_the_node(plan));
    text.join("\n")
}

fn said(finding: &Finding) -> Vec<String> {
    let style = match finding.severity {
        Severity::Block => ALARM,
        Severity::Care => WARNING,
        Severity::Note => QUIET,
    };
    let forced = if finding.forced { "  (forced)" } else { "" };
    let word = format!("{:<5}", finding.severity.word());
    let head = format!("{}  {}  {}{forced}", styled(style, &word), finding.code, finding.place);
    let mut lines = vec![head, format!("       {}", finding.reason)];
    if finding.severity > Severity::Note {
        lines.push(format!("       do: {}", finding.remedy));
    }
    lines
}

fn on_the_node(plan: &Plan) -> Vec<String> {
    let steps = steps::lines(plan);
    if steps.is_empty() || plan.verdict == Verdict::Full {
        return Vec::new();
    }
    let row = |(index, line): (usize, &steps::Line)| -> Row {
        vec![Cell::figure(format!("{}", index + 1)), line.what.into(), line.whom.clone().into()]
    };
    let rows: Vec<Row> = steps.iter().enumerate().map(row).collect();
    let heading = ["".to_owned(), "on the node, as one group:".to_owned()];
    heading.into_iter().chain(lines(&rows)).collect()
}
