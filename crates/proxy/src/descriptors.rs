//! How many clients the limit of open files leaves room for. A client that could come in, but for whom no connection to an
//! instance can be opened, would get 502; one that waits in the kernel's queue gets its answer.
//!
//! A client of HTTP/2 may need more than is reckoned for it, one connection to an instance for each of its streams. A request
//! that finds no descriptor waits for one as long as it may wait for a connection (see [`crate::upstream`]).

use rustix::process::{Resource, getrlimit};

/// Listening sockets, event loops of the cores, log and state files, the daemon's connection, checks of instances.
const OWN: u64 = 64;

/// For each client: its connection, one to an instance, and one that rests in a pool because another instance was meant.
const EACH: u64 = 3;

/// With any limit there are some.
const FEWEST: u64 = 8;

/// Most client connections at a time: as many as wanted, if there is room for them.
pub(crate) fn most_connections(wanted: u64) -> u64 {
    fit(wanted, getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX))
}

fn fit(wanted: u64, limit: u64) -> u64 {
    wanted.min((limit.saturating_sub(OWN) / EACH).max(FEWEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_what_is_wanted_or_for_what_fits() {
        assert_eq!(fit(20_000, u64::MAX), 20_000);
        assert_eq!(fit(20_000, 524_288), 20_000);
        assert_eq!(fit(20_000, 1_024), 320);
        assert_eq!(fit(20_000, 10), FEWEST);
        assert_eq!(fit(5, 10), 5);
    }
}
