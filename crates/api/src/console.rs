//! What an operator has a node do: texts to evaluate, and shells.

use serde::{Deserialize, Serialize};

/// The name of the protocol that a connection speaks once it has become a shell: one JSON text a line,
/// [`FromTerminal`] there and [`ToTerminal`] back.
pub const SHELL_PROTOCOL: &str = "bellrock-shell";

/// A language of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// Erlang, which every node has.
    Erlang,
    /// Elixir, where its application runs.
    Elixir,
}

impl Language {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Language::Erlang => "Erlang",
            Language::Elixir => "Elixir",
        }
    }
}

/// Has a text evaluated in an instance's node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Evaluate {
    /// In which language it is.
    pub language: Language,
    /// The text, at most 256 KB. Erlang: expressions between commas, with or without a full stop.
    pub text: String,
    /// The instance's place; without it the first one whose node answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u16>,
    /// After how many ms it is killed: 30 s unless said otherwise, at most a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_ms: Option<u64>,
}

/// A line of what an evaluation answers. The last one tells how it ended; where there is none, nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum EvaluationLine {
    /// It printed this.
    Printed {
        /// The text.
        text: String,
        /// So many bytes before it were dropped: it printed faster than was read.
        dropped_bytes: u64,
    },
    /// It has ended with this value.
    Value {
        /// As the node prints it; a large one is cut short.
        text: String,
    },
    /// It is no Erlang.
    Syntax {
        /// Where, from 1.
        line: i64,
        /// What is wrong.
        message: String,
    },
    /// It raised.
    Failed {
        /// `error`, `exit` or `throw`.
        class: String,
        /// What, as the node prints it; for Elixir a whole sentence.
        reason: String,
        /// Where, innermost first, at most 20 lines.
        stack: Vec<String>,
    },
    /// Its process was killed by somebody else.
    Died {
        /// Why.
        reason: String,
    },
    /// Its time was over; it was killed.
    Over {
        /// In which function it was then, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<String>,
    },
    /// Elixir does not run in this node; nothing was evaluated.
    NoElixir,
    /// The node was lost; what was begun may go on.
    Lost {
        /// How.
        reason: String,
    },
}

/// What shell is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams), into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct ShellQuery {
    /// The instance's place; without it the first one whose node answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u16>,
    /// Its language; without it Elixir where it runs, or else Erlang.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub language: Option<Language>,
    /// Characters in a line of the terminal.
    pub columns: u16,
    /// Lines of the terminal.
    pub rows: u16,
    /// It is ended when nothing is typed and printed for so many ms: an hour unless said otherwise, at most a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_ms: Option<u64>,
}

/// What the terminal of a shell sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum FromTerminal {
    /// A line was typed.
    Line {
        /// Without its end.
        text: String,
    },
    /// Ctrl-C: what is evaluated shall end.
    Interrupt,
    /// It has another size.
    Size {
        /// Characters in a line.
        columns: u16,
        /// Lines.
        rows: u16,
    },
    /// What may follow a text?
    Complete {
        /// Which question.
        number: u64,
        /// The text before the cursor.
        before: String,
    },
    /// It leaves; the shell is ended.
    Leave,
}

/// What the terminal of a shell is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum ToTerminal {
    /// The shell begins.
    Started {
        /// Its language.
        language: Language,
        /// The instance's place.
        place: u16,
        /// The node.
        node: String,
        /// It is ended when nothing is typed and printed for so many ms.
        #[serde(default)]
        idle_ms: Option<u64>,
    },
    /// Something was printed.
    Printed {
        /// It.
        text: String,
    },
    /// A line is waited for.
    Read {
        /// What stands before it.
        prompt: String,
    },
    /// What may follow a text.
    Completed {
        /// Which question is answered.
        number: u64,
        /// What certainly follows.
        insert: String,
        /// What may follow.
        names: Vec<String>,
    },
    /// The shell has ended.
    Ended {
        /// Why.
        why: ShellEnded,
    },
}

/// Why a shell has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum ShellEnded {
    /// By itself, or as was asked for.
    Ended,
    /// There is no IEx in this node.
    NoIex,
    /// Nothing was typed and printed for so long.
    Idle {
        /// How long, ms.
        for_ms: u64,
    },
    /// The daemon stops.
    Stopping,
    /// The node was lost.
    Lost {
        /// How.
        reason: String,
    },
}
