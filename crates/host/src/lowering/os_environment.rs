//! The operating system's environment of a node: what its release's start script has set of the release.

use upgrade::inventory::Kind;

use super::{LowerError, Version};

/// Variables by which a node knows its release, as the start script of its kind sets them. `RELEASE_SYS_CONFIG` of mix is
/// the release's own file here, not the copy that the script makes for a start.
pub(super) fn lower(new: Version<'_>) -> Result<Vec<(String, Option<String>)>, LowerError> {
    let folder = new.release_folder();
    let version = new.release.version.clone();
    let root = new.path("")?.trim_end_matches('/').to_owned();
    let variables = match new.release.kind {
        Kind::Mix => vec![
            ("RELEASE_ROOT", root),
            ("RELEASE_VSN", version),
            ("RELEASE_SYS_CONFIG", new.path(&format!("{folder}/sys"))?),
            ("RELEASE_VM_ARGS", new.path(&format!("{folder}/vm.args"))?),
            ("RELEASE_REMOTE_VM_ARGS", new.path(&format!("{folder}/remote.vm.args"))?),
        ],
        // ROOTDIR and BINDIR stay: the emulator runs from there
        Kind::Rebar => {
            vec![("RELEASE_VSN", version), ("RELEASE_PROG", new.path(&format!("bin/{}", new.release.name))?)]
        }
        Kind::Gleam => Vec::new(),
    };
    Ok(variables.into_iter().map(|(name, value)| (name.to_owned(), Some(value))).collect())
}
