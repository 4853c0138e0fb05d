//! TOML tables become layers, by the table of keys.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde_json::{Value as Json, json};
use toml_edit::{Document, Item, TableLike};

use super::keys::{APP_KEYS, HOST_KEYS, Key, Kind};
use super::layer::Said;
use super::problem::{Problem, Problems};
use super::reserved::reserved_variable;
use super::source::Source;
use super::suggest::nearest;
use super::value::{Fault, read, type_name};
use super::variable::VariableValue;
use crate::names::VariableName;

/// A file, and what stands before the keys of the table that is read.
pub(super) struct Place<'a> {
    pub(super) source: &'a Source,
    /// Such as `apps.shop.`; empty at top level.
    pub(super) prefix: &'a str,
}

impl Place<'_> {
    pub(super) fn problem(&self, path: &str, span: Option<Range<usize>>, fault: Fault) -> Problem {
        let key = format!("{}{path}", self.prefix);
        self.source.locate(&key, fault.span.or(span)).problem(fault.message, fault.remedy)
    }
}

/// Reads a file's syntax; TOML's own rules stop at the first mistake.
pub(super) fn parse(source: &Source) -> Result<Document<&str>, Box<Problem>> {
    Document::parse(source.text.as_str()).map_err(|error| {
        let message = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
        let remedy = "mend it; the rest of the file is not checked until then";
        Box::new(source.locate("", error.span()).problem(format!("not TOML: {message}"), remedy))
    })
}

/// What a table says.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Reading {
    /// By key path; entries of `ports` and `variables` as `ports.NAME`.
    pub(super) said: BTreeMap<String, Said>,
    /// Paths whose values could not be read: what depends on them cannot be judged. The empty path is the whole.
    pub(super) faults: BTreeSet<String>,
}

impl Reading {
    /// A file that could not be read at all.
    pub(super) fn unreadable() -> Reading {
        Reading { said: BTreeMap::new(), faults: BTreeSet::from([String::new()]) }
    }
}

/// Reads one table, sections included.
pub(super) fn read_table(
    place: &Place<'_>,
    keys: &[Key],
    table: &dyn TableLike,
    problems: &mut Problems,
) -> Reading {
    let mut reader = Reader { place, keys, reading: Reading::default(), problems };
    reader.section("", table);
    reader.reading
}

struct Reader<'a> {
    place: &'a Place<'a>,
    keys: &'a [Key],
    reading: Reading,
    problems: &'a mut Problems,
}

impl Reader<'_> {
    fn section(&mut self, section: &str, table: &dyn TableLike) {
        for (name, item) in table.iter() {
            let path = join(section, name);
            let at = key_span(table, name, item);
            let keys = self.keys;
            if let Some(key) = keys.iter().find(|key| key.path == path) {
                self.key(key, at, item);
            } else if !is_section(keys, &path) {
                self.fault(&path, at, unknown(keys, self.place.prefix, section, name));
            } else if let Some(inner) = item.as_table_like() {
                self.section(&path, inner);
            } else {
                let message = format!("is {}, not a table", type_name(item));
                self.fault(&path, at, Fault::new(message, format!("write [{}{path}]", self.place.prefix)));
            }
        }
    }

    fn key(&mut self, key: &Key, at: Option<Range<usize>>, item: &Item) {
        let read_entry: fn(&str, &Item) -> Result<Json, Fault> = match key.kind {
            Kind::Ports => port,
            Kind::Variables => variable,
            _ => {
                match read(key, item) {
                    Ok(value) => self.say(key.path, at, value),
                    Err(faults) => {
                        faults.into_iter().for_each(|fault| self.fault(key.path, at.clone(), fault))
                    }
                }
                return;
            }
        };
        let Some(table) = item.as_table_like() else {
            let message = format!("is {}, not a table", type_name(item));
            let remedy = format!("write [{}{}]", self.place.prefix, key.path);
            self.fault(key.path, at, Fault::new(message, remedy));
            return;
        };
        for (name, item) in table.iter() {
            let path = join(key.path, name);
            let at = key_span(table, name, item);
            match variable_name(name).and_then(|()| read_entry(name, item)) {
                Ok(value) => self.say(&path, at, value),
                Err(fault) => self.fault(&path, at, fault),
            }
        }
    }

    fn say(&mut self, path: &str, span: Option<Range<usize>>, value: Json) {
        let at = self.place.source.locate(&format!("{}{path}", self.place.prefix), span);
        self.reading.said.insert(path.to_owned(), Said { value, at });
    }

    fn fault(&mut self, path: &str, span: Option<Range<usize>>, fault: Fault) {
        self.problems.push(self.place.problem(path, span, fault));
        self.reading.faults.insert(path.to_owned());
    }
}

/// A path as TOML writes it.
pub(super) fn join(section: &str, name: &str) -> String {
    let bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    let name = if bare { name.to_owned() } else { format!("{name:?}") };
    if section.is_empty() { name } else { format!("{section}.{name}") }
}

/// Where the key stands; for a table that only its children name, where the first of them does.
pub(super) fn key_span(table: &dyn TableLike, name: &str, item: &Item) -> Option<Range<usize>> {
    table.get_key_value(name).and_then(|(key, _)| key.span()).or_else(|| item.span())
}

fn is_section(keys: &[Key], path: &str) -> bool {
    keys.iter().any(|key| key.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

fn variable_name(name: &str) -> Result<(), Fault> {
    if let Some((why, remedy)) = reserved_variable(name) {
        return Err(Fault::new(why, remedy));
    }
    match name.parse::<VariableName>() {
        Ok(_) => Ok(()),
        Err(error) => Err(Fault::new(error.to_string(), "choose another name")),
    }
}

fn port(_: &str, item: &Item) -> Result<Json, Fault> {
    let message = match item.as_integer() {
        Some(port) if (1..=65535).contains(&port) => return Ok(json!(port)),
        Some(port) => format!("{port} is out of range"),
        None => format!("is {}, not a whole number", type_name(item)),
    };
    Err(Fault::new(message, "choose 1 to 65535"))
}

/// Never quotes the value: it may be a secret.
fn variable(name: &str, item: &Item) -> Result<Json, Fault> {
    let Some(text) = item.as_str() else {
        let message = format!("is {}, not text", type_name(item));
        return Err(Fault::new(message, format!("put it in quotes: {name} = \"…\"")));
    };
    match text.parse::<VariableValue>() {
        Ok(value) => Ok(json!(value)),
        Err(error) => Err(Fault::new(error.to_string(), "mend it, or write the value without \"secret:\"")),
    }
}

/// Names what was probably meant: a neighbour, the same name elsewhere, or a key of the other table.
fn unknown(keys: &[Key], prefix: &str, section: &str, name: &str) -> Fault {
    let fault = |remedy: String| Fault::new("is not a setting", remedy);
    let is_host = std::ptr::eq(keys, HOST_KEYS);
    let path = join(section, name);
    if is_host && (is_section(APP_KEYS, &path) || APP_KEYS.iter().any(|key| key.path == path)) {
        return fault(format!("it belongs to an app: write it as apps.NAME.{path}"));
    }
    if !is_host && name == "apps" && section.is_empty() && prefix.is_empty() {
        return fault(
            "this file is one app's table: write its keys at the top, without [apps.NAME]".to_owned(),
        );
    }
    if let Some(meant) = nearest(name, children(keys, section)) {
        return fault(format!("did you mean {:?}?", join(section, meant)));
    }
    if let Some(key) = keys.iter().find(|key| key.name() == name) {
        return fault(format!("did you mean {:?}?", key.path));
    }
    if !is_host && HOST_KEYS.iter().any(|key| key.path == path) {
        return fault("it belongs to the host: move it to the top of config.toml".to_owned());
    }
    if section.is_empty() {
        return fault("remove it; the reference of settings lists all".to_owned());
    }
    let all = children(keys, section).collect::<Vec<_>>().join(", ");
    fault(format!("remove it; [{section}] has {all}"))
}

/// Names that may stand in a section: its keys and its sections.
fn children<'a>(keys: &'a [Key], section: &'a str) -> impl Iterator<Item = &'a str> {
    let mut last = "";
    let inside = move |path: &'a str| match section {
        "" => Some(path),
        section => path.strip_prefix(section)?.strip_prefix('.'),
    };
    let apps = (section.is_empty() && std::ptr::eq(keys, HOST_KEYS)).then_some("apps");
    keys.iter()
        .filter_map(move |key| inside(key.path))
        .map(|rest| rest.split('.').next().unwrap_or(rest))
        .filter(move |name| std::mem::replace(&mut last, name) != *name)
        .chain(apps)
}
