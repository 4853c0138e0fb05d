//! Settings written as TOML: what a version keeps, for people to read and to say again with `--settings`.

use std::fmt::Write;
use std::time::Duration;

use serde_json::Value as Json;
use toml_edit::{Array, Value};

use super::app::AppSettings;
use super::conflicts::is_idle;
use super::keys::{APP_KEYS, Default, Key, Kind};
use super::read::join;
use crate::units::{Size, format_duration};

/// Merged settings with every key, in units that people read. A key without a value, or one that the kind of its check
/// ignores, stands there as a comment. What is read back is the same settings; secrets stay references.
pub fn to_toml(settings: &AppSettings) -> String {
    let all = serde_json::to_value(settings).expect("settings have text keys");
    let is_map = |key: &&Key| matches!(key.kind, Kind::Ports | Kind::Variables);
    let (maps, keys): (Vec<&Key>, Vec<&Key>) = APP_KEYS.iter().partition(is_map);
    let (top, sections): (Vec<&Key>, Vec<&Key>) = keys.into_iter().partition(|key| key.section().is_empty());
    let mut out = String::new();
    let mut section = "";
    for key in top.into_iter().chain(sections) {
        if key.section() != section {
            section = key.section();
            push(&mut out, format_args!("\n[{section}]\n"));
        }
        let idle = if is_idle(settings, key.path) { "# " } else { "" };
        assignment(&mut out, idle, key, find(&all, key.path));
    }
    for key in maps {
        map(&mut out, key, find(&all, key.path));
    }
    out
}

fn find<'a>(all: &'a Json, path: &str) -> &'a Json {
    path.split('.').fold(all, |value, name| &value[name])
}

fn assignment(out: &mut String, idle: &str, key: &Key, value: &Json) {
    match (value, &key.default) {
        (Json::Null, Default::Unset(meaning, _)) => {
            push(out, format_args!("# {} is not said: {meaning}\n", key.name()));
        }
        (Json::Null, Default::Is(toml)) => push(out, format_args!("{idle}{} = {toml}\n", key.name())),
        (value, _) => push(out, format_args!("{idle}{} = {}\n", key.name(), in_units(&key.kind, value))),
    }
}

fn map(out: &mut String, key: &Key, value: &Json) {
    let Some(entries) = value.as_object().filter(|entries| !entries.is_empty()) else { return };
    push(out, format_args!("\n[{}]\n", key.path));
    for (name, value) in entries {
        push(out, format_args!("{} = {}\n", join("", name), plain(value)));
    }
}

/// A stored value as the file has it.
fn in_units(kind: &Kind, value: &Json) -> Value {
    match (kind, value.as_u64()) {
        (Kind::Duration { .. }, Some(ms)) => format_duration(Duration::from_millis(ms)).into(),
        (Kind::Size { .. } | Kind::Limit { bytes: true }, Some(bytes)) => Size(bytes).to_string().into(),
        _ => plain(value),
    }
}

fn plain(value: &Json) -> Value {
    match value {
        Json::Bool(is) => (*is).into(),
        Json::Number(number) => number.as_i64().unwrap_or(i64::MAX).into(),
        Json::String(text) => text.as_str().into(),
        Json::Array(values) => Value::Array(values.iter().map(plain).collect::<Array>()),
        // No key holds either of them; a test writes every key.
        Json::Null | Json::Object(_) => Value::from(""),
    }
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = out.write_fmt(text);
}
