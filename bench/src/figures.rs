//! Measured figures and what is told of them.

use std::fmt;

/// Figures of one kind, one for each round.
#[derive(Debug, Clone, Default)]
pub struct Figures(Vec<f64>);

impl Figures {
    /// Adds a round's figure.
    pub fn push(&mut self, figure: f64) {
        self.0.push(figure);
    }

    /// The value that half of the figures are not above; 0 when there are none.
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// The value below which that share of the figures lies, interpolated between neighbours.
    pub fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
        let place = share * last as f64;
        let (below, above) = (place.floor() as usize, place.ceil() as usize);
        sorted[below] + (sorted[above] - sorted[below]) * place.fract()
    }

    /// A figure of each round from those of two kinds.
    pub fn paired(&self, other: &Figures, compare: impl Fn(f64, f64) -> f64) -> Figures {
        Figures(self.0.iter().zip(&other.0).map(|(one, other)| compare(*one, *other)).collect())
    }

    /// The median of the first and of the last quarter.
    pub fn ends(&self) -> (f64, f64) {
        let quarter = self.0.len().div_ceil(4);
        let first = Figures(self.0[..quarter].to_vec());
        let last = Figures(self.0[self.0.len() - quarter..].to_vec());
        (first.median(), last.median())
    }
}

impl From<Vec<f64>> for Figures {
    fn from(figures: Vec<f64>) -> Self {
        Self(figures)
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "median {:8.2}   quartiles {:8.2} {:8.2}   from {:8.2} to {:8.2}   n = {}",
            self.median(),
            self.quantile(0.25),
            self.quantile(0.75),
            self.quantile(0.0),
            self.quantile(1.0),
            self.0.len(),
        )
    }
}

/// Prints one line about figures of one kind.
pub fn tell(what: &str, figures: &Figures) {
    println!("{what:<34} {figures}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(values: &[f64]) -> Figures {
        Figures(values.to_vec())
    }

    #[test]
    fn the_median_lies_in_the_middle() {
        assert_eq!(figures(&[3.0, 1.0, 2.0]).median(), 2.0);
        assert_eq!(figures(&[4.0, 1.0, 2.0, 3.0]).median(), 2.5);
        assert_eq!(figures(&[]).median(), 0.0);
    }

    #[test]
    fn pairs_are_compared_within_their_round() {
        let difference = figures(&[10.0, 200.0, 30.0]).paired(&figures(&[9.0, 190.0, 29.5]), |a, b| a - b);
        assert_eq!(difference.median(), 1.0);
    }

    #[test]
    fn the_ends_are_quarters() {
        let (first, last) = figures(&[1.0, 1.0, 5.0, 9.0, 9.0, 5.0, 2.0, 4.0]).ends();
        assert_eq!((first, last), (1.0, 3.0));
        assert_eq!(figures(&[7.0]).ends(), (7.0, 7.0));
    }
}
