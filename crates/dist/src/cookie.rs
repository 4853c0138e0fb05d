//! The secret that nodes share.
//!
//! Who knows a node's cookie and reaches its port may run anything in it.

use std::fmt;
use std::sync::Arc;

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Most characters: a cookie is an atom.
const MOST_CHARS: usize = 255;

/// A cookie. It is never shown, and its memory is cleared when the last copy goes.
#[derive(Clone)]
pub struct Cookie(Arc<Zeroizing<String>>);

/// A text that cannot be a cookie; which is not said, as it may nearly be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a cookie has 1 to {MOST_CHARS} characters of Latin-1 (up to U+00FF), none of them a control character or a space"
)]
pub struct InvalidCookie;

impl Cookie {
    /// A cookie from its text.
    ///
    /// # Errors
    /// When no node could have it.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidCookie> {
        let text = Zeroizing::new(text.into());
        let fits = !text.is_empty()
            && text.chars().all(|c| c <= '\u{ff}' && !c.is_control() && !c.is_whitespace())
            && text.chars().count() <= MOST_CHARS;
        if fits { Ok(Self(Arc::new(text))) } else { Err(InvalidCookie) }
    }

    /// The answer to a challenge: MD5 of the cookie and the challenge in decimal digits (OTP, "Distribution
    /// Protocol", `gen_digest`).
    pub(crate) fn digest(&self, challenge: u32) -> [u8; 16] {
        let mut md5 = Md5::new();
        // as a list of characters, which are bytes then
        let latin1: Zeroizing<Vec<u8>> = Zeroizing::new(self.0.chars().map(|c| c as u8).collect());
        md5.update(&latin1[..]);
        md5.update(challenge.to_string());
        md5.finalize().into()
    }

    /// Whether a digest answers the challenge, in a time that tells nothing about it.
    pub(crate) fn answers(&self, challenge: u32, digest: &[u8; 16]) -> bool {
        self.digest(challenge).ct_eq(digest).into()
    }
}

impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cookie(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_the_one_of_otp() {
        // erlang:md5("secret4294967295") on OTP 25
        let cookie = Cookie::new("secret").unwrap();
        let expected = 0x5dfd_181e_69aa_587c_c812_eb33_3e65_36b6_u128.to_be_bytes();
        assert_eq!(cookie.digest(u32::MAX), expected);
        assert!(cookie.answers(u32::MAX, &expected));
        assert!(!cookie.answers(0, &expected));
        // erlang:md5([229 | "1"]) on OTP 25
        let latin1 = Cookie::new("\u{e5}").unwrap();
        assert_eq!(latin1.digest(1), 0xdedf_a1aa_349a_7a47_71fa_21e3_48a2_0319_u128.to_be_bytes());
    }

    #[test]
    fn it_is_never_shown() {
        let shown = format!("{:?}", Cookie::new("verysecret").unwrap());
        assert_eq!(shown, "Cookie(..)");
        assert!(!format!("{}", Cookie::new("not one").unwrap_err()).contains("not one"));
    }

    #[test]
    fn what_no_node_could_have_is_refused() {
        for text in ["", "two words", "line\n", "\u{100}", &"x".repeat(256)] {
            assert!(Cookie::new(text).is_err(), "{text:?}");
        }
    }
}
