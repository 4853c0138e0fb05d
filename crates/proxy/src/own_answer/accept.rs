//! Which form of an answer a client would rather have.

use hyper::HeaderMap;
use hyper::header::ACCEPT;

/// Whether `Accept` prefers JSON to HTML (RFC 9110, 12.5.1). Who accepts anything, or says nothing, is a program
/// that shows what it gets: it gets HTML, as from most servers; one that lists JSON and not HTML gets JSON.
pub(super) fn prefers_json(headers: &HeaderMap) -> bool {
    let weight = |types: &[(&str, &str)]| {
        headers
            .get_all(ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(Range::parse)
            .filter(|range| types.iter().any(|(main, sub)| range.fits(main, sub)))
            // the most specific range decides
            .max_by_key(|range| range.specificity)
            .map_or(0, |range| range.weight)
    };
    weight(&[("application", "json"), ("application", "problem+json")]) > weight(&[("text", "html")])
}

struct Range<'a> {
    main: &'a str,
    sub: &'a str,
    specificity: u8,
    /// Thousandths.
    weight: u16,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (main, sub) = parts.next()?.split_once('/')?;
        let specificity = u8::from(main != "*") + u8::from(sub != "*");
        let weight = parts
            .find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")))
            .map_or(1000, thousandths);
        Some(Self { main, sub, specificity, weight })
    }

    fn fits(&self, main: &str, sub: &str) -> bool {
        (self.main == "*" || self.main.eq_ignore_ascii_case(main))
            && (self.sub == "*" || self.sub.eq_ignore_ascii_case(sub))
    }
}

/// A weight from 0 to 1; what is none counts as none given.
fn thousandths(text: &str) -> u16 {
    let weight = text.parse::<f32>().ok().filter(|weight| (0.0..=1.0).contains(weight)).unwrap_or(1.0);
    (weight * 1000.0) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(accept: &str) -> bool {
        prefers_json(&HeaderMap::from_iter([(ACCEPT, accept.parse().unwrap())]))
    }

    #[test]
    fn who_prefers_json() {
        assert!(check("application/json"));
        assert!(check("application/problem+json, text/html;q=0.5"));
        assert!(check("text/html;q=0, */*"));
        assert!(check("application/*"));
        assert!(!prefers_json(&HeaderMap::new()));
        assert!(!check("*/*"));
        assert!(!check("text/html, application/json"), "equal weights");
        assert!(!check("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"), "a browser");
        assert!(!check("application/json;q=0"));
        assert!(!check("nonsense"));
    }
}
