//! The host's clock, by what can be known without asking another host.

use api::doctor::Check;
use host::journal::Listing;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::findings::Findings;
use super::scene::Scene;

pub(super) const NAME: &str = "clock";

const REMEDY: &str = "set it and keep it right: timedatectl set-ntp true, or chrony; then restart bellrockd";

/// Clocks that are kept right are set back by less.
const SET_BACK_MS: i64 = 5_000;

struct Facts {
    now: Timestamp,
    /// When the newest event was journalled; else why that cannot be told.
    newest: Result<Option<Timestamp>, String>,
}

pub(super) fn check(scene: &Scene) -> Check {
    let events = scene.wait(scene.journal.events(Listing { most: 1, ..Listing::default() }));
    let newest = events.map(|events| events.last().map(|event| event.at));
    judge(&Facts { now: Timestamp::now(), newest: newest.map_err(|error| host::chain(&error)) })
}

fn judge(facts: &Facts) -> Check {
    let mut findings = Findings::new(NAME);
    let year = facts.now.to_zoned(TimeZone::UTC).year();
    // This program was written in 2026, and will not be in use in 2100.
    if !(2026..2100).contains(&year) {
        findings.wrong(format!("it says {}", facts.now), REMEDY);
    }
    match &facts.newest {
        Err(why) => findings.wrong(
            format!("the newest journalled event cannot be read: {why}"),
            "see what the check of the journal says",
        ),
        Ok(Some(newest)) if facts.now.as_millisecond() + SET_BACK_MS < newest.as_millisecond() => findings
            .wrong(format!("it says {}, but the newest event was journalled at {newest}", facts.now), REMEDY),
        Ok(_) => {}
    }
    findings.or_fine(format!(
        "{}, not before the newest journalled event; whether it is exact only other hosts can tell",
        facts.now
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(now: &str, newest: Option<&str>) -> Check {
        let newest = newest.map(|text| text.parse().unwrap());
        judge(&Facts { now: now.parse().unwrap(), newest: Ok(newest) })
    }

    #[test]
    fn a_clock_without_a_battery_begins_in_1970() {
        let check = judged("1970-01-01T00:01:00Z", None);
        assert!(!check.ok && check.detail.contains("1970"));
        assert!(check.remedy.unwrap().contains("set-ntp"));
        assert!(!judged("2160-01-01T00:00:00Z", None).ok);
    }

    #[test]
    fn a_clock_that_was_set_back() {
        let check = judged("2026-11-21T10:00:00Z", Some("2026-11-21T11:00:00Z"));
        assert!(!check.ok && check.detail.contains("11:00:00Z"));
        assert!(check.remedy.unwrap().contains("set-ntp"));
    }

    #[test]
    fn a_little_is_what_ntp_does() {
        assert!(judged("2026-11-21T10:00:00Z", Some("2026-11-21T10:00:05Z")).ok);
        assert!(!judged("2026-11-21T10:00:00Z", Some("2026-11-21T10:00:05.001Z")).ok);
    }

    #[test]
    fn a_journal_that_cannot_be_read_is_not_a_good_clock() {
        let check = judge(&Facts { now: "2026-11-21T10:00:00Z".parse().unwrap(), newest: Err("no".into()) });
        assert!(!check.ok && check.remedy.is_some());
    }

    #[test]
    fn a_sane_clock_is_not_called_exact() {
        let check = judged("2026-11-21T10:00:00Z", Some("2026-11-21T09:00:00Z"));
        assert!(check.ok && check.detail.contains("only other hosts can tell"));
    }
}
