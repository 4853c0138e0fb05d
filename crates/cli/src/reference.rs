//! The reference of the command line, made from the arguments themselves: docs/reference/cli.md.

use std::fmt::Write;

use clap::{Arg, Command, CommandFactory};

use crate::args::Args;
use crate::exit::Exit;

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
    text += "\n";
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
    about.map(ToString::to_string).unwrap_or_default()
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
        let _ = writeln!(text, "| `{}` | {}{} |", spelling(arg), help.replace('\n', " "), extras(arg));
    }
    text.push('\n');
}

fn spelling(arg: &Arg) -> String {
    let short = arg.get_short().map(|short| format!("-{short}"));
    let long = arg.get_long().map(|long| format!("--{long}"));
    let names: Vec<String> = short.into_iter().chain(long).collect();
    let takes_value = arg.get_action().takes_values();
    let value = arg.get_value_names().unwrap_or_default().iter().map(ToString::to_string).collect::<Vec<_>>();
    let value = value.join(" ").replace('|', "\\|");
    match (names.is_empty(), takes_value) {
        (true, _) => value,
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
