//! The build tools of the BEAM world: are they here, and which versions are they?

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Result, bail};

use super::catalog::Kind;

/// What each tool says of its version: a new one makes the packages it builds stale.
#[derive(Debug, Default)]
pub(crate) struct Tools {
    versions: BTreeMap<&'static str, String>,
}

/// A program, how it tells its version, and the Debian package it comes from.
struct Tool {
    program: &'static str,
    args: &'static [&'static str],
    package: &'static str,
}

const ERL: Tool = Tool {
    program: "erl",
    args: &[
        "-noshell",
        "-eval",
        "io:put_chars([erlang:system_info(system_version), erlang:system_info(system_architecture)]), halt().",
    ],
    package: "erlang",
};
/// Tells no version: it is that of `erl`.
const ERLC: Tool = Tool { program: "erlc", args: &[], package: "erlang" };
const MIX: Tool = Tool { program: "elixir", args: &["--version"], package: "elixir" };
const REBAR3: Tool = Tool { program: "rebar3", args: &["--version"], package: "rebar3" };

impl Tools {
    /// Asks the tools that these kinds of samples need; one line names all packages that are missing.
    pub(crate) fn find(kinds: impl Iterator<Item = Kind>) -> Result<Tools> {
        let mut tools: Vec<&Tool> = Vec::new();
        for tool in kinds.flat_map(needed) {
            if !tools.iter().any(|known| known.program == tool.program) {
                tools.push(tool);
            }
        }
        ask(&tools)
    }

    /// What the tools for one kind of sample say, in a fixed order.
    pub(crate) fn versions(&self, kind: Kind) -> String {
        needed(kind).iter().filter_map(|tool| self.versions.get(tool.program)).cloned().collect()
    }
}

fn needed(kind: Kind) -> &'static [Tool] {
    match kind {
        Kind::Mix => &[ERL, ERLC, MIX],
        Kind::Rebar3 => &[ERL, ERLC, REBAR3],
        Kind::Gleam => &[ERL, ERLC],
    }
}

fn ask(tools: &[&Tool]) -> Result<Tools> {
    let mut versions = BTreeMap::new();
    let mut missing: Vec<&str> = Vec::new();
    for tool in tools {
        // no HOME: the user's ~/.erlang is none of our business, and nothing shall be written there
        let asked = Command::new(tool.program)
            .args(tool.args)
            .env("LC_ALL", "C.UTF-8")
            .env("HOME", "/nonexistent")
            .output();
        match asked {
            Ok(output) => {
                _ = versions.insert(tool.program, String::from_utf8_lossy(&output.stdout).into_owned())
            }
            Err(_) if missing.contains(&tool.package) => {}
            Err(_) => missing.push(tool.package),
        }
    }
    if !missing.is_empty() {
        bail!("the samples need tools that are not here: sudo apt-get install {}", missing.join(" "));
    }
    Ok(Tools { versions })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_depends_on_the_tools_of_its_own_kind() {
        let versions = ["erl", "erlc", "elixir", "rebar3"].map(|tool| (tool, format!("{tool};"))).into();
        let tools = Tools { versions };
        assert_eq!(tools.versions(Kind::Mix), "erl;erlc;elixir;");
        assert_eq!(tools.versions(Kind::Gleam), "erl;erlc;");
    }

    #[test]
    fn names_the_packages_of_missing_tools_once() {
        let tool = |program, package| Tool { program, args: &[], package };
        let tools = [
            tool("no-such-erl", "erlang"),
            tool("no-such-erlc", "erlang"),
            tool("true", "coreutils"),
            tool("no-such-mix", "elixir"),
        ];
        let message = ask(&tools.each_ref()).unwrap_err().to_string();
        assert!(message.ends_with("sudo apt-get install erlang elixir"), "{message}");
    }
}
