//! One value of a file becomes the JSON that its struct's field reads, or faults.

use std::ops::Range;
use std::time::Duration;

use serde_json::{Value as Json, json};
use toml_edit::{Item, Value};

use super::assets::folder_pattern;
use super::canary::{header_name, percent};
use super::command::{BadCommand, Command, PreCommand};
use super::edge::{address, certificate, host_name, media_type, network, path_prefix};
use super::hot::{application_name, each_module_once, finding_code, module_override};
use super::keys::{Key, Kind, Refused};
use super::limits::Umask;
use super::suggest::nearest;
use super::{Function, PortName};
use crate::names::MeshName;
use crate::units::{BadUnit, Size, format_duration, parse_duration};

/// What is wrong with a value.
#[derive(Debug)]
pub(super) struct Fault {
    /// Where, when it is not the value as a whole.
    pub(super) span: Option<Range<usize>>,
    pub(super) message: String,
    pub(super) remedy: String,
}

impl Fault {
    pub(super) fn new(message: impl Into<String>, remedy: impl Into<String>) -> Fault {
        Fault { span: None, message: message.into(), remedy: remedy.into() }
    }
}

/// Reads a value by the key's kind. Maps are read entry by entry elsewhere.
pub(super) fn read(key: &Key, item: &Item) -> Result<Json, Vec<Fault>> {
    let one = |result: Result<Json, Fault>| result.map_err(|fault| vec![fault]);
    match &key.kind {
        Kind::Bool => {
            one(item.as_bool().map(Json::from).ok_or_else(|| wrong_type(key, item, "true or false")))
        }
        Kind::Integer { min, max } => one(integer(key, item, *min, *max)),
        Kind::Duration { min, max } => one(duration(key, item, *min, *max)),
        Kind::Size { min, max } => one(size(key, item, *min, *max)),
        Kind::Limit { bytes } => one(limit(key, item, *bytes)),
        Kind::Choice { words, refused } => one(choice(key, item, words, refused)),
        Kind::Umask => one(umask(key, item)),
        Kind::Word => one(text(key, item).and_then(word)),
        Kind::Path => one(text(key, item).and_then(path)),
        Kind::UrlPath => one(text(key, item).and_then(url_path)),
        Kind::MeshName => one(text(key, item).and_then(mesh_name)),
        Kind::Function => one(text(key, item).and_then(function)),
        Kind::PortName => one(text(key, item).and_then(port_name)),
        Kind::Command => one(command(key, item)),
        Kind::Commands => array(key, item, "command", command),
        Kind::PreCommand => one(pre_command(key, item)),
        Kind::PreCommands => array(key, item, "command", pre_command),
        Kind::HostNames => array(key, item, "name", |key, item| text(key, item).and_then(host_name)),
        Kind::PathPrefixes => array(key, item, "path", |key, item| text(key, item).and_then(path_prefix)),
        Kind::FolderPattern => one(text(key, item).and_then(folder_pattern)),
        Kind::MediaTypes => array(key, item, "type", |key, item| text(key, item).and_then(media_type)),
        Kind::HeaderName => one(text(key, item).and_then(header_name)),
        Kind::FindingCodes => array(key, item, "code", |key, item| text(key, item).and_then(finding_code)),
        Kind::ApplicationNames => {
            array(key, item, "name", |key, item| text(key, item).and_then(application_name))
        }
        Kind::ModuleOverrides => {
            array(key, item, "module", |key, item| text(key, item).and_then(module_override))
                .and_then(each_module_once)
        }
        Kind::Percents => array(key, item, "step", percent),
        Kind::Addresses => array(key, item, "address", |key, item| text(key, item).and_then(address)),
        Kind::Networks => array(key, item, "network", |key, item| text(key, item).and_then(network)),
        Kind::Certificates => array(key, item, "certificate", certificate),
        Kind::Ports | Kind::Variables => one(Err(wrong_type(key, item, "a table"))),
    }
}

/// What a person would call the value's type.
pub(super) fn type_name(item: &Item) -> &'static str {
    match item {
        Item::None => "nothing",
        Item::Table(_) | Item::Value(Value::InlineTable(_)) => "a table",
        Item::ArrayOfTables(_) => "an array of tables",
        Item::Value(Value::String(_)) => "text",
        Item::Value(Value::Integer(_)) => "a number",
        Item::Value(Value::Float(_)) => "a number with a fraction",
        Item::Value(Value::Boolean(_)) => "true or false",
        Item::Value(Value::Datetime(_)) => "a date",
        Item::Value(Value::Array(_)) => "an array",
    }
}

/// The text as a message quotes it: in quotes, and not without end.
pub(super) fn quote(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{:?}…", &text[..cut]),
        None => format!("{text:?}"),
    }
}

pub(super) fn wrong_type(key: &Key, item: &Item, wanted: &str) -> Fault {
    let message = format!("is {}, not {wanted}", type_name(item));
    Fault::new(message, format!("write it like {} = {}", key.name(), key.sample()))
}

pub(super) fn text<'a>(key: &Key, item: &'a Item) -> Result<&'a str, Fault> {
    item.as_str().ok_or_else(|| wrong_type(key, item, "text"))
}

fn integer(key: &Key, item: &Item, min: i64, max: i64) -> Result<Json, Fault> {
    let number = item.as_integer().ok_or_else(|| wrong_type(key, item, "a whole number"))?;
    if (min..=max).contains(&number) {
        return Ok(json!(number));
    }
    Err(Fault::new(format!("{number} is out of range"), format!("choose {min} to {max}")))
}

fn duration(key: &Key, item: &Item, min: Duration, max: Duration) -> Result<Json, Fault> {
    let unit = key.sample().trim_matches('"').split_whitespace().next_back().unwrap_or("s");
    if let Some(number) = item.as_integer() {
        return Err(no_unit(number, unit));
    }
    let text = text(key, item)?;
    let duration =
        parse_duration(text).map_err(|error| bad_unit(text, &error, unit, "ms, s, min, h and days"))?;
    if (min..=max).contains(&duration) {
        return Ok(json!(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)));
    }
    let range = format!("choose \"{}\" to \"{}\"", format_duration(min), format_duration(max));
    Err(Fault::new(format!("{} is out of range", quote(text)), range))
}

fn size(key: &Key, item: &Item, min: u64, max: u64) -> Result<Json, Fault> {
    let size = size_in_bytes(key, item)?;
    if (min..=max).contains(&size) {
        return Ok(json!(size));
    }
    let range = format!("choose \"{}\" to \"{}\"", Size(min), Size(max));
    Err(Fault::new(format!("\"{}\" is out of range", Size(size)), range))
}

fn size_in_bytes(key: &Key, item: &Item) -> Result<u64, Fault> {
    if let Some(number) = item.as_integer() {
        return Err(no_unit(number, "MB"));
    }
    let text = text(key, item)?;
    let size: Size =
        text.parse().map_err(|error| bad_unit(text, &error, "MB", "B, kB, MB, GB, KiB, MiB and GiB"))?;
    Ok(size.bytes())
}

fn no_unit(number: i64, unit: &str) -> Fault {
    Fault::new(format!("{number} has no unit"), format!("write \"{} {unit}\"", number.unsigned_abs()))
}

fn bad_unit(text: &str, error: &BadUnit, unit: &str, units: &str) -> Fault {
    let digits: String = text.trim().chars().take_while(char::is_ascii_digit).collect();
    match error {
        BadUnit::NoUnit(number) if *number == digits => {
            Fault::new(error.to_string(), format!("write \"{digits} {unit}\""))
        }
        BadUnit::NoUnit(_) => Fault::new(error.to_string(), "write a unit after each number"),
        BadUnit::UnknownUnit(_) => Fault::new(error.to_string(), format!("use one of {units}")),
        BadUnit::NotANumber(_, what) => Fault::new(
            format!("{} is not {what}", quote(text)),
            format!("write a whole number and a unit, like \"30 {unit}\""),
        ),
        BadUnit::TooLarge(_) => Fault::new(format!("{} is too large", quote(text)), "choose less"),
    }
}

fn limit(key: &Key, item: &Item, bytes: bool) -> Result<Json, Fault> {
    if item.as_str() == Some("unlimited") {
        return Ok(json!("unlimited"));
    }
    if bytes {
        return size_in_bytes(key, item).map(Json::from);
    }
    integer(key, item, 1, i64::MAX).map_err(|fault| match item.as_integer() {
        Some(_) => Fault::new(fault.message, "choose 1 or more, or \"unlimited\""),
        None => fault,
    })
}

fn choice(key: &Key, item: &Item, words: &[&'static str], refused: &[Refused]) -> Result<Json, Fault> {
    let word = text(key, item)?;
    if words.contains(&word) {
        return Ok(json!(word));
    }
    if let Some(refused) = refused.iter().find(|refused| refused.word == word) {
        return Err(Fault::new(format!("{word:?} {}", refused.why), refused.remedy));
    }
    let all = words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ");
    let remedy = match nearest(word, words.iter().copied()) {
        Some(meant) => format!("did you mean {meant:?}?"),
        None => "choose one of them".to_owned(),
    };
    Err(Fault::new(format!("{} is none of {all}", quote(word)), remedy))
}

fn umask(key: &Key, item: &Item) -> Result<Json, Fault> {
    if let Some(number) = item.as_integer() {
        let fault = format!("{number} is a decimal number, and a umask is octal");
        return Err(Fault::new(fault, "write it as text, like \"027\""));
    }
    let mask: Umask = text(key, item)?
        .parse()
        .map_err(|error: super::limits::BadUmask| Fault::new(error.to_string(), "write it like \"027\""))?;
    Ok(json!(mask))
}

fn word(text: &str) -> Result<Json, Fault> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let dots = text.chars().all(|c| c == '.');
    if !text.is_empty() && text.len() <= 255 && !dots && !text.starts_with('-') && text.chars().all(plain) {
        return Ok(json!(text));
    }
    let remedy = "use letters, digits, '_', '-' and '.', not starting with '-'";
    Err(Fault::new(format!("{} is not a name", quote(text)), remedy))
}

pub(super) fn path(text: &str) -> Result<Json, Fault> {
    if text.contains('\0') {
        return Err(Fault::new("holds a NUL character", "remove it"));
    }
    if text.starts_with('/') {
        return Ok(json!(text));
    }
    let message = format!("{} is not an absolute path", quote(text));
    Err(Fault::new(message, "start it with \"/\""))
}

pub(super) fn url_path(text: &str) -> Result<Json, Fault> {
    if !text.starts_with('/') {
        let message = format!("{} does not start with \"/\"", quote(text));
        return Err(Fault::new(message, "write it like \"/health\""));
    }
    if text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '#') {
        let message = format!("{} holds a character that no request may hold", quote(text));
        return Err(Fault::new(message, "percent-encode it, like %20 for a space"));
    }
    Ok(json!(text))
}

fn mesh_name(text: &str) -> Result<Json, Fault> {
    match text.parse::<MeshName>() {
        Ok(name) => Ok(json!(name)),
        Err(error) => Err(Fault::new(error.to_string(), "write a plain name, like \"harbour\"")),
    }
}

fn function(text: &str) -> Result<Json, Fault> {
    match text.parse::<Function>() {
        Ok(function) => Ok(json!(function)),
        Err(error) => {
            let remedy = "write it like \"Elixir.Shop.Health:ready/0\" or \"shop_health:ready/0\"";
            Err(Fault::new(error.to_string(), remedy))
        }
    }
}

fn port_name(text: &str) -> Result<Json, Fault> {
    match text.parse::<PortName>() {
        Ok(name) => Ok(json!(name)),
        Err(error) => Err(Fault::new(error.to_string(), "write \"PORT\" or a key of `ports`")),
    }
}

fn bad_command(error: BadCommand) -> Fault {
    let remedy = match error {
        BadCommand::Empty => "name a program, or remove it",
        BadCommand::OpenQuote(_) => "close it, or put a backslash before it",
        BadCommand::LastBackslash => "write two backslashes for one",
        BadCommand::Nul => "remove it",
        BadCommand::NoExpression(_) => "write it like \"eval Shop.Release.migrate()\"",
        BadCommand::OutsidePackage => "write it like \"bin/migrate\"",
    };
    Fault::new(error.to_string(), remedy)
}

fn command(key: &Key, item: &Item) -> Result<Json, Fault> {
    let command = match item {
        Item::Value(Value::String(line)) => Command::split(line.value()),
        Item::Value(Value::Array(words)) => {
            let words: Option<Vec<String>> =
                words.iter().map(|word| word.as_str().map(str::to_owned)).collect();
            let words = words.ok_or_else(|| {
                Fault::new(
                    "holds arguments that are not text",
                    "write it like [\"bin/warm-cache\", \"--all\"]",
                )
            })?;
            Command::try_from(words)
        }
        _ => return Err(wrong_type(key, item, "a command")),
    };
    command.map(|command| json!(command)).map_err(bad_command)
}

fn pre_command(key: &Key, item: &Item) -> Result<Json, Fault> {
    let command = PreCommand::parse(text(key, item)?).map_err(bad_command)?;
    Ok(json!(command))
}

/// Reads each element; all faults are told, each with the element's number and place.
fn array(
    key: &Key,
    item: &Item,
    noun: &str,
    read: fn(&Key, &Item) -> Result<Json, Fault>,
) -> Result<Json, Vec<Fault>> {
    let Some(elements) = item.as_array() else {
        return Err(vec![wrong_type(key, item, "an array")]);
    };
    let mut values = Vec::new();
    let mut faults = Vec::new();
    for (nth, element) in elements.iter().enumerate() {
        match read(key, &Item::Value(element.clone())) {
            Ok(value) => values.push(value),
            Err(fault) => faults.push(Fault {
                span: element.span(),
                message: format!("{noun} {}: {}", nth + 1, fault.message),
                remedy: fault.remedy,
            }),
        }
    }
    if faults.is_empty() { Ok(Json::Array(values)) } else { Err(faults) }
}
