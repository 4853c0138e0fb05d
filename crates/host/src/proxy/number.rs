//! Proxies of this host are numbered: while one takes over from another, both run.

use std::path::PathBuf;

use crate::paths::Paths;
use crate::shim::ShimId;

/// What the names of the proxies' shims begin with.
const SHIM: &str = "proxy";

/// Counts the proxies that have taken over from one another; who begins anew is the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Number(u32);

impl Number {
    /// Of a proxy that takes over from nobody.
    pub(crate) const FIRST: Self = Number(1);

    /// Of the one that takes over from this.
    pub(crate) fn next(self) -> Self {
        Number(self.0.saturating_add(1))
    }

    /// Name of its shim: `proxy`, `proxy.2`, `proxy.3` …
    pub(crate) fn shim_id(self) -> ShimId {
        let name = if self == Self::FIRST { SHIM.to_owned() } else { format!("{SHIM}.{}", self.0) };
        ShimId::new(name).expect("it is made of plain characters")
    }

    /// The number of a proxy's shim; `None`: it is another shim. No app's name has a dot.
    pub(crate) fn of_shim(id: &ShimId) -> Option<Self> {
        match id.as_str().strip_prefix(SHIM)? {
            "" => Some(Self::FIRST),
            rest => {
                let number = Number(rest.strip_prefix('.')?.parse().ok()?);
                (number.shim_id() == *id).then_some(number)
            }
        }
    }

    /// Folder of its control socket.
    pub(crate) fn run_folder(self, paths: &Paths) -> PathBuf {
        match self {
            Self::FIRST => paths.proxy_run(),
            Number(number) => paths.proxy_run().join(number.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_its_shim_lead_to_each_other() {
        let number = Number::FIRST.next().next();
        assert_eq!((Number::FIRST.shim_id().as_str(), number.shim_id().as_str()), ("proxy", "proxy.3"));
        for number in [Number::FIRST, number] {
            assert_eq!(Number::of_shim(&number.shim_id()), Some(number));
        }
        for other in ["proxy-1-2-i3", "proxy.", "proxy.0x", "proxy.1", "proxy.03", "proxy.2.1", "epmd"] {
            assert_eq!(Number::of_shim(&ShimId::new(other).unwrap()), None, "{other}");
        }
    }
}
