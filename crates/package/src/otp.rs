//! Which OTP release a version number belongs to.
//!
//! From OTP's `otp_versions.table`: ERTS's major version is the release minus 12 since OTP 23 (11.0), and minus 11
//! from OTP 17 (6.0) to OTP 21; OTP 22 continued ERTS 10 from 10.4 on. A package says no release by itself: mix and
//! rebar3 write ERTS's and the applications' versions only.

use serde::{Deserialize, Serialize};

/// An OTP release, and what says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtpRelease {
    /// The release: `25`, or `25.2.3` when a file says it that precisely.
    pub release: String,
    /// What says so.
    pub known_from: OtpSource,
}

/// What told an OTP release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OtpSource {
    /// A file `releases/{N}/OTP_VERSION`.
    OtpVersionFile,
    /// The version of ERTS.
    ErtsVersion,
    /// The version of the compiler, written in a module.
    CompilerVersion,
    /// The newest instruction that a module uses; the module may have been made by a newer release.
    Instructions,
}

impl OtpRelease {
    /// The release's number.
    pub fn major(&self) -> Option<u32> {
        self.release.split('.').next()?.parse().ok()
    }
}

/// The release that an ERTS version belongs to.
pub fn of_erts(version: &str) -> Option<u32> {
    match numbers(version)? {
        (major @ 6..=9, _) => Some(major + 11),
        (10, minor) => Some(if minor < 4 { 21 } else { 22 }),
        (major @ 11.., _) => major.checked_add(12),
        _ => None,
    }
}

/// The release that a version of the application `compiler` belongs to. `None` for versions that came after this was
/// written (then the instructions still say a lower bound) and before OTP 21.
pub fn of_compiler(version: &str) -> Option<u32> {
    match numbers(version)? {
        (7, 2 | 3) => Some(21),
        (7, 4 | 5) => Some(22),
        (7, 6) => Some(23),
        (8, 0 | 1) => Some(24),
        (8, 2) => Some(25),
        (8, 3 | 4) => Some(26),
        (8, 5 | 6) => Some(27),
        (9, _) => Some(28),
        (10, _) => Some(29),
        _ => None,
    }
}

/// The oldest release whose runtime knows the instruction with this number (`genop.tab`; a loader refuses a module
/// that names a higher one than it knows).
pub fn oldest_for_instruction(number: u32) -> u32 {
    match number {
        0..=168 => 22,
        169..=170 => 23,
        171..=176 => 24,
        177..=180 => 25,
        181..=182 => 26,
        183 => 27,
        184 => 28,
        _ => 29,
    }
}

fn numbers(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.');
    let major = parts.next()?.parse().ok()?;
    let minor = parts.next().map_or(Some(0), |minor| minor.parse().ok())?;
    Some((major, minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn erts_versions_name_their_release() {
        let cases =
            [("13.1.5", 25), ("16.0", 28), ("11.0", 23), ("10.3.5.19", 21), ("10.4", 22), ("9.3", 20)];
        for (version, release) in cases {
            assert_eq!(of_erts(version), Some(release), "{version}");
        }
        for version in ["", "x", "5.10", "4294967295.0", "13.x"] {
            assert_eq!(of_erts(version), None, "{version}");
        }
    }

    #[test]
    fn compiler_versions_name_their_release() {
        let cases = [
            ("8.2.6.4", 25),
            ("8.1.1", 24),
            ("8.0", 24),
            ("8.5.5", 27),
            ("9.0.1", 28),
            ("10.0.7", 29),
            ("7.6", 23),
        ];
        for (version, release) in cases {
            assert_eq!(of_compiler(version), Some(release), "{version}");
        }
        assert_eq!(of_compiler("99.0"), None);
    }
}
