//! What a `sys.config` says.

use std::collections::BTreeMap;

use beam::sys_config::SysConfig;

use super::text;
use crate::digest::Digest;

/// The parameter in which mix writes where the release's own files are, with its version: an application and a key.
pub const UNVERSIONED: (&str, &str) = ("elixir", "config_provider_init");

/// Digests of all parameters by application and key. The release's own version counts as no difference in
/// [`UNVERSIONED`].
pub fn environment(config: &SysConfig, version: &str) -> BTreeMap<String, BTreeMap<String, Digest>> {
    let mut environment: BTreeMap<String, BTreeMap<String, Digest>> = BTreeMap::new();
    for (application, parameters) in &config.applications {
        let digests = environment.entry(application.clone()).or_default();
        for (key, value) in parameters {
            let mut value = text(value);
            if (application.as_str(), key.as_str()) == UNVERSIONED && !version.is_empty() {
                value = value.replace(&format!("/{version}/"), "/VERSION/");
            }
            digests.insert(key.clone(), Digest::of(value.as_bytes()));
        }
    }
    environment
}
