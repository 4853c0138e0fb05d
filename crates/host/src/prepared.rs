//! What makes two prepare commands the same.
//!
//! A prepare command is run once per host and content. The content is the command's text, and the digest of each file
//! of the package that it names: its program, and its arguments that are paths of files in the package (of a link, its
//! target). It does not
//! depend on the app: two apps that install the same do it once. What a command reads besides (other files of the
//! package, the network) is not seen; name such a file as an argument, and a change of it runs the command again.

use std::fmt::Write;

use model::settings::Command;
use package::manifest::{Manifest, Node};

/// The content of a prepare command of a package.
pub(crate) fn content(command: &Command, manifest: &Manifest) -> String {
    let mut content = command.to_string();
    let words = std::iter::once(command.executable()).chain(command.arguments().iter().map(String::as_str));
    for word in words {
        let path = word.strip_prefix("./").unwrap_or(word);
        // Writing to a string cannot fail.
        let _ = match manifest.get(path) {
            Some(Node::File { sha256, .. }) => write!(content, "\n{path} {sha256}"),
            Some(Node::Link { target }) => write!(content, "\n{path} -> {target}"),
            Some(Node::Folder) | None => Ok(()),
        };
    }
    content
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &[&str], files: &[(&str, &str)]) -> String {
        let entry = |(path, digit): &(&str, &str)| {
            serde_json::json!({
                "path": path, "kind": "file", "mode": 0o555, "size": 1, "modified": 0, "sha256": digit.repeat(64),
            })
        };
        let entries: Vec<_> = files.iter().map(entry).collect();
        let manifest: Manifest = serde_json::from_value(serde_json::json!({ "entries": entries })).unwrap();
        content(&serde_json::from_value(serde_json::json!(words)).unwrap(), &manifest)
    }

    #[test]
    fn the_same_text_with_another_program_or_argument_is_another_command() {
        let first = of(&["bin/setup", "lib/list.txt"], &[("bin/setup", "1"), ("lib/list.txt", "2")]);
        assert_eq!(first, of(&["bin/setup", "lib/list.txt"], &[("bin/setup", "1"), ("lib/list.txt", "2")]));
        assert_ne!(first, of(&["bin/setup", "lib/list.txt"], &[("bin/setup", "3"), ("lib/list.txt", "2")]));
        assert_ne!(first, of(&["bin/setup", "lib/list.txt"], &[("bin/setup", "1"), ("lib/list.txt", "3")]));
        assert_eq!(
            of(&["./bin/setup"], &[("bin/setup", "1")]),
            format!("./bin/setup\nbin/setup {}", "1".repeat(64))
        );
    }

    #[test]
    fn files_that_it_does_not_name_do_not_matter() {
        let command = ["apt-get", "install", "imagemagick"];
        assert_eq!(of(&command, &[("bin/setup", "1")]), of(&command, &[("bin/setup", "2")]));
    }
}
