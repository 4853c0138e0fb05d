//! Values at the edge to the network: names of hosts, paths, media types, addresses, certificates' files.

use std::net::{IpAddr, SocketAddr};

use serde_json::{Value as Json, json};
use toml_edit::Item;

use super::keys::Key;
use super::network::{BadNetwork, Network};
use super::value::{Fault, path, quote, url_path, wrong_type};

/// A host's name as requests carry it: RFC 1123 labels in lower case, or an address; `*.` in front is any one label.
pub(super) fn host_name(text: &str) -> Result<Json, Fault> {
    let name = text.strip_prefix("*.").unwrap_or(text);
    let is_wild = name.len() < text.len();
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    if let (false, Ok(address)) = (is_wild, bare.parse::<IpAddr>()) {
        return match address {
            IpAddr::V4(_) if bare == text => Ok(json!(text)),
            // As a request's Host has it (RFC 3986, 3.2.2).
            address => Ok(json!(format!("[{address}]"))),
        };
    }
    if text.contains('*') && (!is_wild || name.contains('*')) {
        let message = format!("{} has a * where none may be", quote(text));
        return Err(Fault::new(message, "write it like \"*.example.com\": one label, in front"));
    }
    if text.contains(':') {
        let message = format!("{} has a port or a scheme", quote(text));
        return Err(Fault::new(message, "write the name alone, like \"shop.example.com\""));
    }
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    };
    if name.len() > 253 || !name.split('.').all(is_label) {
        let message = format!("{} is not the name of a host", quote(text));
        return Err(Fault::new(message, "write it like \"shop.example.com\" (xn-- for other than ASCII)"));
    }
    Ok(json!(text.to_ascii_lowercase()))
}

/// The beginning of a path: `/shop` is also the beginning of `/shop/cart`, and not of `/shopping`.
pub(super) fn path_prefix(text: &str) -> Result<Json, Fault> {
    if !text.starts_with('/') {
        let message = format!("{} does not start with \"/\"", quote(text));
        return Err(Fault::new(message, "write it like \"/shop\""));
    }
    url_path(text)?;
    if text.contains('?') {
        let message = format!("{} has a query", quote(text));
        return Err(Fault::new(message, "write the path alone, like \"/shop\""));
    }
    if text.split('/').any(|segment| segment == "." || segment == "..") || text.contains("//") {
        let message = format!("{} is no path that a request would have", quote(text));
        return Err(Fault::new(message, "write it without \"..\", \".\" and \"//\""));
    }
    let whole = text.trim_end_matches('/');
    Ok(json!(if whole.is_empty() { "/" } else { whole }))
}

/// `type/subtype` or `type/*` (RFC 9110, 8.3.1), in lower case.
pub(super) fn media_type(text: &str) -> Result<Json, Fault> {
    let is_token = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "!#$&^_.+-".contains(c))
    };
    match text.split_once('/') {
        Some((kind, subtype)) if is_token(kind) && (subtype == "*" || is_token(subtype)) => {
            Ok(json!(text.to_ascii_lowercase()))
        }
        _ => {
            let message = format!("{} is not a media type", quote(text));
            Err(Fault::new(message, "write it like \"text/event-stream\", without parameters"))
        }
    }
}

/// Where to listen.
pub(super) fn address(text: &str) -> Result<Json, Fault> {
    match text.parse::<SocketAddr>() {
        Ok(address) if address.port() != 0 => Ok(json!(address)),
        _ => {
            let message = format!("{} is not an IP address with a port", quote(text));
            Err(Fault::new(message, "write it like \"127.0.0.1:8080\" or \"[::]:443\""))
        }
    }
}

/// A network, or one address.
pub(super) fn network(text: &str) -> Result<Json, Fault> {
    text.parse::<Network>().map(|network| json!(network)).map_err(|error| {
        let remedy = match &error {
            BadNetwork::NotOne(_) => "write it like \"10.0.0.0/8\" or \"::1\"".to_owned(),
            BadNetwork::Bits { most, .. } => format!("choose 0 to {most} after the \"/\""),
            BadNetwork::Inside { network, .. } => format!("write \"{network}\" for all of it"),
        };
        Fault::new(error.to_string(), remedy)
    })
}

/// The two files of a certificate.
pub(super) fn certificate(key: &Key, item: &Item) -> Result<Json, Fault> {
    let table = item.as_table_like().ok_or_else(|| wrong_type(key, item, "a table of chain and key"))?;
    let example = || format!("write it like {}", key.sample().trim_matches(['[', ']']));
    let unknown = table.iter().map(|(name, _)| name).find(|name| !["chain", "key"].contains(name));
    if let Some(name) = unknown {
        return Err(Fault::new(format!("{} is none of its keys", quote(name)), example()));
    }
    let file = |name: &str| {
        let text = table.get(name).and_then(Item::as_str);
        let text = text.ok_or_else(|| Fault::new(format!("names no file as {name}"), example()))?;
        path(text)
    };
    Ok(json!({ "chain": file("chain")?, "key": file("key")? }))
}
