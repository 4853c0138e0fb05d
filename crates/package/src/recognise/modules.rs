//! What the compiled modules of a package say: debug information, and what made them.

use beam::module::{MAX_BYTES, Module};

use super::{CompiledWith, unpacked::Tree};
use crate::manifest::join;
use crate::otp::{self, OtpSource};

/// Modules counted.
#[derive(Default)]
pub(super) struct Survey {
    modules: usize,
    with_debug_info: usize,
}

impl Survey {
    pub(super) fn all_have_debug_info(&self) -> bool {
        self.modules > 0 && self.with_debug_info == self.modules
    }
}

/// Looks at the modules in some folders.
pub(super) fn survey(tree: &Tree<'_>, folders: impl Iterator<Item = String>) -> Survey {
    let mut survey = Survey::default();
    for folder in folders {
        for file in tree.files_ending(&folder, ".beam") {
            let module = module(tree, &join(&folder, &file));
            survey.modules += 1;
            survey.with_debug_info += usize::from(module.is_some_and(|module| module.has_debug_info()));
        }
    }
    survey
}

/// The module that asks for the newest OTP release. By the compiler's version where a module was not stripped of it,
/// else by its newest instruction.
pub(super) fn newest_needed(tree: &Tree<'_>) -> Option<CompiledWith> {
    let files = tree.all_files_ending(".beam");
    let needs = files.into_iter().filter_map(|path| needed(&module(tree, &path)?, path));
    needs.max_by_key(|needed| (needed.otp, needed.known_from == OtpSource::CompilerVersion))
}

fn needed(module: &Module, path: String) -> Option<CompiledWith> {
    let compiler = module.compiler_version().and_then(|version| otp::of_compiler(&version));
    let (otp, known_from) = match compiler {
        Some(otp) => (otp, OtpSource::CompilerVersion),
        None => (otp::oldest_for_instruction(module.highest_instruction()?), OtpSource::Instructions),
    };
    Some(CompiledWith { otp, module: path, known_from })
}

/// A file that is no module says nothing.
fn module(tree: &Tree<'_>, path: &str) -> Option<Module> {
    let limit = u64::try_from(MAX_BYTES).ok()?;
    Module::parse(&tree.read(path, limit).ok()?).ok()
}
