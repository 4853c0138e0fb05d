//! What a check found, collected into one [`Check`].

use api::doctor::Check;

/// What is wrong, and what could be better.
pub(super) struct Findings {
    name: &'static str,
    wrong: Vec<Finding>,
    advice: Vec<Finding>,
}

struct Finding {
    what: String,
    remedy: String,
}

impl Findings {
    /// Nothing found yet.
    pub(super) fn new(name: &'static str) -> Self {
        Findings { name, wrong: Vec::new(), advice: Vec::new() }
    }

    /// Something keeps apps or Bellrock from working.
    pub(super) fn wrong(&mut self, what: impl Into<String>, remedy: impl Into<String>) {
        self.wrong.push(Finding { what: what.into(), remedy: remedy.into() });
    }

    /// It works, but could be better.
    pub(super) fn advise(&mut self, what: impl Into<String>, remedy: impl Into<String>) {
        self.advice.push(Finding { what: what.into(), remedy: remedy.into() });
    }

    /// The check; `detail` says what was found when there is nothing to complain about.
    pub(super) fn or_fine(self, detail: impl Into<String>) -> Check {
        let Findings { name, wrong, advice } = self;
        let ok = wrong.is_empty();
        let found: Vec<Finding> = wrong.into_iter().chain(advice).collect();
        if found.is_empty() {
            return Check { name: name.to_owned(), ok, detail: detail.into(), remedy: None };
        }
        let mut remedies: Vec<&str> = found.iter().map(|finding| finding.remedy.as_str()).collect();
        remedies.dedup();
        Check {
            name: name.to_owned(),
            ok,
            detail: found.iter().map(|finding| finding.what.as_str()).collect::<Vec<_>>().join("\n"),
            remedy: Some(remedies.join("\n")),
        }
    }
}
