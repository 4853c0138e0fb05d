//! Values of an app's environment variables.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text is not a variable's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSecret {
    /// `secret:` without both parts.
    #[error("a secret is written \"secret:PATH#KEY\"")]
    Incomplete,
    /// The kernel ends values at NUL.
    #[error("it holds a NUL character")]
    Nul,
}

/// Where a secret is kept; the secret itself is fetched when an instance starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretReference {
    /// Path of the secret at its provider.
    pub path: String,
    /// Key inside it.
    pub key: String,
}

/// A variable's value. Text that starts with `secret:` is always a reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum VariableValue {
    /// Given to the app as it stands.
    Text(String),
    /// `secret:PATH#KEY`
    Secret(SecretReference),
}

impl FromStr for VariableValue {
    type Err = BadSecret;
    fn from_str(text: &str) -> Result<Self, BadSecret> {
        if text.contains('\0') {
            return Err(BadSecret::Nul);
        }
        let Some(reference) = text.strip_prefix("secret:") else {
            return Ok(VariableValue::Text(text.to_owned()));
        };
        match reference.rsplit_once('#') {
            Some((path, key)) if !path.is_empty() && !key.is_empty() => {
                Ok(VariableValue::Secret(SecretReference { path: path.to_owned(), key: key.to_owned() }))
            }
            _ => Err(BadSecret::Incomplete),
        }
    }
}

impl TryFrom<String> for VariableValue {
    type Error = BadSecret;
    fn try_from(text: String) -> Result<Self, BadSecret> {
        text.parse()
    }
}

impl From<VariableValue> for String {
    fn from(value: VariableValue) -> String {
        value.to_string()
    }
}

impl fmt::Display for VariableValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VariableValue::Text(text) => f.pad(text),
            VariableValue::Secret(SecretReference { path, key }) => write!(f, "secret:{path}#{key}"),
        }
    }
}
