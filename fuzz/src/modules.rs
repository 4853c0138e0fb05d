//! Compiled modules, as packages bring them.

use upgrade::inventory::Module;

/// Surveys the bytes as a `.beam` file. What is surveyed can be kept in a file and read back.
pub fn modules(bytes: &[u8]) {
    let Ok((name, module)) = upgrade::survey::module(bytes) else { return };
    assert_eq!(beam::module::Module::parse(bytes).ok().and_then(|module| module.name()), Some(name));
    let kept = serde_json::to_string(&module).expect("a module can be written");
    let read: Module = serde_json::from_str(&kept).expect("what was written can be read");
    assert_eq!(read, module);
}
