//! A report for people.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use super::{KindReport, Latency, Report, VersionReport};
use crate::load::kind::Kind;
use crate::load::loss::Loss;

/// Losses that are printed.
const PRINTED: usize = 20;

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.head(f)?;
        self.kinds(f)?;
        self.versions(f)?;
        self.long_lived(f)?;
        self.losses(f)
    }
}

impl Report {
    fn head(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} of {} due requests sent in time ({:.1} %) in {} at {} a second; {} late, {} not sent",
            grouped(self.in_time),
            grouped(self.due),
            self.share_in_time() * 100.0,
            seconds(self.lasted_ms),
            self.rate,
            self.late,
            self.unsent
        )?;
        write!(f, "{} lost, {} resets", grouped(self.lost), grouped(self.resets))?;
        let rest = [
            (self.in_crashes, "in flight in what crashed"),
            (self.app_errors, "errors of the app"),
            (self.idle_close_retries, "sent again after an idle close"),
            (self.idle_closes, "idle connections closed"),
            (self.under_way(), "under way"),
        ];
        for (count, what) in rest.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, ", {} {what}", grouped(count))?;
        }
        writeln!(f, "; {} connections", grouped(self.connections))
    }

    fn kinds(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let headings = ["sent", "answered", "lost", "p50", "p90", "p99", "max"];
        write!(f, "\n{:16}", "kind")?;
        for heading in headings {
            write!(f, "{heading:>10}")?;
        }
        writeln!(f)?;
        for (kind, each) in &self.kinds {
            line(f, *kind, each)?;
        }
        Ok(())
    }

    fn versions(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.versions.is_empty() {
            return Ok(());
        }
        writeln!(f, "\n{:16}{:>10}{:>10}{:>10}  seen", "version", "answers", "events", "instances")?;
        for (name, VersionReport { answers, events, instances, first_ms, last_ms }) in &self.versions {
            writeln!(
                f,
                "{name:16}{:>10}{:>10}{:>10}  {} to {}",
                grouped(*answers),
                grouped(*events),
                instances.len(),
                seconds(*first_ms),
                seconds(*last_ms)
            )?;
        }
        Ok(())
    }

    fn long_lived(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.kinds.contains_key(&Kind::Sse) {
            write!(f, "\nsse: {} events", grouped(self.events))?;
            writeln!(f, ", {} streams ended properly by the server", grouped(self.sse_ends))?;
        }
        if self.kinds.contains_key(&Kind::Socket) {
            write!(f, "web sockets: {} ended with 1001", grouped(self.socket_ends))?;
            writeln!(f, ", {} messages met the close and were sent again", grouped(self.crossed_closes))?;
        }
        Ok(())
    }

    fn losses(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (title, losses) in [("lost", &self.losses), ("in flight in what crashed", &self.crash_losses)] {
            if losses.is_empty() {
                continue;
            }
            writeln!(f, "\n{title}{}", words(losses))?;
            for loss in losses.iter().take(PRINTED) {
                writeln!(f, "  {loss}")?;
            }
            if losses.len() > PRINTED {
                writeln!(f, "  … and {} more", losses.len() - PRINTED)?;
            }
        }
        Ok(())
    }
}

fn line(f: &mut Formatter<'_>, kind: Kind, each: &KindReport) -> fmt::Result {
    write!(f, "{kind:16}{:>10}{:>10}{:>10}", grouped(each.sent), grouped(each.answered), grouped(each.lost))?;
    if let Some(Latency { p50_us, p90_us, p99_us, max_us }) = each.latency {
        for us in [p50_us, p90_us, p99_us, max_us] {
            write!(f, "{:>10}", duration(us))?;
        }
    }
    writeln!(f)
}

/// How many there are of each sort.
fn words(losses: &[Loss]) -> String {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for loss in losses {
        *counts.entry(loss.fault.word()).or_default() += 1;
    }
    counts.into_iter().map(|(word, count)| format!("  {} {word}", grouped(count))).collect()
}

/// Three figures, with the unit that suits.
fn duration(us: u64) -> String {
    let ms = us as f64 / 1000.0;
    match us {
        0..10_000 => format!("{ms:.2} ms"),
        10_000..100_000 => format!("{ms:.1} ms"),
        100_000..1_000_000 => format!("{ms:.0} ms"),
        _ => format!("{:.2} s", ms / 1000.0),
    }
}

fn seconds(ms: u64) -> String {
    format!("{}.{} s", ms / 1000, ms % 1000 / 100)
}

/// In groups of three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::fault::Fault;
    use crate::load::loss::Connection;

    /// A run in which something of everything happened.
    fn report() -> Report {
        let latency = Latency { p50_us: 1_234, p90_us: 23_456, p99_us: 345_678, max_us: 4_567_890 };
        let kind =
            |sent, lost, latency| KindReport { sent, answered: sent - lost, app_errors: 0, lost, latency };
        let version = |first_ms, last_ms| VersionReport {
            answers: 5_000,
            events: 80,
            instances: vec!["1/42".to_owned(), "2/43".to_owned()],
            first_ms,
            last_ms,
        };
        let loss = |kind, connection, fault| Loss {
            sent_ms: 11_990,
            lost_ms: 12_345,
            lost_at_unix_ms: 0,
            kind,
            sent: "GET /?n=17".to_owned(),
            connection,
            fault,
        };
        let connection = Connection { number: 14, local_port: 41_234, request: 20 };
        let reset = Fault::NoAnswer { reset: true, cause: "connection reset by peer".to_owned() };
        let cut = Fault::Cut { received_bytes: 24, reset: false, cause: "end of file".to_owned() };
        let refused = Fault::Connect { cause: "connection refused".to_owned() };
        Report {
            lasted_ms: 24_050,
            rate: 500,
            due: 12_000,
            in_time: 11_988,
            late: 10,
            unsent: 2,
            sent: 12_000,
            answered: 11_997,
            lost: 2,
            in_crashes: 1,
            resets: 1,
            idle_close_retries: 3,
            connections: 1_234,
            sse_ends: 16,
            events: 1_600,
            socket_ends: 8,
            crossed_closes: 1,
            latency,
            kinds: [
                (Kind::KeepAlive, kind(11_968, 2, Some(latency))),
                (Kind::Socket, kind(16, 0, None)),
                (Kind::Sse, kind(16, 0, None)),
            ]
            .into(),
            versions: [
                ("1.0.0".to_owned(), version(0, 12_100)),
                ("1.1.0".to_owned(), version(11_900, 24_000)),
            ]
            .into(),
            losses: vec![
                loss(Kind::KeepAlive, Some(connection), reset),
                loss(Kind::KeepAlive, None, refused),
            ],
            crash_losses: vec![loss(Kind::Stream, Some(connection), cut)],
            ..Report::default()
        }
    }

    #[test]
    fn everything_is_told_and_columns_align() {
        insta::assert_snapshot!(report());
    }

    #[test]
    fn digits_come_in_threes_and_durations_with_the_unit_that_suits() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1 000", "1 234 567"]);
        assert_eq!(
            [7, 9_999, 12_340, 123_400, 1_234_000].map(duration),
            ["0.01 ms", "10.00 ms", "12.3 ms", "123 ms", "1.23 s"]
        );
    }
}
