//! Whether root supervisors of a node are what was told of them.

use std::time::Duration;

use beam::Term;
use probe::{Probe, ProbeError, Question, millis};
use upgrade::finding::{Code, Finding, Place};

static ROOTS: Question = Question::new("the root supervisors", &[include_str!("roots.txt")]);

/// What a root supervisor must be.
#[derive(Debug, Clone)]
pub(super) struct RootWanted {
    /// Its application.
    pub(super) application: String,
    /// Its callback module.
    pub(super) module: String,
    /// The ids of the children that its `init/1` names, where its argument says so.
    pub(super) children: Option<Vec<Term>>,
}

/// Those of the node that are something else.
pub(super) async fn others(
    probe: &Probe,
    wanted: &[RootWanted],
    within: Duration,
) -> Result<Vec<Finding>, ProbeError> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let one = |root: &RootWanted| {
        let children = root.children.clone().map_or_else(|| Term::atom("none"), Term::list);
        Term::tuple([Term::atom(&root.application), Term::atom(&root.module), children])
    };
    let variables = [("Roots", Term::list(wanted.iter().map(one))), ("Millis", millis(within.mul_f64(0.5)))];
    let read = |answer: probe::Part<'_>| {
        answer.each(|each| {
            let [application, why] = each.tuple()?;
            let place = Place::application(application.atom()?);
            Ok(Finding::new(Code::RootUntold, place, &[("why", &why.text()?)]))
        })
    };
    probe.ask(&ROOTS, variables, within, read).await
}
