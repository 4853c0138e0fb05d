//! Times as people say them: how long ago, how long until; clock times in the reader's own zone.

use std::time::Duration;

use api::human;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// How long it is from one time to another; nothing when it is the other way round.
pub(crate) fn between(earlier: Timestamp, later: Timestamp) -> Duration {
    Duration::try_from(later.duration_since(earlier)).unwrap_or_default()
}

/// `3 d ago`: one unit is enough for what is past.
pub(crate) fn ago(then: Timestamp, now: Timestamp) -> String {
    let passed = between(then, now);
    match passed.as_secs() {
        0..=1 => "just now".to_owned(),
        _ => format!("{} ago", coarse(passed)),
    }
}

/// A duration in its largest unit: `12 d`, `7 min`.
pub(crate) fn coarse(duration: Duration) -> String {
    let s = duration.as_secs();
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min", s / 60),
        3600..86_400 => format!("{} h", s / 3600),
        _ => format!("{} d", s / 86_400),
    }
}

/// A span that people wait through: `2.4 s`, `1 min 40 s`.
pub(crate) fn span(duration: Duration) -> String {
    human::duration(duration)
}

/// Milliseconds as a span.
pub(crate) fn span_ms(ms: u64) -> String {
    human::duration(Duration::from_millis(ms))
}

/// `2026-11-21 09:36:12`.
pub(crate) fn clock(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A time that somebody wrote: `10 min` (ago), `2026-11-21T09:36:00Z`, `2026-11-21 09:36` in the reader's zone.
pub(crate) fn parse_since(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Timestamp, String> {
    let span = match parse_time(text.trim_end_matches("ago"), zone)? {
        Written::At(at) => return Ok(at),
        Written::Span(span) => span,
    };
    now.checked_sub(span.abs()).map_err(|error| error.to_string())
}

/// The same for what is to come: `10 min` is from now.
pub(crate) fn parse_until(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Timestamp, String> {
    match parse_time(text, zone)? {
        Written::At(at) => Ok(at),
        Written::Span(span) => now.checked_add(span.abs()).map_err(|error| error.to_string()),
    }
}

/// How a time can be written.
enum Written {
    At(Timestamp),
    Span(jiff::SignedDuration),
}

fn parse_time(text: &str, zone: &TimeZone) -> Result<Written, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(Written::At(at));
    }
    if let Ok(date_time) = text.parse::<jiff::civil::DateTime>() {
        return zone.to_timestamp(date_time).map(Written::At).map_err(|error| error.to_string());
    }
    text.trim().parse().map(Written::Span).map_err(|_| {
        format!("{text:?} is neither a span (10 min, 2h) nor a time (2026-11-21 09:36, 2026-11-21T09:36:00Z)")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-21T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn times_that_people_write() {
        let until = |text| parse_until(text, now(), &TimeZone::UTC).map(|at| at.to_string());
        assert_eq!(until("2h").as_deref(), Ok("2026-11-21T14:00:00Z"));
        assert_eq!(until("2026-11-21 18:00").as_deref(), Ok("2026-11-21T18:00:00Z"));
        assert!(until("soon").is_err());
        let check = |text| parse_since(text, now(), &TimeZone::UTC).map(|at| at.to_string());
        assert_eq!(check("10 min").as_deref(), Ok("2026-11-21T11:50:00Z"));
        assert_eq!(check("2h").as_deref(), Ok("2026-11-21T10:00:00Z"));
        assert_eq!(check("90s ago").as_deref(), Ok("2026-11-21T11:58:30Z"));
        assert_eq!(check("2026-11-21T09:36:00+01:00").as_deref(), Ok("2026-11-21T08:36:00Z"));
        assert_eq!(check("2026-11-21 09:36").as_deref(), Ok("2026-11-21T09:36:00Z"));
        assert!(check("yesterday").is_err());
    }

    #[test]
    fn the_past_in_one_unit() {
        let check = |s| ago(now() - jiff::SignedDuration::from_secs(s), now());
        assert_eq!(
            [0, 59, 61, 7_300, 90_000].map(check),
            ["just now", "59 s ago", "1 min ago", "2 h ago", "1 d ago"]
        );
    }
}
