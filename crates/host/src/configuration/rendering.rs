//! The environment put into a `sys.config`, as the release's start script would.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use package::Kind;
use package::launch::substitute;
use package::tree::Unpacked;

use crate::environment::Environment;

/// What a `sys.config` is rendered with.
pub(super) struct Rendering<'a> {
    pub(super) tree: &'a Path,
    pub(super) unpacked: &'a Unpacked,
    pub(super) environment: &'a Environment,
}

impl Rendering<'_> {
    /// The text as the VM reads it: rebar3's script puts the environment into it, mix's does not.
    pub(super) fn render(&self, text: &[u8]) -> Vec<u8> {
        if self.unpacked.facts.kind != Kind::RebarRelease {
            return text.to_vec();
        }
        let of_script = self.of_script();
        substitute(text, |name| {
            let name = OsStr::from_bytes(name);
            let value = of_script.get(name).or_else(|| self.environment.get(name));
            value.map(|value| value.as_bytes().to_vec())
        })
    }

    /// What rebar3's script says before it does so.
    fn of_script(&self) -> Environment {
        let (facts, tree) = (&self.unpacked.facts, self.tree);
        let node = self.environment.get(OsStr::new("RELEASE_NODE")).cloned().unwrap_or_default();
        let erts = facts.erts.as_deref().unwrap_or_default();
        let said: [(&str, OsString); 8] = [
            ("ROOTDIR", tree.into()),
            ("BINDIR", tree.join(format!("erts-{erts}/bin")).into()),
            ("REL_NAME", facts.release_name.as_str().into()),
            ("RELEASE_NAME", facts.release_name.as_str().into()),
            ("RELEASE_VSN", version(self.unpacked).into()),
            ("RELEASE_PROG", tree.join("bin").join(&facts.release_name).into()),
            ("RELEASE_ROOT_DIR", tree.into()),
            ("NAME", node),
        ];
        said.into_iter().map(|(name, value)| (name.into(), value)).collect()
    }
}

/// The version whose folder below `releases/` is booted.
pub(super) fn version(unpacked: &Unpacked) -> &str {
    unpacked.facts.boot_version.as_deref().unwrap_or(&unpacked.facts.version)
}
