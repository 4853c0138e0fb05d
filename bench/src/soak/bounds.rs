//! What is held over time, and how much it may grow.

use std::fmt;

use crate::figures::Figures;

/// How much the last quarter's median may be above the first's.
#[derive(Debug, Clone, Copy)]
pub enum Bound {
    /// By five of a hundred: an allocator's habits are no leak.
    Memory,
    /// By nothing.
    Equal,
    /// By what a file may hold, in the figure's unit, before it is cut or rotated: a moment's figure lies anywhere
    /// between nothing and that.
    Within(f64),
    /// What grows by design up to a bound of its own; told, not judged.
    Told,
}

/// Figures of one thing, a figure for each round.
#[derive(Debug)]
pub struct Series {
    what: &'static str,
    bound: Bound,
    figures: Figures,
}

impl Series {
    /// An empty one.
    pub fn new(what: &'static str, bound: Bound) -> Self {
        Series { what, bound, figures: Figures::default() }
    }

    /// Adds a round's figure.
    pub fn push(&mut self, figure: f64) {
        self.figures.push(figure);
    }

    /// Whether it stayed within its bound.
    pub fn kept(&self) -> bool {
        let (first, last) = self.figures.ends();
        match self.bound {
            Bound::Memory => last <= first * 1.05,
            Bound::Equal => last <= first,
            Bound::Within(slack) => last <= first + slack,
            Bound::Told => true,
        }
    }
}

impl fmt::Display for Series {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = self.figures.ends();
        let verdict = match self.bound {
            Bound::Told => "told only",
            _ if self.kept() => "kept",
            _ => "NOT KEPT",
        };
        write!(
            formatter,
            "{:<34} first quarter {first:12.3}   last quarter {last:12.3}   {verdict}",
            self.what
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(bound: Bound, figures: &[f64]) -> bool {
        let mut series = Series::new("x", bound);
        figures.iter().for_each(|figure| series.push(*figure));
        series.kept()
    }

    #[test]
    fn memory_may_grow_by_five_of_a_hundred() {
        assert!(kept(Bound::Memory, &[100.0, 120.0, 99.0, 105.0]));
        assert!(!kept(Bound::Memory, &[100.0, 100.0, 100.0, 106.0]));
    }

    #[test]
    fn files_may_grow_until_they_are_cut() {
        assert!(kept(Bound::Within(2.0), &[9.0, 9.0, 9.0, 11.0]));
        assert!(!kept(Bound::Within(2.0), &[9.0, 9.0, 9.0, 11.5]));
    }

    #[test]
    fn counts_may_not_grow_at_all() {
        assert!(kept(Bound::Equal, &[9.0, 30.0, 9.0, 9.0]));
        assert!(!kept(Bound::Equal, &[9.0, 9.0, 9.0, 10.0]));
        assert!(kept(Bound::Told, &[9.0, 9.0, 9.0, 10.0]));
    }
}
