//! What configures a release at its start.

use upgrade::Digest;
use upgrade::inventory::Configuration;
use upgrade::survey;

use super::InventoryError;
use super::files::Files;
use crate::manifest::Node;

/// Ends of the names of files in `releases/{version}` that say how to start.
const ENDS: [&str; 6] = [".config", ".config.src", ".args", ".args.src", ".exs", ".sh"];

pub(super) fn read(files: &Files<'_>, folder: &str, version: &str) -> Result<Configuration, InventoryError> {
    const STATIC: &str = "sys.config";
    let mut configuration = Configuration::default();
    for name in files.names(folder).filter(|name| ENDS.iter().any(|end| name.ends_with(end))) {
        let path = format!("{folder}/{name}");
        if let Some(Node::File { sha256, .. }) = files.node(&path) {
            configuration.files.insert(name.to_owned(), Digest::from_longer(sha256.as_bytes()));
        }
        if name == STATIC
            && let Ok(config) = beam::sys_config::parse(&files.read(&path)?)
        {
            configuration.environment = Some(survey::environment(&config, version));
            configuration.included = config.included;
        }
    }
    Ok(configuration)
}
