//! The table at the end: what happened, how long it took, what became of the requests meanwhile.

use std::fmt::Write;
use std::time::Duration;

use super::load::Counts;

/// One thing that happened.
pub(crate) struct Row {
    pub(crate) what: String,
    pub(crate) outcome: String,
    pub(crate) took: Duration,
    /// None before the load began.
    pub(crate) counts: Option<Counts>,
}

pub(crate) struct Report {
    pub(crate) rows: Vec<Row>,
    pub(crate) deployments: usize,
    pub(crate) rolled_back: usize,
    pub(crate) took: Duration,
}

const HEADINGS: [&str; 6] = ["what", "outcome", "took", "requests", "sent again", "lost"];

impl Report {
    fn total(&self) -> Counts {
        self.rows.iter().filter_map(|row| row.counts).fold(Counts::default(), Counts::plus)
    }

    pub(crate) fn table(&self) -> String {
        let mut lines = vec![HEADINGS.map(str::to_owned)];
        lines.extend(self.rows.iter().map(Row::cells));
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..HEADINGS.len()).map(width).collect();
        let mut text = String::new();
        for line in &lines {
            let mut row = String::new();
            for (column, cell) in line.iter().enumerate() {
                let width = widths[column];
                let _ =
                    if column < 2 { write!(row, "{cell:width$}  ") } else { write!(row, "{cell:>width$}  ") };
            }
            let _ = writeln!(text, "{}", row.trim_end());
        }
        text
    }

    /// The line that scripts read.
    pub(crate) fn last_line(&self) -> String {
        let total = self.total();
        format!(
            "demo: sent={} lost={} deployments={} rolled_back={} seconds={}",
            total.sent,
            total.lost,
            self.deployments,
            self.rolled_back,
            self.took.as_secs()
        )
    }
}

impl Row {
    fn cells(&self) -> [String; 6] {
        let count =
            |of: fn(Counts) -> u64| self.counts.map_or("-".to_owned(), |counts| of(counts).to_string());
        [
            self.what.clone(),
            self.outcome.clone(),
            format!("{:.1} s", self.took.as_secs_f32()),
            count(|counts| counts.sent),
            count(|counts| counts.sent_again),
            count(|counts| counts.lost),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_the_last_line_adds_up() {
        let row = |what: &str, counts| Row {
            what: what.to_owned(),
            outcome: "committed".to_owned(),
            took: Duration::from_millis(12_340),
            counts,
        };
        let counts = |sent, lost| Some(Counts { sent, sent_again: 2, lost });
        let report = Report {
            rows: vec![
                row("deploy 1.0.0", None),
                row("deploy", counts(900, 1)),
                row("activate", counts(1100, 2)),
            ],
            deployments: 3,
            rolled_back: 1,
            took: Duration::from_millis(61_900),
        };
        assert_eq!(
            report.table(),
            "what          outcome      took  requests  sent again  lost\n\
             deploy 1.0.0  committed  12.3 s         -           -     -\n\
             deploy        committed  12.3 s       900           2     1\n\
             activate      committed  12.3 s      1100           2     2\n"
        );
        assert_eq!(report.last_line(), "demo: sent=2000 lost=3 deployments=3 rolled_back=1 seconds=61");
    }
}
