//! A text that an operator wants evaluated: its value, what it prints meanwhile, or why it failed, all as text.
//!
//! Unlike [`Node::eval`](crate::Node::eval), which is for texts of ours, it prints in the node, as Erlang or Elixir
//! does there, and no more than people read. The limits hold in the node: what runs is killed when its time is
//! over, when we drop it, and when the connection ends. What it has started by then goes on.

use std::time::Duration;

use beam::Term;
use tokio::time::{Instant, timeout_at};

use crate::chardata;
use crate::eval::bindings;
use crate::group_leader::{GroupLeader, Output};
use crate::mailbox::{Event, Mailbox, SpawnError};
use crate::reason::shown;
use crate::{CallError, PrepareError};

/// What runs in the node.
const AGENT: &str = include_str!("evaluation/agent.txt");

/// Most characters of a value, of a reason and of each line of a stack.
const MOST_CHARS: i64 = 64 << 10;

/// How much longer than its time an evaluation is waited for: the node tells that the time is over.
const GRACE: Duration = Duration::from_secs(15);

/// A language of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Erlang, which every node has.
    Erlang,
    /// Elixir, where its application runs.
    Elixir,
}

/// What is evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvaluationPlan {
    /// In which language the text is.
    pub language: Language,
    /// The text. Erlang: expressions between commas, with or without a full stop.
    pub text: String,
    /// After how long it is killed.
    pub lasting: Duration,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EvaluationEvent {
    /// It printed something.
    Printed(Output),
    /// Nothing more comes.
    Ended(EvaluationEnd),
}

/// How an evaluation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EvaluationEnd {
    /// Its value, printed; a large one is cut short.
    Value(String),
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
        /// What, printed; for Elixir a whole sentence with the class.
        reason: String,
        /// Where, innermost first, a line for each call. It has at most 20, none of the evaluation's own.
        stack: Vec<String>,
    },
    /// Its process was killed by somebody else, for this reason.
    Died(String),
    /// Its time was over.
    Over {
        /// In which function it was then, `module:function/arity`, where that is known.
        at: Option<String>,
    },
    /// Elixir does not run there.
    NoElixir,
    /// The connection or the node's answer was lost; what was begun may go on.
    Lost(String),
}

/// Why nothing is evaluated.
#[derive(Debug, thiserror::Error)]
pub enum EvaluationError {
    /// The node does not parse what is to run there.
    #[error("the node could not prepare the evaluation")]
    Prepare(#[from] PrepareError),
    /// The node does not start it.
    #[error("the node could not start the evaluation")]
    Spawn(#[from] SpawnError),
    /// There is no connection.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// An evaluation under way. It ends when it is dropped.
#[derive(Debug)]
pub struct Evaluation {
    mailbox: Mailbox,
    leader: GroupLeader,
    give_up_at: Instant,
    ended: Option<EvaluationEnd>,
    told: bool,
}

impl Evaluation {
    pub(crate) async fn start(
        mailbox: Mailbox,
        leader: GroupLeader,
        plan: &EvaluationPlan,
        within: Duration,
    ) -> Result<Self, EvaluationError> {
        let agent = mailbox.connection().prepare(AGENT, within).await?;
        let call = agent.call(plan.bindings(&mailbox)).printing_to(leader.pid());
        mailbox.spawn(&call, within).await?;
        let give_up_at = Instant::now() + plan.lasting + GRACE;
        Ok(Self { mailbox, leader, give_up_at, ended: None, told: false })
    }

    /// What came next; none after the end. What it printed before its end comes before that.
    pub async fn next(&mut self) -> Option<EvaluationEvent> {
        while self.ended.is_none() {
            tokio::select! {
                biased;
                Some(output) = self.leader.next() => return Some(EvaluationEvent::Printed(output)),
                event = timeout_at(self.give_up_at, self.mailbox.next()) => {
                    let late = |_| Some(EvaluationEnd::Lost("the node does not answer".to_owned()));
                    self.ended = event.map_or_else(late, end);
                }
            }
        }
        let output = self.leader.take();
        if output != Output::default() {
            return Some(EvaluationEvent::Printed(output));
        }
        let is_new = !std::mem::replace(&mut self.told, true);
        self.ended.clone().filter(|_| is_new).map(EvaluationEvent::Ended)
    }
}

impl EvaluationPlan {
    fn bindings(&self, mailbox: &Mailbox) -> Term {
        let lasting_ms = i64::try_from(self.lasting.as_millis()).unwrap_or(i64::MAX);
        let (language, text) = match self.language {
            Language::Erlang => ("erlang", with_full_stop(&self.text)),
            Language::Elixir => ("elixir", self.text.clone()),
        };
        bindings([
            ("Dest", Term::from(mailbox.pid())),
            ("Language", Term::atom(language)),
            ("Text", Term::binary(text)),
            ("Most", Term::Integer(MOST_CHARS)),
            // what `receive … after` takes
            ("For", Term::Integer(lasting_ms.min(u32::MAX.into()))),
        ])
    }
}

/// The text ends its own line, which may be a comment.
fn with_full_stop(text: &str) -> String {
    let text = text.trim_end();
    // the full stop, but not the character
    let text = text.strip_suffix('.').filter(|text| !text.ends_with('$')).unwrap_or(text);
    format!("{text}\n.")
}

/// The end that an event is; none when it is something else.
fn end(event: Event) -> Option<EvaluationEnd> {
    match event {
        Event::Down { reason, .. } => {
            Some(read(&reason).unwrap_or_else(|| EvaluationEnd::Lost(shown(&reason))))
        }
        Event::NodeDown(end) => Some(EvaluationEnd::Lost(end.to_string())),
        Event::Message(_) | Event::Unreadable(_) | Event::Exit { .. } | Event::Dropped(_) => None,
    }
}

/// What is in `{bellrock_eval, It}`.
fn read(reason: &Term) -> Option<EvaluationEnd> {
    let [tag, told] = reason.as_tuple()? else { return None };
    if tag.as_atom() != Some("bellrock_eval") {
        return None;
    }
    let parts = told.as_tuple().unwrap_or(std::slice::from_ref(told));
    Some(match (parts.first()?.as_atom()?, parts) {
        ("value", [_, text]) => EvaluationEnd::Value(chardata::text(text)),
        ("syntax", [_, line, message]) => EvaluationEnd::Syntax {
            line: line.as_integer().unwrap_or_default(),
            message: chardata::text(message),
        },
        ("failed", [_, class, reason, stack]) => EvaluationEnd::Failed {
            class: class.as_atom()?.to_owned(),
            reason: chardata::text(reason),
            stack: stack.as_list()?.iter().map(chardata::text).collect(),
        },
        ("died", [_, reason]) => EvaluationEnd::Died(chardata::text(reason)),
        ("over", [_, at]) => EvaluationEnd::Over { at: function(at) },
        ("no_elixir", [_]) => EvaluationEnd::NoElixir,
        _ => return None,
    })
}

/// `{Module, Function, Arity}` as `module:function/arity`.
fn function(mfa: &Term) -> Option<String> {
    let [module, function, Term::Integer(arity)] = mfa.as_tuple()? else { return None };
    Some(format!("{}:{}/{arity}", module.as_atom()?, function.as_atom()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_gets_the_full_stop_that_it_lacks() {
        assert_eq!(with_full_stop("1 + 1"), "1 + 1\n.");
        assert_eq!(with_full_stop("1 + 1. \n"), "1 + 1\n.");
        assert_eq!(with_full_stop("$."), "$.\n.");
        assert_eq!(with_full_stop("ok % of course"), "ok % of course\n.");
    }

    #[test]
    fn ends_are_told_apart() {
        let end = |text: &str| read(&beam::text::consult(format!("{text}.").as_bytes()).unwrap()[0]);
        assert_eq!(end("{bellrock_eval,{value,\"1\"}}"), Some(EvaluationEnd::Value("1".to_owned())));
        assert_eq!(
            end("{bellrock_eval,{failed,error,\"badarith\",[\"m:f/1\"]}}"),
            Some(EvaluationEnd::Failed {
                class: "error".to_owned(),
                reason: "badarith".to_owned(),
                stack: vec!["m:f/1".to_owned()]
            })
        );
        let over = |at: Option<&str>| Some(EvaluationEnd::Over { at: at.map(str::to_owned) });
        assert_eq!(end("{bellrock_eval,{over,{timer,sleep,1}}}"), over(Some("timer:sleep/1")));
        assert_eq!(end("{bellrock_eval,{over,unknown}}"), over(None));
        assert_eq!(end("noconnection"), None);
        assert_eq!(end("{bellrock_eval,{strange}}"), None);
    }
}
