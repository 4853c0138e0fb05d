//! What stands for content that is only compared.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// 128 bits that stand for some content: an MD5 where the BEAM itself says so (`beam_lib:md5/1`), else as each field
/// says. 32 hexadecimal digits as text and in texts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 16]);

impl Digest {
    /// The digest of these bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The first 128 bits of a longer digest.
    pub fn from_longer(bytes: &[u8; 32]) -> Self {
        let mut kept = [0; 16];
        kept.copy_from_slice(&bytes[..16]);
        Self(kept)
    }

    /// The MD5 of some content.
    pub fn of(content: &[u8]) -> Self {
        use md5::Digest as _;
        Self(md5::Md5::digest(content).into())
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return <[u8; 16]>::deserialize(deserializer).map(Self);
        }
        let text = String::deserialize(deserializer)?;
        let number = (text.len() == 32).then(|| u128::from_str_radix(&text, 16).ok()).flatten();
        let number = number.ok_or_else(|| D::Error::custom("a digest has 32 hexadecimal digits"))?;
        Ok(Self(number.to_be_bytes()))
    }
}
