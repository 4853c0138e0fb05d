//! Files that lie there compressed, beside the plain one.

use hyper::HeaderMap;
use hyper::header::ACCEPT_ENCODING;

/// A content coding (RFC 9110, 8.4.1), by the ending that its files have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Coding {
    /// Its name in HTTP.
    pub(super) name: &'static str,
    /// What is added to the plain file's name.
    pub(super) ending: &'static str,
}

/// The best one first.
const CODINGS: [Coding; 2] = [Coding { name: "br", ending: ".br" }, Coding { name: "gzip", ending: ".gz" }];

/// Those that a request accepts by name (RFC 9110, 12.5.3); who accepts anything gets the plain file.
pub(super) fn accepted(request: &HeaderMap) -> Vec<Coding> {
    CODINGS.into_iter().filter(|coding| accepts(request, coding.name)).collect()
}

fn accepts(request: &HeaderMap, name: &str) -> bool {
    let lists = request.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let is_named = parts.next().is_some_and(|it| it.eq_ignore_ascii_case(name));
        is_named && !parts.any(is_zero)
    })
}

/// `q=0`, with or without zeros behind the point.
fn is_zero(parameter: &str) -> bool {
    let weight = parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q="));
    weight.and_then(|weight| weight.parse::<f32>().ok()) == Some(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &str, expected: &[&str]) {
        let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, header.parse().unwrap())]);
        let names: Vec<&str> = accepted(&headers).iter().map(|coding| coding.name).collect();
        assert_eq!(names, expected, "{header:?}");
    }

    #[test]
    fn what_is_accepted() {
        check("gzip, deflate, br, zstd", &["br", "gzip"]);
        check("GZIP;q=0.5", &["gzip"]);
        check("br;q=0, gzip; q=0.000", &[]);
        check("br;q=1.0", &["br"]);
        check("*", &[]);
        check("xbr, gzipped", &[]);
        assert_eq!(accepted(&HeaderMap::new()), []);
    }
}
