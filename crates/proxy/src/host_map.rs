//! Which route a host and a path lead to.

use std::collections::HashMap;

use wire::proxy::Route;

/// Longest host name that is looked up (RFC 1035 2.3.4: 255 octets on the wire); a longer one is nobody's.
const MAX_HOST: usize = 255;

/// Index of a route in its table, for each host and path.
#[derive(Debug, Default)]
pub(crate) struct HostMap {
    exact: HashMap<Box<[u8]>, Vec<PathRule>>,
    /// By what follows the first label: `.example.com`.
    wildcard: HashMap<Box<[u8]>, Vec<PathRule>>,
    any: Vec<PathRule>,
}

/// Longest first; of equals the first in the table.
#[derive(Debug)]
struct PathRule {
    /// Without a slash at the end; empty: all paths.
    prefix: Box<str>,
    route: usize,
}

impl HostMap {
    pub(crate) fn new(routes: &[Route]) -> Self {
        let mut map = Self::default();
        for (index, route) in routes.iter().enumerate() {
            map.add(index, route);
        }
        map.lists().for_each(|rules| rules.sort_by_key(|rule| std::cmp::Reverse(rule.prefix.len())));
        map
    }

    fn add(&mut self, index: usize, route: &Route) {
        let all = [String::from("/")];
        let paths = if route.paths.is_empty() { &all[..] } else { &route.paths };
        for path in paths {
            let rule = || PathRule { prefix: path.trim_end_matches('/').into(), route: index };
            if route.hosts.is_empty() {
                self.any.push(rule());
            }
            for host in &route.hosts {
                match host.strip_prefix('*') {
                    Some(rest) => self.wildcard.entry(rest.as_bytes().into()).or_default().push(rule()),
                    None => self.exact.entry(host.as_bytes().into()).or_default().push(rule()),
                }
            }
        }
    }

    fn lists(&mut self) -> impl Iterator<Item = &mut Vec<PathRule>> {
        self.exact.values_mut().chain(self.wildcard.values_mut()).chain([&mut self.any])
    }

    /// The route of a `Host` header (or nothing, of an HTTP/1.0 client) and a path.
    pub(crate) fn find(&self, host: &[u8], path: &str) -> Option<usize> {
        let mut buffer = [0; MAX_HOST];
        self.find_named(host_name(host, &mut buffer), path)
    }

    fn find_named(&self, host: &[u8], path: &str) -> Option<usize> {
        let exact = self.exact.get(host).and_then(|rules| first(rules, path));
        let rule = exact.or_else(|| {
            let rest = host.iter().position(|byte| *byte == b'.').map(|dot| &host[dot..])?;
            // one label must stand for the asterisk
            if rest.len() == host.len() {
                None
            } else {
                self.wildcard.get(rest).and_then(|rules| first(rules, path))
            }
        });
        rule.or_else(|| first(&self.any, path)).map(|rule| rule.route)
    }
}

fn first<'a>(rules: &'a [PathRule], path: &str) -> Option<&'a PathRule> {
    rules.iter().find(|rule| rule.holds(path))
}

impl PathRule {
    fn holds(&self, path: &str) -> bool {
        is_below(path, &self.prefix)
    }
}

/// At whole segments: `/a` holds for `/a` and `/a/b`, not for `/ab`. The prefix has no slash at its end.
pub(crate) fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| prefix.is_empty() || rest.is_empty() || rest.starts_with('/'))
}

/// The name in lower case, without port and without a dot at its end; empty if it is too long to be one.
fn host_name<'a>(host: &[u8], buffer: &'a mut [u8; MAX_HOST]) -> &'a [u8] {
    let name = without_port(host);
    let name = name.strip_suffix(b".").unwrap_or(name);
    let Some(lower) = buffer.get_mut(..name.len()) else { return &[] };
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    lower
}

fn without_port(host: &[u8]) -> &[u8] {
    if host.first() == Some(&b'[') {
        let end = host.iter().position(|byte| *byte == b']').map_or(host.len(), |end| end + 1);
        return &host[..end];
    }
    host.iter().position(|byte| *byte == b':').map_or(host, |colon| &host[..colon])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Routes as `app: hosts | paths`.
    fn map(lines: &[&str]) -> (Vec<String>, HostMap) {
        let routes: Vec<Route> = lines
            .iter()
            .map(|line| {
                let (app, rest) = line.split_once(':').unwrap();
                let (hosts, paths) = rest.split_once('|').unwrap();
                let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
                Route { app: app.into(), hosts: words(hosts), paths: words(paths), ..Route::default() }
            })
            .collect();
        (routes.iter().map(|route| route.app.clone()).collect(), HostMap::new(&routes))
    }

    #[test]
    fn the_most_specific_match_wins() {
        let (apps, map) = map(&[
            "any: |",
            "any_api: | /api",
            "shop: shop.example.com |",
            "shop_api: shop.example.com | /api/v1/ /old",
            "wild: *.example.com |",
            "wild_docs: *.example.com | /docs",
            "second: shop.example.com |",
            "six: [::1] |",
            "narrow: only.example.com | /only",
        ]);
        let table = [
            ("", "/", "any"),
            ("", "/api", "any_api"),
            ("unknown.org", "/api/x", "any_api"),
            ("unknown.org", "/apix", "any"),
            ("shop.example.com", "/", "shop"),
            ("SHOP.Example.com:8080", "/", "shop"),
            ("shop.example.com.", "/", "shop"),
            ("shop.example.com", "/api/v1", "shop_api"),
            ("shop.example.com", "/api/v1/", "shop_api"),
            ("shop.example.com", "/api/v1/x", "shop_api"),
            ("shop.example.com", "/api/v10", "shop"),
            ("shop.example.com", "/old/x", "shop_api"),
            ("other.example.com", "/x", "wild"),
            ("other.example.com", "/docs/x", "wild_docs"),
            ("a.b.example.com", "/", "any"),
            ("example.com", "/", "any"),
            (".example.com", "/", "any"),
            ("[::1]:80", "/", "six"),
            ("[::2]", "/", "any"),
            ("only.example.com", "/only", "narrow"),
            ("only.example.com", "/", "wild"),
            ("*", "*", "any"),
        ];
        for (host, path, app) in table {
            let found = map.find(host.as_bytes(), path).map(|index| apps[index].as_str());
            assert_eq!(found, Some(app), "{host:?} {path}");
        }
    }

    #[test]
    fn what_belongs_to_nobody() {
        let (_, map) = map(&["shop: shop.example.com | /api"]);
        for (host, path) in [("shop.example.com", "/"), ("example.com", "/api"), ("", "/api")] {
            assert_eq!(map.find(host.as_bytes(), path), None);
        }
        assert_eq!(map.find(&[b'a'; 300], "/api"), None);
    }
}
