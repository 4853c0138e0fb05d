//! What the rounds say.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use crate::client::Measured;
use crate::contender::Name;

/// One contender in one round.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Figures {
    pub(crate) rps: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    /// Of the processors, by the contender alone.
    pub(crate) cpu_us: f64,
}

impl Figures {
    pub(crate) fn new(measured: &Measured, lasted: Duration, cpu: Duration) -> Figures {
        let answers = measured.answers as f64;
        let quantile = |quantile| measured.latency.value_at_quantile(quantile) as f64;
        Figures {
            rps: answers / lasted.as_secs_f64(),
            p50_us: quantile(0.5),
            p99_us: quantile(0.99),
            cpu_us: cpu.as_secs_f64() * 1e6 / answers.max(1.0),
        }
    }
}

/// All rounds.
#[derive(Debug, Default)]
pub(crate) struct Rounds(BTreeMap<Name, Vec<Figures>>);

impl Rounds {
    pub(crate) fn add(&mut self, name: Name, figures: Figures) {
        self.0.entry(name).or_default().push(figures);
    }

    fn median(&self, name: Name, of: fn(&Figures) -> f64) -> Option<f64> {
        median(self.0.get(&name)?.iter().map(of).collect())
    }

    /// The median of the rounds' own ratios: both of a round ran within seconds of each other, so what the machine
    /// did meanwhile falls out.
    fn ratio(&self, against: Name, of: fn(&Figures) -> f64) -> Option<f64> {
        let ours = self.0.get(&Name::Bellrock)?;
        let theirs = self.0.get(&against)?;
        median(ours.iter().zip(theirs).map(|(ours, theirs)| of(ours) / of(theirs)).collect())
    }

    /// The line that scripts read.
    pub(crate) fn last_line(&self) -> String {
        let text = |ratio: Option<f64>| ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.3}"));
        format!(
            "proxy: rps_vs_nginx={} p99_vs_nginx={} rps_vs_haproxy={}",
            text(self.ratio(Name::Nginx, |it| it.rps)),
            text(self.ratio(Name::Nginx, |it| it.p99_us)),
            text(self.ratio(Name::Haproxy, |it| it.rps)),
        )
    }
}

impl Display for Rounds {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:15}{:>12}{:>10}{:>10}{:>18}",
            "median of", "requests/s", "p50", "p99", "cpu per request"
        )?;
        for name in self.0.keys() {
            let of = |value: fn(&Figures) -> f64| self.median(*name, value).unwrap_or_default();
            let ms = |us: f64| format!("{:.2} ms", us / 1000.0);
            let cpu = format!("{:.1} µs", of(|it| it.cpu_us));
            writeln!(
                f,
                "{:15}{:>12.0}{:>10}{:>10}{cpu:>18}",
                name.text(),
                of(|it| it.rps),
                ms(of(|it| it.p50_us)),
                ms(of(|it| it.p99_us)),
            )?;
        }
        Ok(())
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len().checked_sub(1)? / 2;
    Some(if values.len().is_multiple_of(2) {
        f64::midpoint(values[middle], values[middle + 1])
    } else {
        values[middle]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn a_slow_moment_of_the_machine_falls_out() {
        let figures = |rps| Figures { rps, p50_us: 100.0, p99_us: 200_000.0 / rps, cpu_us: 10.0 };
        let mut rounds = Rounds::default();
        for (ours, theirs) in [(100.0, 100.0), (52.0, 50.0), (101.0, 100.0)] {
            rounds.add(Name::Nginx, figures(theirs));
            rounds.add(Name::Bellrock, figures(ours));
        }
        assert_eq!(rounds.last_line(), "proxy: rps_vs_nginx=1.010 p99_vs_nginx=0.990 rps_vs_haproxy=-");
        assert!(rounds.to_string().contains("nginx                   100   0.10 ms   2.00 ms"), "{rounds}");
    }
}
