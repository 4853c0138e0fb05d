//! The reference and the example file, written from the table of keys.

use std::fmt::Write;

use super::keys::{APP_KEYS, Default, HOST_KEYS, Key, Owner};
use super::reserved;

/// The reference of all settings, in Markdown.
pub fn reference() -> String {
    let mut out = String::from("# Settings\n\n");
    out.push_str(INTRODUCTION);
    out.push_str("\n## Host\n\nAt the top of `config.toml`.\n\n");
    tables(&mut out, HOST_KEYS, 3);
    out.push_str("\n## App\n\nIn `[apps.NAME]` of `config.toml`, at the top of `apps/NAME.toml`, of a package's `bellrock.toml` and of the file that `--settings` names. Keys marked * may not stand in a package: only the host may say them.\n\n");
    tables(&mut out, APP_KEYS, 3);
    out.push_str("\n## Variables that settings may not say\n\n| name | why |\n|---|---|\n");
    for (name, why) in reserved::all() {
        push(&mut out, format_args!("| `{name}` | {why} |\n"));
    }
    out
}

const INTRODUCTION: &str = "\
Settings are TOML. For an app, later wins, key by key: what the host says for all apps \
(`log`), the package's own `bellrock.toml`, the host's `config.toml` \
(`[apps.NAME]`), the host's `apps/NAME.toml`, and the file that `--settings` names. What comes out is stored with the \
version.

Durations are text with a unit: `\"250 ms\"`, `\"30 s\"`, `\"2 min\"`, `\"1 h\"`, `\"7 days\"`. Sizes too: `\"10 MB\"` \
(10⁷ bytes), `\"64 MiB\"` (2²⁶ bytes). A command is text, split at white space with quotes as in a shell, or an array \
of text; no shell ever runs it.
";

fn tables(out: &mut String, keys: &[Key], level: usize) {
    let mut section = None;
    // A section's keys stand together in the table; those of no section come first.
    let (top, sections): (Vec<&Key>, Vec<&Key>) = keys.iter().partition(|key| key.section().is_empty());
    for key in top.into_iter().chain(sections) {
        if section != Some(key.section()) {
            if section.is_some() {
                out.push('\n');
            }
            if !key.section().is_empty() {
                push(out, format_args!("{} `{}`\n\n", "#".repeat(level), key.section()));
            }
            out.push_str("| key | type | default | what it does | since |\n|---|---|---|---|---|\n");
            section = Some(key.section());
        }
        row(out, key, std::ptr::eq(keys, APP_KEYS));
    }
}

fn row(out: &mut String, key: &Key, of_app: bool) {
    let star = if of_app && key.owner == Owner::Host { " *" } else { "" };
    let default = match key.default {
        Default::Is(toml) => format!("`{toml}`"),
        Default::Unset(meaning, _) => meaning.to_owned(),
    };
    push(
        out,
        format_args!(
            "| `{}`{star} | {} | {default} | {} | {} |\n",
            key.path,
            key.kind.describe(),
            key.doc,
            key.since
        ),
    );
}

/// A `config.toml` with every key as a comment, its default or an example after it.
pub fn example() -> String {
    let mut out = String::from(
        "# Bellrock's settings on this host. What stands here as a comment is the default, or an example.\n",
    );
    assignments(&mut out, HOST_KEYS, "");
    out.push_str(
        "\n# One table for each app; or the same keys at the top of apps/NAME.toml.\n# [apps.shop]\n",
    );
    assignments(&mut out, APP_KEYS, "apps.shop");
    out
}

fn assignments(out: &mut String, keys: &[Key], table: &str) {
    let (top, sections): (Vec<&Key>, Vec<&Key>) = keys.iter().partition(|key| key.section().is_empty());
    let mut section = "";
    for key in top.into_iter().chain(sections) {
        if key.section() != section {
            section = key.section();
            let path = if table.is_empty() { section.to_owned() } else { format!("{table}.{section}") };
            push(out, format_args!("\n# [{path}]\n"));
        }
        let unset = match key.default {
            Default::Is(_) => String::new(),
            Default::Unset(meaning, _) => format!(" Default: {meaning}."),
        };
        push(out, format_args!("\n# {}{unset}\n# {} = {}\n", key.doc, key.name(), key.sample()));
    }
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = out.write_fmt(text);
}
