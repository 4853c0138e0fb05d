//! How many clients the limit of open files leaves room for: two thirds are for clients, of whom most are silent at any
//! moment, and one third for connections to instances. More clients wait in the kernel's queue and get their answers later.
//!
//! A request that finds no descriptor, because more than one third is in flight, waits for one (see [`crate::upstream`]).

use rustix::process::{Resource, getrlimit};

/// Listening sockets, event loops of the cores, log and state files, the daemon's connection, checks of instances.
const OWN: u64 = 64;

/// With any limit there are some.
const FEWEST: u64 = 8;

/// Most client connections at a time: as many as wanted, if there is room for them.
pub(crate) fn most_connections(wanted: u64) -> u64 {
    fit(wanted, getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX))
}

fn fit(wanted: u64, limit: u64) -> u64 {
    let shared = limit.saturating_sub(OWN);
    wanted.min((shared - shared / 3).max(FEWEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_what_is_wanted_or_for_what_fits() {
        assert_eq!(fit(20_000, u64::MAX), 20_000);
        assert_eq!(fit(20_000, 524_288), 20_000);
        assert_eq!(fit(20_000, 20_000), 13_291);
        assert_eq!(fit(20_000, 1_024), 640);
        assert_eq!(fit(20_000, 10), FEWEST);
        assert_eq!(fit(5, 10), 5);
    }
}
