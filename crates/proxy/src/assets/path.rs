//! From a request's path to a file's.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use percent_encoding::percent_decode;

/// The longest path that is looked for, in bytes; the kernel's own limit is the same (`PATH_MAX`).
const MAX_PATH: usize = 4096;

/// A file's path below a folder that stands for `/`, by plain names only. `None`: no file is called so by anybody who
/// means well: names that are empty, hidden, `.` or `..`, or that hold a slash or NUL behind a percent sign.
pub(super) fn relative(path: &str) -> Option<PathBuf> {
    let names = path.strip_prefix('/').filter(|names| names.len() < MAX_PATH)?;
    names.split('/').map(name).collect()
}

fn name(encoded: &str) -> Option<PathBuf> {
    let name: Vec<u8> = percent_decode(encoded.as_bytes()).collect();
    let is_plain = !name.is_empty() && !name.starts_with(b".") && !name.iter().any(|it| b"/\0".contains(it));
    is_plain.then(|| PathBuf::from(OsStr::from_bytes(&name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: Option<&str>) {
        assert_eq!(relative(path), expected.map(PathBuf::from), "{path:?}");
    }

    #[test]
    fn plain_names() {
        check("/assets/app-0a1b.js", Some("assets/app-0a1b.js"));
        check("/assets/a%20b%2Bc.css", Some("assets/a b+c.css"));
        check("/assets/%C3%A4.css", Some("assets/ä.css"));
        check("/assets/%2525", Some("assets/%25"));
        check("/assets/100%", Some("assets/100%"));
        check("/a\\..\\b", Some("a\\..\\b"));
    }

    #[test]
    fn nothing_else() {
        for path in [
            "",
            "*",
            "assets/a",
            "/",
            "/assets/",
            "//assets/a",
            "/assets//a",
            "/..",
            "/assets/../a",
            "/assets/./a",
            "/assets/%2e%2e/a",
            "/assets/%2E%2e%2fa",
            "/assets%2fa",
            "/assets/a%00.js",
            "/assets/.hidden",
            "/assets/%2egit",
        ] {
            check(path, None);
        }
        check(&format!("/{}", "a/".repeat(4000)), None);
    }
}
