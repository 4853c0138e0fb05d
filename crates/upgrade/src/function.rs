//! What a function is called within its module.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A function's name and number of arguments; `init/1` as text and in texts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunctionName {
    /// Its name, without quotes.
    pub name: String,
    /// Number of its arguments, 0 to 255.
    pub arity: u8,
}

impl FunctionName {
    /// The function of this name and number of arguments.
    pub fn new(name: &str, arity: u8) -> Self {
        Self { name: name.to_owned(), arity }
    }

    /// Whether it is this one.
    pub fn is(&self, name: &str, arity: u8) -> bool {
        self.arity == arity && self.name == name
    }
}

impl fmt::Display for FunctionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.name, self.arity)
    }
}

impl Serialize for FunctionName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            (&self.name, self.arity).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for FunctionName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return Deserialize::deserialize(deserializer).map(|(name, arity)| Self { name, arity });
        }
        let mut text = String::deserialize(deserializer)?;
        let split = text.rfind('/').and_then(|slash| Some((slash, text[slash + 1..].parse().ok()?)));
        let (slash, arity) = split.ok_or_else(|| D::Error::custom("a function is written name/arity"))?;
        text.truncate(slash);
        Ok(Self { name: text, arity })
    }
}
