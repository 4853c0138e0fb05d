//! Files of versions that are no longer served.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::value::{Fault, quote};
use crate::units::millis;

/// What the proxy gives of other versions where the serving one says 404.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AssetSettings {
    /// Path prefixes, matched at whole segments, below which it does; none: nowhere.
    pub prefixes: Vec<String>,
    /// The folder of the package that stands for `/`; `*` in a name stands for anything, so that it may be several.
    pub folder: String,
    /// For how long after a version has served.
    #[serde(with = "millis")]
    pub keep: Duration,
}

impl Default for AssetSettings {
    fn default() -> Self {
        AssetSettings {
            prefixes: Vec::new(),
            folder: "lib/*/priv/static".to_owned(),
            keep: Duration::from_secs(3600),
        }
    }
}

/// Names joined by `/`, each with `*` for anything in it.
pub(super) fn folder_pattern(text: &str) -> Result<Json, Fault> {
    let example =
        "write it like \"lib/*/priv/static\": from the package's own top, without \"..\" and \"//\"";
    let is_name = |name: &str| !["", ".", ".."].contains(&name) && !name.contains('\0');
    if text.split('/').all(is_name) {
        return Ok(json!(text));
    }
    Err(Fault::new(format!("{} is no folder of a package", quote(text)), example))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_a_package() {
        for text in ["lib/*/priv/static", "lib/shop_web-*/priv", "static", "*"] {
            assert_eq!(folder_pattern(text).unwrap(), json!(text));
        }
        for text in ["", "/lib", "lib/", "lib//priv", "../x", "lib/../../x", "./lib", "a/\0"] {
            let fault = folder_pattern(text).unwrap_err();
            assert!(fault.message.ends_with("is no folder of a package"), "{}", fault.message);
        }
    }
}
