//! Names of nodes.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Most characters: a node's name is an atom.
const MOST_CHARS: usize = 255;

/// A node's full name, `name@host`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeName {
    whole: Arc<str>,
    at: usize,
}

/// A text that is no node's full name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a node's name: name@host of at most {MOST_CHARS} printable characters is")]
pub struct InvalidNodeName {
    text: String,
}

impl NodeName {
    /// The part before the `@`, which the node registers with epmd.
    pub fn name(&self) -> &str {
        &self.whole[..self.at]
    }

    /// The part behind the `@`: a host's name, as the node says it.
    pub fn host(&self) -> &str {
        &self.whole[self.at + 1..]
    }

    /// All of it.
    pub fn as_str(&self) -> &str {
        &self.whole
    }
}

impl FromStr for NodeName {
    type Err = InvalidNodeName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('@').filter(|(name, host)| {
            let printable = |c: char| !c.is_control() && !c.is_whitespace();
            !name.is_empty()
                && !host.is_empty()
                && !host.contains('@')
                && text.chars().all(printable)
                && text.chars().count() <= MOST_CHARS
        });
        match parts {
            Some((name, _)) => Ok(Self { whole: text.into(), at: name.len() }),
            None => Err(InvalidNodeName { text: text.chars().take(MOST_CHARS).collect() }),
        }
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.whole)
    }
}

impl fmt::Debug for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_two_parts() {
        let name: NodeName = "shop-1@db.example".parse().unwrap();
        assert_eq!((name.name(), name.host(), name.as_str()), ("shop-1", "db.example", "shop-1@db.example"));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let long = format!("{}@h", "n".repeat(254));
        for text in ["", "@", "a@", "@h", "a", "a@h@i", "a b@h", "a@h\n", "a\0@h", &long] {
            assert!(text.parse::<NodeName>().is_err(), "{text:?}");
        }
        assert!(long[1..].parse::<NodeName>().is_ok());
    }
}
