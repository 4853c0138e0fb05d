//! Lines for people, on stdout: one per change of state, none per request.

use std::fmt::Arguments;
use std::io::Write;

/// Writes a line. A reader that is gone is no reason to stop serving.
pub(crate) fn line(text: Arguments<'_>) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}
