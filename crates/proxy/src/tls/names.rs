//! The host names of a certificate.

/// DNS names in lower case; `*.example.com` stands for one label in front (RFC 6125, 6.4.3).
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    exact: Vec<String>,
    /// What follows the `*`, with its dot.
    wildcards: Vec<String>,
}

impl Names {
    pub(super) fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let mut all = Self::default();
        for name in names {
            let name = name.to_ascii_lowercase();
            match name.strip_prefix('*') {
                Some(rest) => all.wildcards.push(rest.to_owned()),
                None => all.exact.push(name),
            }
        }
        all
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.exact.iter().any(|exact| exact.eq_ignore_ascii_case(name))
    }

    pub(super) fn has_wildcard_for(&self, name: &str) -> bool {
        let Some(dot) = name.find('.').filter(|dot| *dot > 0) else { return false };
        self.wildcards.iter().any(|rest| rest.eq_ignore_ascii_case(&name[dot..]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_is_one_label() {
        let names = Names::new(["Beacon.example", "*.Example.com"].into_iter());
        assert!(names.has("beacon.EXAMPLE") && !names.has("a.example.com"));
        assert!(names.has_wildcard_for("A.example.com"));
        for other in ["example.com", "a.b.example.com", ".example.com", "beacon.example", ""] {
            assert!(!names.has_wildcard_for(other), "{other}");
        }
    }
}
