//! The file of options that a node's TLS is told of by `-ssl_dist_optfile`.
//!
//! Its form is that of OTP's "Using TLS for Erlang Distribution": one term, `[{server, Options}, {client, Options}].`
//! A node reads it once, when it starts; the files it names are read again when they change.

use std::fmt::Write;
use std::path::Path;

/// The text for a node whose certificate and key are in one file. Both sides show theirs and look at the other's: a
/// server refuses who shows none; a client also wants the host of the node's name in it.
pub(crate) fn text(trusted: &Path, node: &Path) -> String {
    let (trusted, node) = (quoted(trusted), quoted(node));
    let both = format!(
        "{{cacertfile, {trusted}}},\n   {{certfile, {node}}},\n   {{keyfile, {node}}},\n   {{verify, verify_peer}}"
    );
    format!(
        "%% written by bellrockd\n[{{server,\n  [{both},\n   {{fail_if_no_peer_cert, true}}]}},\n {{client,\n  [{both}]}}].\n"
    )
}

/// A path as an Erlang string; what is not plain is written by its number, whatever encoding the file is read in.
fn quoted(path: &Path) -> String {
    let mut text = String::from("\"");
    for letter in path.to_string_lossy().chars() {
        match letter {
            '"' | '\\' => text.extend(['\\', letter]),
            ' '..='~' => text.push(letter),
            // writing to a text does not fail
            other => drop(write!(text, "\\x{{{:x}}}", u32::from(other))),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_verify_and_quotes_do_not_end_a_string() {
        let text = text(Path::new("/r/trusted.pem"), Path::new("/r/a \"b\\ü/node.pem"));
        assert_eq!(
            text,
            r#"%% written by bellrockd
[{server,
  [{cacertfile, "/r/trusted.pem"},
   {certfile, "/r/a \"b\\\x{fc}/node.pem"},
   {keyfile, "/r/a \"b\\\x{fc}/node.pem"},
   {verify, verify_peer},
   {fail_if_no_peer_cert, true}]},
 {client,
  [{cacertfile, "/r/trusted.pem"},
   {certfile, "/r/a \"b\\\x{fc}/node.pem"},
   {keyfile, "/r/a \"b\\\x{fc}/node.pem"},
   {verify, verify_peer}]}].
"#
        );
    }
}
