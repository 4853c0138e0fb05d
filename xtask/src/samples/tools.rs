//! The build tools of the BEAM world: are they here, and which versions are they?

use std::process::Command;

use anyhow::{Result, bail};

use super::catalog::Kind;

/// What each tool says of its version, in a fixed order: a new one makes all packages stale.
#[derive(Debug)]
pub(crate) struct Tools {
    versions: String,
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
/// Its version is that of `erl`.
const ERLC: Tool = Tool { program: "erlc", args: &["-help"], package: "erlang" };
const MIX: Tool = Tool { program: "elixir", args: &["--version"], package: "elixir" };
const REBAR3: Tool = Tool { program: "rebar3", args: &["--version"], package: "rebar3" };

impl Tools {
    /// Asks the tools that these kinds of samples need; one line names all packages that are missing.
    pub(crate) fn find(kinds: impl Iterator<Item = Kind>) -> Result<Tools> {
        let kinds: Vec<Kind> = kinds.collect();
        let mut tools = vec![ERL, ERLC];
        if kinds.contains(&Kind::Mix) {
            tools.push(MIX);
        }
        if kinds.contains(&Kind::Rebar3) {
            tools.push(REBAR3);
        }
        ask(&tools)
    }

    pub(crate) fn versions(&self) -> &str {
        &self.versions
    }
}

fn ask(tools: &[Tool]) -> Result<Tools> {
    let mut versions = String::new();
    let mut missing: Vec<&str> = Vec::new();
    for tool in tools {
        match Command::new(tool.program)
            .args(tool.args)
            .env("LC_ALL", "C.UTF-8")
            .env("HOME", "/nonexistent")
            .output()
        {
            Ok(output) => versions.push_str(&String::from_utf8_lossy(&output.stdout)),
            Err(_) => missing.push(tool.package),
        }
    }
    missing.dedup();
    if !missing.is_empty() {
        bail!("the samples need tools that are not here: sudo apt-get install {}", missing.join(" "));
    }
    Ok(Tools { versions })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_packages_of_missing_tools_once() {
        let tool = |program, package| Tool { program, args: &[], package };
        let tools = [
            tool("no-such-erl", "erlang"),
            tool("no-such-erlc", "erlang"),
            tool("true", "coreutils"),
            tool("no-such-mix", "elixir"),
        ];
        let message = ask(&tools).unwrap_err().to_string();
        assert!(message.ends_with("sudo apt-get install erlang elixir"), "{message}");
    }
}
