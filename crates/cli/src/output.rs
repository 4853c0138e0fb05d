//! Where words go: data to stdout, the rest to stderr; colour only where it is seen and wanted (`NO_COLOR`).

use std::io::{IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::failure::Failure;

/// Somebody should look.
pub(crate) const WARNING: Style = AnsiColor::Yellow.on_default();
/// A person is needed.
pub(crate) const ALARM: Style = AnsiColor::Red.on_default().bold();
/// All is well.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
/// Less important.
pub(crate) const QUIET: Style = Style::new().dimmed();
/// What the eye looks for first.
pub(crate) const STRONG: Style = Style::new().bold();

/// A text in a style.
pub(crate) fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// The process's outputs.
pub(crate) struct Output {
    /// Whether machines read it.
    pub(crate) json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Output { json }
    }

    /// Prints data: `text` for people, `value` for machines.
    pub(crate) fn data<T: Serialize>(&self, value: &T, text: impl FnOnce(&T) -> String) {
        if self.json {
            self.line(&serde_json::to_string_pretty(value).expect("our data has text keys"));
        } else {
            let text = text(value);
            if !text.is_empty() {
                self.line(text.trim_end_matches('\n'));
            }
        }
    }

    /// Prints one record of a stream: a line of text or of JSON.
    pub(crate) fn record<T: Serialize>(&self, value: &T, text: impl FnOnce(&T) -> String) {
        if self.json {
            self.line(&serde_json::to_string(value).expect("our data has text keys"));
        } else {
            self.line(text(value).trim_end_matches('\n'));
        }
    }

    /// Prints lines to stdout. A reader who has gone away (`| head`) ends the command, as it does `cat`.
    pub(crate) fn line(&self, text: &str) {
        if let Err(error) = writeln!(anstream::stdout(), "{text}") {
            let gone = error.kind() == std::io::ErrorKind::BrokenPipe;
            std::process::exit(if gone { 0 } else { 1 });
        }
    }

    /// Says something beside the data.
    pub(crate) fn say(&self, text: &str) {
        // Nowhere else to say it.
        let _ = writeln!(anstream::stderr(), "{}", text.trim_end_matches('\n'));
    }

    /// Says why the command ended badly.
    pub(crate) fn failure(&self, failure: &Failure) {
        if self.json {
            self.say(&serde_json::to_string_pretty(&failure.problem()).expect("a problem has text keys"));
        } else {
            self.say(&failed(failure));
        }
    }

    /// Asks before something is lost. Without a terminal to ask on, `--yes` is needed.
    pub(crate) fn confirm(&self, yes: bool, what: &str) -> Result<(), Failure> {
        if yes {
            return Ok(());
        }
        if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            return Err(Failure::Usage(format!("{what}: there is no terminal to ask on; add --yes")));
        }
        let _ = write!(anstream::stderr(), "{what}. Go on? [y/N] ");
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        match answer.trim().to_lowercase().as_str() {
            "y" | "yes" => Ok(()),
            _ => Err(Failure::Declined),
        }
    }

    /// Whether progress can be drawn in place.
    pub(crate) fn is_lively(&self) -> bool {
        let is_ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false");
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        !self.json && !is_ci && !is_dumb && std::io::stdout().is_terminal()
    }
}

/// A failure as people read it: the cause, then the next command.
pub(crate) fn failed(failure: &Failure) -> String {
    let mut lines = failure.to_string();
    if let Some(remedy) = failure.remedy().filter(|remedy| !lines.contains(*remedy)) {
        lines = format!("{lines}\n   next:   {remedy}");
    }
    format!("{}  {lines}\n", styled(ALARM, "✗"))
}
