//! Start scripts as `mix release` and rebar3 write them.
//!
//! They are told by a digest of what matters for a start, with all that a project fills in taken out. A changed script
//! has another digest, and so has one of a later version whose text differs: neither is taken for what it may not be.

use crate::digest::Sha256Digest;

/// What the scripts of mix tell the VM of its mode: the first one, or by `reboot_system_after_config` one of the others.
pub(super) const MIX_OPTIONS: [&str; 3] = [
    "-mode $RELEASE_MODE",
    "-elixir config_provider_reboot_mode $RELEASE_MODE",
    "-elixir -config_provider_reboot_mode $RELEASE_MODE",
];

/// Of `mix release`, from the first line that the release's name is in to the choice of the command, and its `start`.
const MIX: [&str; 7] = [
    // Elixir 1.9
    "cc7d705e3fe5fc66e0ecf29369b8680e2edcbd35924044b6cd693265bb3c756f",
    // 1.10
    "a5f9889376fe2adba68d2d72c2c18d69cd5119ef9da166ee252baa51e411b7a9",
    // 1.11
    "6c16f6c67805a769e449c643846a60c369ed3eda257a8bef69f9da06261bb89b",
    // 1.12
    "c8f0c5530d1ea78dec2d33f6e7fc883e5b9dda01fab1e8039a3f5e5226159f9c",
    // 1.13
    "9cdca7b1ba643502fc91320c5abde11c6b974b3a8a47266399d05bb38dfd98c6",
    // 1.14 to 1.17.1
    "c072b13232f101cc27cb27162e557fad519babfc3e43ad8dbcb8650b7d93025d",
    // 1.17.2 to 1.20
    "c0ca7d122411eed865a17e42179fe882f0ac737a7fb7dcd5a8760e109df987bd",
];

/// Of relx's `extended_bin`, without what a project says in it.
const RELX: [&str; 11] = [
    // relx 4.0.0 and 4.0.1
    "49b36b005df6cc94624c747ab3ec6e4f8e6f728be388fa135019107b120a103c",
    // 4.0.2
    "8a673c22306c139873599a2130ad1e71f4b96301a4251452b48baa481b042f60",
    // 4.1
    "a0ce27547a675a0cd0cca20a4b7ba257ff8b4cebe36ef27f11e497c14c153ae5",
    // 4.2
    "d4232bf99cbac7b604a998ef3ad43167327d1f1351779d154afccbc44a20f192",
    // 4.3
    "aced90f9369e1875fc9775a2b3316d2c338576b98e044ea6542398d3fa90fa79",
    // 4.4
    "e8979270deed95aa0309d185d38aef065b9c41968107fad1b8c52384d57cf0af",
    // 4.5
    "ab3103ff735c599d87bc16f5bb1fdb3b748cc7971b1ba6765dea7251e4be7a76",
    // 4.6
    "58cc7c1c53a678f25803274fe15e56cf8750f40631051e651695c3e93efd8375",
    // 4.7
    "dcaa5b9fb684dc951b185beb73682da8ce4e4a5ce488049cd6e7a0e465557bd4",
    // 4.8 to 4.10
    "604e9aa23f7774259ca634d7bc0910dab5c3bca80f331a794b1ce9aa7db3579b",
    // after 4.10
    "5652bbf5cdc9006797137984a1d222c1c34d9d702013bf1c20d8cc56ffba095e",
];

/// What a project says in relx's script, each in a line that begins so.
const SAID_IN_RELX: [&str; 13] = [
    "export REL_NAME=",
    "REL_VSN=",
    "export RELEASE_NAME=",
    "export RELEASE_VSN=",
    "ERTS_VSN=",
    "PRE_START_HOOKS=",
    "POST_START_HOOKS=",
    "PRE_STOP_HOOKS=",
    "POST_STOP_HOOKS=",
    "PRE_INSTALL_UPGRADE_HOOKS=",
    "POST_INSTALL_UPGRADE_HOOKS=",
    "STATUS_HOOK=",
    "EXTENSIONS=",
];

/// What a script of mix tells the VM of its mode; `None`: it is none that mix is known to write.
pub(super) fn mix(script: &str) -> Option<&'static str> {
    const NAME: &str = r#"RELEASE_NAME="${RELEASE_NAME:-""#;
    const OPTIONS: &str = "--erl";
    let mut options = None;
    let lines: Vec<&str> = script.split('\n').collect();
    let from = lines.iter().position(|line| line.contains(NAME))?;
    let to = lines.iter().position(|line| *line == "case $1 in")?;
    let start = lines.iter().position(|line| *line == "  start)")?;
    let mut matters: Vec<&str> = Vec::new();
    for line in lines.get(from..to)? {
        let told = line.trim_start().strip_prefix(r#"--erl ""#).and_then(|line| line.strip_suffix(r#"" \"#));
        matters.push(match (told, line.find(NAME)) {
            (Some(told), _) => {
                options = Some(told);
                OPTIONS
            }
            (None, Some(at)) => &line[..at + NAME.len()],
            (None, None) => line,
        });
    }
    matters.extend(lines.get(start..start + 3)?);
    let options = MIX_OPTIONS.into_iter().find(|known| Some(*known) == options)?;
    is_one_of(&MIX, &matters).then_some(options)
}

/// Whether a script is one that relx is known to write.
pub(super) fn is_relx(script: &str) -> bool {
    let mut matters = Vec::new();
    let mut is_of_extensions = false;
    for line in script.split('\n') {
        match line {
            "relx_is_extension() {" => is_of_extensions = true,
            "relx_run_extension() {" => is_of_extensions = false,
            _ => {}
        }
        if !is_of_extensions {
            matters.push(said(line).unwrap_or(line));
        }
    }
    is_one_of(&RELX, &matters)
}

/// Whether a script of relx is told to run something before the VM.
pub(super) fn has_hooks(script: &str) -> bool {
    script.lines().any(|line| line.starts_with("PRE_START_HOOKS=\"") && line != "PRE_START_HOOKS=\"\"")
}

/// What the project fills in is taken out of a line.
fn said(line: &str) -> Option<&'static str> {
    SAID_IN_RELX.into_iter().find(|key| line.strip_prefix(key).is_some_and(|value| value.starts_with('"')))
}

fn is_one_of(known: &[&str], lines: &[&str]) -> bool {
    let digest = Sha256Digest::of(lines.join("\n").as_bytes()).to_string();
    known.contains(&digest.as_str())
}
