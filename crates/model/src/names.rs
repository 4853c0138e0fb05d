//! Names and numbers of the trade: text becomes one of these once, at the edge.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {what}: {why}")]
pub struct BadName {
    text: String,
    what: &'static str,
    why: &'static str,
}

impl BadName {
    fn new(text: &str, what: &'static str, why: &'static str) -> Self {
        BadName { text: text.chars().take(80).collect(), what, why }
    }
}

macro_rules! text_name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadName;
            fn from_str(text: &str) -> Result<Self, BadName> {
                let check: fn(&str) -> Result<(), &'static str> = $check;
                check(text).map_err(|why| BadName::new(text, $what, why))?;
                Ok($name(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadName;
            fn try_from(text: String) -> Result<Self, BadName> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

fn plain(text: &str) -> Result<(), &'static str> {
    if text.is_empty() || text.len() > 64 {
        return Err("it must have 1 to 64 characters");
    }
    if !text.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Err("it must start with a lower-case letter");
    }
    if !text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-') {
        return Err("only lower-case letters, digits, '_' and '-' may stand in it");
    }
    Ok(())
}

text_name! {
    /// Name of an app: lower-case letters, digits, `_` and `-`, starting with a letter; at most 64 bytes.
    /// It becomes part of Erlang node names, file names and URLs, so it stays plain.
    AppName, "an app's name", plain
}

text_name! {
    /// Name of a mesh of apps, by the rule for names of apps: it becomes part of a file's name.
    MeshName, "a mesh's name", plain
}

text_name! {
    /// Label of a version, as its package names it: any text without `/`, e.g. `1.4.2`, `2026-11-21+g3f2a`.
    /// Never compared by SemVer rules: the order of versions is the order of their registration.
    VersionLabel, "a version", |text| {
        if text.is_empty() || text.len() > 64 {
            return Err("it must have 1 to 64 bytes");
        }
        if text == "." || text == ".." {
            return Err("'.' and '..' name folders");
        }
        if text.contains('/') || text.contains('\\') {
            return Err("'/' and '\\' may not stand in it");
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err("white space and control characters may not stand in it");
        }
        Ok(())
    }
}

text_name! {
    /// Name of an environment variable: letters, digits and `_`, not starting with a digit (POSIX.1-2017, 8.1).
    VariableName, "a variable's name", |text| {
        if text.is_empty() || text.len() > 128 {
            return Err("it must have 1 to 128 characters");
        }
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            return Err("it may not start with a digit");
        }
        if !text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err("only letters, digits and '_' may stand in it");
        }
        Ok(())
    }
}

text_name! {
    /// The code of a finding of an upgrade's plan, such as `BR-H012`.
    FindingCode, "the code of a finding", |text| {
        let number = text.strip_prefix("BR-H").unwrap_or_default();
        if number.len() != 3 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err("codes are written like BR-H012");
        }
        Ok(())
    }
}

text_name! {
    /// The name of an application of a release: an atom that needs no quotes.
    ApplicationName, "the name of an application", |text| {
        if text.len() > 255 {
            return Err("it must have 1 to 255 characters");
        }
        if !text.starts_with(|first: char| first.is_ascii_lowercase()) {
            return Err("it must start with a lower-case letter");
        }
        if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'@') {
            return Err("only letters, digits, '_' and '@' may stand in it");
        }
        Ok(())
    }
}

text_name! {
    /// What a hot upgrade does about a module, whatever its content says: `Shop.Cart=restart`. The module is written as in
    /// its language: `Shop.Cart` in Elixir, `shop_cart` in Erlang.
    ModuleOverride, "what is done about a module", |text| {
        let Some((module, what)) = text.rsplit_once('=') else { return Err("it is written MODULE=WHAT") };
        if module.is_empty() || module.len() > 255 || module.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err("before '=' stands the name of a module, of 1 to 255 characters without white space");
        }
        if !["load", "convert", "restart"].contains(&what) {
            return Err("after '=' stands load, convert or restart");
        }
        Ok(())
    }
}

macro_rules! number_name {
    ($(#[$doc:meta])* $name:ident($inner:ty), $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&format!(concat!($prefix, "{}"), self.0))
            }
        }
    };
}

number_name! {
    /// A place of an app, 1..=replicas.
    Place(u16), ""
}
number_name! {
    /// An instance; rises for ever within one app, never used again.
    InstanceId(u64), "i"
}
number_name! {
    /// A registered version of an app; the order of registration is the order of versions.
    VersionId(u64), "v"
}
number_name! {
    /// A deployment; rises for ever within one daemon's state.
    DeploymentId(u64), ""
}
number_name! {
    /// An effect in an app's outbox; rises for ever within one app.
    EffectId(u64), "e"
}
number_name! {
    /// A one-off task; rises for ever within one daemon's state.
    TaskId(u64), "t"
}

/// One of the two slots of a place; a full deployment starts its instances in the other one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Slot {
    /// Ports from `port`, node names without a suffix.
    A,
    /// Ports from `port + max`, node names with the suffix `b`.
    B,
}

impl Slot {
    /// The slot that a new instance beside one in this slot uses.
    pub fn other(self) -> Slot {
        match self {
            Slot::A => Slot::B,
            Slot::B => Slot::A,
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Slot::A => "a",
            Slot::B => "b",
        })
    }
}
