//! What two nodes offer each other in the handshake.
//!
//! Names and values are those of OTP's `dist.hrl`, without `DFLAG_`.

use std::fmt;
use std::ops::BitOr;

/// Capabilities of a node.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(pub u64);

impl Flags {
    /// It sees references of more than one word.
    pub const EXTENDED_REFERENCES: Self = Self(0x4);
    /// It monitors processes of other nodes.
    pub const DIST_MONITOR: Self = Self(0x8);
    /// Funs have a tag of their own.
    pub const FUN_TAGS: Self = Self(0x10);
    /// It monitors registered names of other nodes.
    pub const DIST_MONITOR_NAME: Self = Self(0x20);
    /// Funs as of OTP R8.
    pub const NEW_FUN_TAGS: Self = Self(0x80);
    /// Pids and ports of more than 18 bits.
    pub const EXTENDED_PIDS_PORTS: Self = Self(0x100);
    /// `fun M:F/A` has a tag of its own.
    pub const EXPORT_PTR_TAG: Self = Self(0x200);
    /// Bitstrings have a tag of their own.
    pub const BIT_BINARIES: Self = Self(0x400);
    /// Floats as eight bytes.
    pub const NEW_FLOATS: Self = Self(0x800);
    /// Whom others print to understands requests of text with its encoding.
    pub const UNICODE_IO: Self = Self(0x1000);
    /// Atoms in a header before each message, and remembered.
    pub const DIST_HDR_ATOM_CACHE: Self = Self(0x2000);
    /// Atoms with a length of one byte.
    pub const SMALL_ATOM_TAGS: Self = Self(0x4000);
    /// Atoms in UTF-8.
    pub const UTF8_ATOMS: Self = Self(0x1_0000);
    /// Maps have a tag.
    pub const MAP_TAG: Self = Self(0x2_0000);
    /// Creations of 32 bits.
    pub const BIG_CREATION: Self = Self(0x4_0000);
    /// Labels of sequential traces may be any term.
    pub const BIG_SEQTRACE_LABELS: Self = Self(0x10_0000);
    /// Reasons of exits follow the control message.
    pub const EXIT_PAYLOAD: Self = Self(0x40_0000);
    /// Long messages come in pieces.
    pub const FRAGMENTS: Self = Self(0x80_0000);
    /// The handshake of OTP 23.
    pub const HANDSHAKE_23: Self = Self(0x100_0000);
    /// Unlinking has an id and is acknowledged.
    pub const UNLINK_ID: Self = Self(0x200_0000);
    /// Stands for all that OTP 25 requires. The documentation says bit 36; the runtime says 26.
    pub const MANDATORY_25_DIGEST: Self = Self(0x400_0000);
    /// A node starts processes in another by a signal.
    pub const SPAWN: Self = Self(1 << 32);
    /// It wants the other to give it a name.
    pub const NAME_ME: Self = Self(1 << 33);
    /// Pids, ports and references of the fourth kind.
    pub const V4_NC: Self = Self(1 << 34);

    /// What OTP 25 requires (`MANDATORY_DFLAGS_25`), for which its digest stands.
    pub const MANDATORY_25: Self = Self(
        Self::EXTENDED_REFERENCES.0
            | Self::FUN_TAGS.0
            | Self::EXTENDED_PIDS_PORTS.0
            | Self::NEW_FUN_TAGS.0
            | Self::EXPORT_PTR_TAG.0
            | Self::BIT_BINARIES.0
            | Self::NEW_FLOATS.0
            | Self::UTF8_ATOMS.0
            | Self::MAP_TAG.0
            | Self::BIG_CREATION.0
            | Self::HANDSHAKE_23.0,
    );

    /// What OTP 26 and later require, as `erts_internal:get_dflags/0` of 27 and 29 says.
    pub const MANDATORY_26: Self = Self(Self::MANDATORY_25.0 | Self::UNLINK_ID.0 | Self::V4_NC.0);

    /// What this crate reads and writes, without which it does not connect.
    pub const REQUIRED: Self = Self(
        Self::MANDATORY_26.0
            | Self::DIST_HDR_ATOM_CACHE.0
            | Self::EXIT_PAYLOAD.0
            | Self::FRAGMENTS.0
            | Self::SPAWN.0,
    );

    /// What this crate offers: not `PUBLISHED`, so that it stays hidden.
    pub const OFFERED: Self = Self(
        Self::MANDATORY_26.0
            | Self::MANDATORY_25_DIGEST.0
            | Self::DIST_MONITOR.0
            | Self::DIST_MONITOR_NAME.0
            | Self::UNICODE_IO.0
            | Self::DIST_HDR_ATOM_CACHE.0
            | Self::SMALL_ATOM_TAGS.0
            | Self::BIG_SEQTRACE_LABELS.0
            | Self::EXIT_PAYLOAD.0
            | Self::FRAGMENTS.0
            | Self::SPAWN.0,
    );

    /// Whether all of the others are among these.
    pub const fn has(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// With the digest replaced by what it stands for.
    #[must_use]
    pub const fn expanded(self) -> Self {
        if self.has(Self::MANDATORY_25_DIGEST) { Self(self.0 | Self::MANDATORY_25.0) } else { self }
    }

    /// Those that are not among the others.
    #[must_use]
    pub const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mandatory_ones_are_those_of_otp_27_and_29() {
        assert_eq!(Flags::MANDATORY_26, Flags(0x4_0307_0f94));
    }

    #[test]
    fn the_digest_stands_for_what_otp_25_requires() {
        assert!(!Flags::MANDATORY_25_DIGEST.has(Flags::MANDATORY_25));
        assert!(Flags::MANDATORY_25_DIGEST.expanded().has(Flags::MANDATORY_25));
        assert_eq!(Flags::REQUIRED.without(Flags::OFFERED), Flags(0));
    }
}
