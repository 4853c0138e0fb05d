//! Recordings in `golden/`: `NAME.bin` holds the bytes, `NAME.txt` what they mean. Missing files are written when
//! `BELLROCK_RECORD=1` is set, and only then; files that exist are never overwritten. Fields that came after a recording
//! are not in its dump.

use std::fmt::Debug;
use std::fs;
use std::path::Path;

/// The recording reads as the value, and the value is still written so.
pub(crate) fn check<T: Debug + PartialEq>(name: &str, value: &T, bytes: &[u8], read: impl Fn(&[u8]) -> T) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let (binary, text) = (folder.join(format!("{name}.bin")), folder.join(format!("{name}.txt")));
    if std::env::var_os("BELLROCK_RECORD").is_some() && !binary.exists() {
        fs::write(&binary, bytes).unwrap();
        fs::write(&text, format!("{value:#?}\n")).unwrap();
    }
    let recorded = fs::read(&binary).unwrap_or_else(|error| panic!("{}: {error}", binary.display()));
    assert_eq!(&read(&recorded), value, "{name}: the recording is read differently now");
    assert_eq!(recorded, bytes, "{name}: it is written differently now");
    let dump = fs::read_to_string(&text).unwrap();
    let now = format!("{value:#?}\n");
    assert!(says(&now, &dump), "{name}: the dump says something else:\n{dump}now:\n{now}");
}

/// Whether a dump has all lines of an earlier one, in their order. Fields that came later have lines of their own.
fn says(now: &str, earlier: &str) -> bool {
    let mut lines = now.lines();
    earlier.lines().all(|line| lines.any(|it| it == line))
}
