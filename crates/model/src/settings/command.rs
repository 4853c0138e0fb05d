//! Commands as argument vectors; no shell ever sees them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a text is not a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadCommand {
    /// Nothing there.
    #[error("it is empty")]
    Empty,
    /// A quote that was opened is never closed.
    #[error("the quote {0} is not closed")]
    OpenQuote(char),
    /// It ends with a backslash that would protect the next character.
    #[error("it ends with a backslash")]
    LastBackslash,
    /// The kernel ends arguments at NUL.
    #[error("it holds a NUL character")]
    Nul,
    /// `eval` or `rpc` alone.
    #[error("{0:?} needs an expression after it")]
    NoExpression(&'static str),
    /// A path that leaves the package.
    #[error("it must name an executable inside the package, without \"..\" and not starting with \"/\"")]
    OutsidePackage,
}

/// A program and its arguments. TOML: text, split at white space with quotes as in a shell (but nothing
/// else of a shell: no variables, no globs, no pipes), or an array of text. JSON: the array.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct Command(Vec<String>);

impl Command {
    /// A program without arguments.
    pub(super) fn program(name: &str) -> Command {
        Command(vec![name.to_owned()])
    }

    /// Splits a line: white space separates, `'…'` keeps all, `"…"` keeps all but `\"` and `\\`,
    /// `\` keeps the next character.
    pub fn split(line: &str) -> Result<Command, BadCommand> {
        Command::try_from(split_words(line)?)
    }

    /// The program, then its arguments; never empty.
    pub fn argv(&self) -> &[String] {
        &self.0
    }

    /// The program: found in the package or by `PATH`.
    pub fn executable(&self) -> &str {
        self.0.first().map_or("", String::as_str)
    }

    /// The arguments after the program.
    pub fn arguments(&self) -> &[String] {
        self.0.get(1..).unwrap_or_default()
    }
}

impl TryFrom<Vec<String>> for Command {
    type Error = BadCommand;
    fn try_from(argv: Vec<String>) -> Result<Self, BadCommand> {
        if argv.first().is_none_or(String::is_empty) {
            return Err(BadCommand::Empty);
        }
        if argv.iter().any(|word| word.contains('\0')) {
            return Err(BadCommand::Nul);
        }
        Ok(Command(argv))
    }
}

impl From<Command> for Vec<String> {
    fn from(command: Command) -> Vec<String> {
        command.0
    }
}

impl fmt::Display for Command {
    /// A line that [`Command::split`] reads back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, word) in self.0.iter().enumerate() {
            let gap = if nth == 0 { "" } else { " " };
            let plain = |c: char| c.is_alphanumeric() || "_-./=:,@%+".contains(c);
            if !word.is_empty() && word.chars().all(plain) {
                write!(f, "{gap}{word}")?;
            } else {
                write!(f, "{gap}'{}'", word.replace('\'', r"'\''"))?;
            }
        }
        Ok(())
    }
}

fn split_words(line: &str) -> Result<Vec<String>, BadCommand> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => words.extend(word.take()),
            '\'' | '"' => quoted(c, &mut chars, word.get_or_insert_default())?,
            '\\' => word.get_or_insert_default().push(chars.next().ok_or(BadCommand::LastBackslash)?),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

fn quoted(quote: char, chars: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), BadCommand> {
    loop {
        match chars.next().ok_or(BadCommand::OpenQuote(quote))? {
            c if c == quote => return Ok(()),
            '\\' if quote == '"' => match chars.next().ok_or(BadCommand::OpenQuote(quote))? {
                c @ ('"' | '\\') => word.push(c),
                c => word.extend(['\\', c]),
            },
            c => word.push(c),
        }
    }
}

/// `SUBCOMMAND REST`: what runs once per deployment before anything is started. The rest is one argument.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PreCommand {
    /// Evaluated in a separate VM of the new release.
    Eval(String),
    /// Evaluated in a running node of the app.
    Rpc(String),
    /// An executable of the package.
    Executable {
        /// Path inside the package.
        path: String,
        /// All that follows it, as one argument.
        argument: Option<String>,
    },
}

impl PreCommand {
    /// Reads `eval …`, `rpc …` or `bin/migrate …`.
    pub fn parse(text: &str) -> Result<PreCommand, BadCommand> {
        let text = text.trim();
        if text.contains('\0') {
            return Err(BadCommand::Nul);
        }
        let (word, rest) = text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()));
        let rest = rest.trim_start();
        let argument = (!rest.is_empty()).then(|| rest.to_owned());
        match word {
            "" => Err(BadCommand::Empty),
            "eval" => argument.map(PreCommand::Eval).ok_or(BadCommand::NoExpression("eval")),
            "rpc" => argument.map(PreCommand::Rpc).ok_or(BadCommand::NoExpression("rpc")),
            path if path.starts_with('/') || path.split('/').any(|part| part == "..") => {
                Err(BadCommand::OutsidePackage)
            }
            path => Ok(PreCommand::Executable { path: path.to_owned(), argument }),
        }
    }
}

impl TryFrom<String> for PreCommand {
    type Error = BadCommand;
    fn try_from(text: String) -> Result<Self, BadCommand> {
        PreCommand::parse(&text)
    }
}

impl From<PreCommand> for String {
    fn from(command: PreCommand) -> String {
        command.to_string()
    }
}

impl fmt::Display for PreCommand {
    /// As it was written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PreCommand::Eval(expression) => write!(f, "eval {expression}"),
            PreCommand::Rpc(expression) => write!(f, "rpc {expression}"),
            PreCommand::Executable { path, argument: None } => f.write_str(path),
            PreCommand::Executable { path, argument: Some(argument) } => write!(f, "{path} {argument}"),
        }
    }
}
