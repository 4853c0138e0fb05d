//! Whether the journal's file is whole.

use api::doctor::Check;

use super::findings::Findings;
use super::scene::Scene;

pub(super) const NAME: &str = "journal";

pub(super) fn check(scene: &Scene) -> Check {
    let found = scene.wait(scene.journal.quick_check());
    judge(&found.map_err(|error| host::chain(&error)))
}

fn judge(found: &Result<Vec<String>, String>) -> Check {
    let mut findings = Findings::new(NAME);
    let complaint = match found {
        Ok(problems) if problems.is_empty() => None,
        Ok(problems) => Some(format!("SQLite finds it damaged: {}", problems.join("; "))),
        Err(why) => Some(format!("it cannot be checked: {why}")),
    };
    if let Some(complaint) = complaint {
        findings.wrong(
            complaint,
            "look for disk errors (dmesg); stop bellrockd (apps go on), keep a copy of state.db*, restore a backup or save what can be read: sqlite3 state.db .recover | sqlite3 new.db",
        );
    }
    findings.or_fine("whole")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_or_unreadable() {
        let damaged =
            Ok(vec!["*** in database main *** Page 4: btreeInitPage() returns error code 11".into()]);
        for found in [damaged, Err("disk I/O error".into())] {
            let check = judge(&found);
            assert!(!check.ok && check.remedy.unwrap().contains(".recover"));
        }
        assert!(judge(&Ok(vec![])).ok);
    }
}
