//! Ports that nobody uses now.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Context, Result};

/// Ports below the range that the kernel gives to outgoing connections.
const FROM: u16 = 4000;
const TO: u16 = 9000;

/// The first port of so many free ones in a row. Somebody could take one before the app does: its deployment
/// then fails and says so.
pub(crate) fn free_range(length: u16) -> Result<u16> {
    (FROM..TO)
        .step_by(10)
        .find(|first| (*first..*first + length).all(is_free))
        .with_context(|| format!("no {length} free ports in a row between {FROM} and {TO}"))
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_not_given() {
        let first = free_range(6).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, first + 5)).unwrap();
        assert_ne!(free_range(6).unwrap(), first);
        drop(listener);
    }
}
