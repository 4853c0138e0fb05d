//! The reference of the command line, made from the arguments themselves: docs/reference/cli.md.

use std::fmt::Write;

use clap::{Arg, Command, CommandFactory};

use crate::args::Args;
use crate::exit::Exit;

/// What `--json` prints.
const JSON: &str = "
## JSON

`--json` prints what the API answers; the shapes are the schemas of the same names in [openapi.json](openapi.json).
Names carry their units (`took_ms`, `size_bytes`), times are RFC 3339 in UTC, fields may be added.

| command | schema |
|---|---|
| `status`, `status APP` | list of `App`, `App` |
| `version` | the version as text |
| `versions` | list of `Version` |
| `env list` | `Variables` |
| `ghosts` | list of `Ghost` |
| `deployments`, `deployments show` | list of `Deployment`, `DeploymentDetail` |
| `events`, `events --follow` | list of `Event`, an `Event` a line |
| `exits` | list of `Exit` |
| `logs` | a `Line` a line |
| `doctor` | list of `Check` |
| `tls init`, `tls status`, `tls rotate` | `Tls` |
| `config check` | `SettingsVerdict` |
| whatever changes something | `Granted`; with `--wait` the `DeploymentDetail` as it was at the end |
| failures, on stderr | `Problem` |

";

/// The reference as Markdown.
pub(crate) fn markdown() -> String {
    let mut root = Args::command();
    root.build();
    let mut text = String::from(
        "# `bellrock`\n\n<!-- made by `bellrock reference`; change the arguments' help in crates/cli instead -->\n\n",
    );
    let _ = writeln!(text, "{}\n", about(&root));
    text += "## For every command\n\n";
    let (global, _): (Vec<&Arg>, Vec<&Arg>) = root.get_arguments().partition(|arg| arg.is_global_set());
    arguments(&mut text, global.into_iter());
    text += "## Exit codes\n\n| code | meaning |\n|---:|---|\n";
    for exit in Exit::ALL {
        let _ = writeln!(text, "| {} | {} |", exit.code(), exit.meaning());
    }
    text += JSON;
    for command in root.get_subcommands().filter(|command| !command.is_hide_set()) {
        describe(&mut text, "bellrock", command, 2);
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn describe(text: &mut String, parent: &str, command: &Command, level: usize) {
    let name = format!("{parent} {}", command.get_name());
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").trim();
    let _ = writeln!(text, "{} `{name}`\n\n{}\n\n```\n{usage}\n```\n", "#".repeat(level), about(command));
    arguments(text, command.get_arguments().filter(|arg| !arg.is_global_set()));
    for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        describe(text, &name, command, level + 1);
    }
}

fn about(command: &Command) -> String {
    let about = command.get_long_about().or(command.get_about());
    let text = about.map(ToString::to_string).unwrap_or_default();
    if text.ends_with('.') { text } else { format!("{text}.") }
}

fn arguments<'a>(text: &mut String, arguments: impl Iterator<Item = &'a Arg>) {
    let shown: Vec<&Arg> = arguments
        .filter(|arg| !arg.is_hide_set() && arg.get_id() != "help" && arg.get_id() != "version")
        .collect();
    if shown.is_empty() {
        return;
    }
    text.push_str("| argument | meaning |\n|---|---|\n");
    for arg in shown {
        let help = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(text, "| `{}` | {}{} |", spelling(arg), sentences(&help), extras(arg));
    }
    text.push('\n');
}

/// Help on one line, each paragraph with its full stop.
fn sentences(help: &str) -> String {
    let paragraphs = help.split("\n\n").map(|paragraph| paragraph.replace('\n', " "));
    let ended = paragraphs.map(|text| if text.ends_with(['.', ':']) { text } else { format!("{text}.") });
    ended.collect::<Vec<_>>().join(" ")
}

fn spelling(arg: &Arg) -> String {
    let short = arg.get_short().map(|short| format!("-{short}"));
    let long = arg.get_long().map(|long| format!("--{long}"));
    let names: Vec<String> = short.into_iter().chain(long).collect();
    let takes_value = arg.get_action().takes_values();
    let value = arg.get_value_names().unwrap_or_default().iter().map(ToString::to_string).collect::<Vec<_>>();
    let value = value.join(" ").replace('|', "\\|");
    let may_be_left_out = arg.get_num_args().is_some_and(|range| range.min_values() == 0);
    match (names.is_empty(), takes_value) {
        (true, _) => value,
        (false, true) if may_be_left_out => format!("{}[={value}]", names.join(", ")),
        (false, true) => format!("{} {value}", names.join(", ")),
        (false, false) => names.join(", "),
    }
}

fn extras(arg: &Arg) -> String {
    let mut extras = Vec::new();
    let values: Vec<String> =
        arg.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect();
    if !values.is_empty() && arg.get_action().takes_values() {
        extras.push(values.join(", "));
    }
    let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if !defaults.is_empty() && arg.get_action().takes_values() {
        extras.push(format!("default `{}`", defaults.join(" ")));
    }
    if let Some(variable) = arg.get_env() {
        extras.push(format!("also from `{}`", variable.to_string_lossy()));
    }
    if extras.is_empty() { String::new() } else { format!(" ({})", extras.join("; ")) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn arguments_make_sense() {
        Args::command().debug_assert();
    }

    /// `UPDATE=1 cargo test -p cli` writes it anew.
    #[test]
    fn the_reference_is_current() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/cli.md");
        if std::env::var_os("UPDATE").is_some() {
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(&path, markdown()).unwrap();
        }
        let kept = fs_err::read_to_string(&path).unwrap();
        assert!(
            kept == markdown(),
            "docs/reference/cli.md is not current; UPDATE=1 cargo test -p cli reference"
        );
    }
}
