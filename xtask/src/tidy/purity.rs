//! Pure crates ban IO, clocks and threads in a clippy.toml of their own. It replaces the root's, so
//! it must hold the whole list.

use super::{Crate, Problem};

/// Crates without IO, clocks and threads.
const PURE: &[&str] = &["wire", "beam", "model", "upgrade"];

/// What `disallowed-methods` must hold.
const METHODS: &[&str] = &[
    "std::fs::canonicalize",
    "std::fs::copy",
    "std::fs::create_dir",
    "std::fs::create_dir_all",
    "std::fs::exists",
    "std::fs::hard_link",
    "std::fs::metadata",
    "std::fs::read",
    "std::fs::read_dir",
    "std::fs::read_link",
    "std::fs::read_to_string",
    "std::fs::remove_dir",
    "std::fs::remove_dir_all",
    "std::fs::remove_file",
    "std::fs::rename",
    "std::fs::set_permissions",
    "std::fs::symlink_metadata",
    "std::fs::write",
    "std::path::Path::canonicalize",
    "std::path::Path::exists",
    "std::path::Path::is_dir",
    "std::path::Path::is_file",
    "std::path::Path::metadata",
    "std::path::Path::read_dir",
    "std::env::args",
    "std::env::current_dir",
    "std::env::temp_dir",
    "std::env::var",
    "std::env::var_os",
    "std::env::vars",
    "std::io::stderr",
    "std::io::stdin",
    "std::io::stdout",
    "std::process::abort",
    "std::process::exit",
    "std::process::id",
    "std::thread::scope",
    "std::thread::sleep",
    "std::thread::spawn",
    "std::time::Instant::now",
    "std::time::SystemTime::now",
    "jiff::Timestamp::now",
    "jiff::Zoned::now",
];

/// What `disallowed-types` must hold.
const TYPES: &[&str] = &[
    "std::fs::File",
    "std::fs::OpenOptions",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::UdpSocket",
    "std::os::unix::net::UnixDatagram",
    "std::os::unix::net::UnixListener",
    "std::os::unix::net::UnixStream",
    "std::process::Command",
];

pub(super) fn check(each: &Crate) -> Vec<Problem> {
    if !PURE.contains(&each.name.as_str()) {
        return Vec::new();
    }
    let file = each.manifest_path.with_file_name("clippy.toml");
    let Some(text) = &each.clippy else {
        return vec![Problem::new(file, "is missing: a pure crate bans IO there")];
    };
    match text.parse::<toml::Table>() {
        Ok(clippy) => [("disallowed-methods", METHODS), ("disallowed-types", TYPES)]
            .into_iter()
            .flat_map(|(key, wanted)| missing(&clippy, key, wanted))
            .map(|text| Problem::new(&file, text))
            .collect(),
        Err(error) => vec![Problem::new(file, error.message())],
    }
}

fn missing(clippy: &toml::Table, key: &'static str, wanted: &[&'static str]) -> Vec<String> {
    let entries = clippy.get(key).and_then(toml::Value::as_array);
    let banned: Vec<&str> = entries.into_iter().flatten().filter_map(path_of).collect();
    wanted
        .iter()
        .filter(|path| !banned.contains(*path))
        .map(|path| format!("{path} is not in {key}"))
        .collect()
}

/// Clippy takes a path alone or a table with a path and a reason.
fn path_of(entry: &toml::Value) -> Option<&str> {
    entry.as_str().or_else(|| entry.get("path")?.as_str())
}

#[cfg(test)]
mod tests {
    use super::super::crate_of;
    use super::*;

    fn texts(name: &str, clippy: Option<String>) -> Vec<String> {
        let each = Crate { clippy, ..crate_of(name, "") };
        check(&each).into_iter().map(|problem| problem.text).collect()
    }

    fn list(paths: &[&str]) -> String {
        let entries: Vec<_> =
            paths.iter().map(|path| format!("{{ path = \"{path}\", reason = \"r\" }}")).collect();
        format!("[{}]", entries.join(", "))
    }

    fn file(methods: &[&str]) -> Option<String> {
        Some(format!("disallowed-methods = {}\ndisallowed-types = {}", list(methods), list(TYPES)))
    }

    #[test]
    fn a_whole_list_is_fine() {
        assert!(texts("wire", file(METHODS)).is_empty());
    }

    #[test]
    fn what_is_missing_is_told() {
        assert_eq!(texts("model", None).len(), 1);
        let (without, rest) = METHODS.split_last().unwrap();
        assert_eq!(texts("model", file(rest)), [format!("{without} is not in disallowed-methods")]);
        assert_eq!(texts("beam", Some(String::new())).len(), METHODS.len() + TYPES.len());
        assert_eq!(texts("beam", Some("= =".to_owned())).len(), 1);
    }

    #[test]
    fn other_crates_are_free() {
        assert!(texts("host", None).is_empty());
    }
}
