//! Texts in files that inits and shells read.

use std::path::Path;

use crate::failure::Failure;

/// A path that means the same to every init and shell: no two of them quote alike.
pub(crate) fn plain(path: &Path) -> Result<&str, Failure> {
    match path.to_str().filter(|text| text.starts_with('/') && is_plain(text)) {
        Some(text) => Ok(text),
        None => Err(Failure::Usage(format!(
            "{} is not absolute, or has characters that unit files would need quoted; use another path",
            path.display()
        ))),
    }
}

/// Whether a text needs no quotes anywhere.
pub(super) fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "/._+@-".contains(c))
}

/// One word for a shell, whatever is in it (POSIX, 2.2.2: within single quotes each character is itself).
pub(super) fn word(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// A variable with its value as a line for a shell's `.` (POSIX, 2.2.3: within double quotes `\` quotes `"`, `\`, `$` and a
/// backquote).
pub(super) fn variable(name: &str, value: &str) -> String {
    let mut line = format!("{name}=\"");
    for c in value.chars() {
        if "\"\\$`".contains(c) {
            line.push('\\');
        }
        line.push(c);
    }
    line + "\"\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::process::Command;

    #[test]
    fn paths_that_would_need_quotes_are_refused() {
        for path in ["/opt/my bellrock", "relative", "/a\"b", "/a%i", "/a$b"] {
            assert!(matches!(plain(Path::new(path)), Err(Failure::Usage(_))), "{path}");
        }
    }

    /// A shell reads back what was written, byte for byte.
    #[test]
    fn values_and_words_survive_a_shell() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("env");
        for value in
            ["", "plain", "two words", "a'b\"c", "$HOME `id` \\n \\", "line\nline", "ünï %i #x;&|<>*?~!"]
        {
            fs_err::write(&file, variable("VALUE", value)).unwrap();
            let script = format!(". {}; printf '%s|%s' \"$VALUE\" {}", file.display(), word(value));
            let read = Command::new("sh").arg("-c").arg(&script).output().unwrap();
            assert_eq!(String::from_utf8(read.stdout).unwrap(), format!("{value}|{value}"), "{script}");
        }
    }
}
