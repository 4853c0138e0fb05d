//! Places and apps that wait for a person.

use api::doctor::Check;

use super::findings::Findings;
use super::scene::Scene;

pub(super) const NAME: &str = "places";

#[derive(Default)]
struct Facts {
    unknown: Vec<Unknown>,
    stuck: Vec<(String, String)>,
}

/// A place whose shim lives and does not answer.
struct Unknown {
    app: String,
    place: String,
    shim: String,
}

pub(super) fn check(scene: &Scene) -> Check {
    let mut facts = Facts::default();
    for app in &scene.apps {
        facts.stuck.extend(app.stuck.iter().map(|why| (app.name.to_string(), why.clone())));
        let unknown = app.places.iter().filter_map(|(place, state)| Some((place, state.unknown?)));
        facts.unknown.extend(unknown.map(|(place, instance)| Unknown {
            app: app.name.to_string(),
            place: place.to_string(),
            shim: format!("{}-{place}-{instance}", app.name),
        }));
    }
    judge(&facts)
}

fn judge(facts: &Facts) -> Check {
    let mut findings = Findings::new(NAME);
    for Unknown { app, place, shim } in &facts.unknown {
        findings.wrong(
            format!("place {place} of {app}: the shim {shim} did not answer, so nothing is started there"),
            format!("look at the process bellrock-shim …/{shim} (stopped, or on a disk that hangs?); let it go on or kill it, then restart bellrockd"),
        );
    }
    for (app, why) in &facts.stuck {
        findings.wrong(
            format!("{app} waits for a person: {why}"),
            format!("see bellrock status {app}; deploy or activate a version that works"),
        );
    }
    findings.or_fine("every shim answered, no app waits for a person")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shim_that_did_not_answer() {
        let unknown = Unknown { app: "beacon".into(), place: "2".into(), shim: "beacon-2-i7".into() };
        let check = judge(&Facts { unknown: vec![unknown], stuck: vec![] });
        assert!(!check.ok && check.detail.contains("place 2 of beacon"));
        assert!(check.remedy.unwrap().contains("beacon-2-i7"));
    }

    #[test]
    fn an_app_that_waits_for_a_person() {
        let stuck = vec![("beacon".into(), "1.0.0 does not start either".into())];
        let check = judge(&Facts { unknown: vec![], stuck });
        assert!(!check.ok && check.detail.contains("1.0.0 does not start either"));
        assert!(check.remedy.unwrap().contains("bellrock status beacon"));
    }

    #[test]
    fn nothing_waits() {
        assert!(judge(&Facts::default()).ok);
    }
}
