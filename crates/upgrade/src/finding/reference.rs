//! The reference page of codes.

use std::fmt::Write as _;

use super::{Code, Severity};

const HEAD: &str = "<!-- made by `make docs` from crates/upgrade/src/finding/codes.rs -->
# Findings about hot upgrades

What `bellrock upgrade check` and `plan` may find. A code never changes its meaning. *block*: a full
deployment is right; `--force CODE` goes on all the same where the last column says so. *care*: it can be done hot, and
something of it differs from a start of the new version. *note*: worth knowing. Codes from BR-H060 to BR-H071 need a look at
the running node, those to BR-H075 the host that it runs on.

| code | weight | what is found | what to do | can be forced |
|---|---|---|---|---|
";

/// The page, in Markdown.
pub fn reference() -> String {
    let mut text = HEAD.to_owned();
    for code in Code::ALL {
        let rule = code.rule();
        let forced = if rule.can_be_forced { "yes" } else { "" };
        let what = names_as_code(rule.sentence);
        let weight = match rule.severity {
            Severity::Block => "**block**",
            severity => severity.word(),
        };
        let remedy = rule.remedy.replace('|', "\\|");
        let _ = writeln!(text, "| {code} `{}` | {weight} | {what} | {remedy} | {forced} |", rule.name);
    }
    text
}

/// `{module}` as `_module_`: a name for what differs.
fn names_as_code(sentence: &str) -> String {
    sentence.replace(['{', '}'], "*").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_row_of_five_cells() {
        let page = reference();
        let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| BR-H")).collect();
        assert_eq!(rows.len(), Code::ALL.len());
        for row in rows {
            assert_eq!(row.replace("\\|", "").matches('|').count(), 6, "{row}");
        }
    }
}
