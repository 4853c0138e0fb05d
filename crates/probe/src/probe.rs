//! The asking: texts are parsed once per connection.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use beam::Term;
use dist::{CallError, Node, PrepareError, Prepared, Status, Up};
use tokio::time::Instant;

use crate::answer::{Part, Unexpected};
use crate::question::Question;

/// Asks a node. A clone shares what was prepared.
#[derive(Clone, Debug)]
pub struct Probe {
    node: Node,
    prepared: Arc<Mutex<OfConnection>>,
}

/// What was prepared on a connection: after it, the node may run another OTP.
#[derive(Debug, Default)]
struct OfConnection {
    up: Weak<Up>,
    texts: HashMap<&'static str, Prepared>,
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The node did not take the question's text.
    #[error("{question} could not be asked for")]
    Prepare {
        /// What was asked for.
        question: &'static str,
        /// Why.
        #[source]
        source: PrepareError,
    },
    /// The node could not be asked, failed or was late.
    #[error("{question} could not be had from the node")]
    Call {
        /// What was asked for.
        question: &'static str,
        /// Why.
        #[source]
        source: CallError,
    },
    /// What came is no answer to it.
    #[error("the node's answer about {question} has another form than it should")]
    Answer {
        /// What was asked for.
        question: &'static str,
        /// Where.
        #[source]
        source: Unexpected,
    },
    /// The node has no such application.
    #[error("the node has no application {0}: `which_applications` of its shell lists them")]
    NoApplication(String),
    /// The node does not say which applications it has: it is starting or stopping one.
    #[error("the node's application controller did not answer within {0:?}: an application starts or stops")]
    ApplicationsLate(Duration),
    /// The node has no such process.
    #[error("the node has no process {0}: give a pid like <0.84.0>, or a registered name")]
    NoProcess(String),
}

impl Probe {
    /// Of a node, connected or not.
    pub fn new(node: Node) -> Self {
        Self { node, prepared: Arc::default() }
    }

    /// The node.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Asks, and has the answer read.
    ///
    /// # Errors
    /// When there is no connection, no answer within the time, or one that cannot be read.
    pub async fn ask<'a, T>(
        &self,
        question: &'static Question,
        variables: impl IntoIterator<Item = (&'a str, Term)>,
        within: Duration,
        read: impl FnOnce(Part<'_>) -> Result<T, Unexpected>,
    ) -> Result<T, ProbeError> {
        let name = question.name;
        let deadline = Instant::now() + within;
        let prepared = self.prepare(question, within).await;
        let prepared = prepared.map_err(|source| ProbeError::Prepare { question: name, source })?;
        let left = deadline.saturating_duration_since(Instant::now());
        let answer = self.node.eval(&prepared, variables, left).await;
        let answer = answer.map_err(|source| ProbeError::Call { question: name, source })?;
        read(Part::new("the answer", &answer)).map_err(|source| ProbeError::Answer { question: name, source })
    }

    async fn prepare(&self, question: &'static Question, within: Duration) -> Result<Prepared, PrepareError> {
        let up = match &*self.node.status().borrow() {
            Status::Up(up) => Arc::downgrade(up),
            _ => Weak::new(),
        };
        if let Some(prepared) = self.of_connection(&up).texts.get(question.name) {
            return Ok(prepared.clone());
        }
        let prepared = self.node.prepare(&question.text(), within).await?;
        self.of_connection(&up).texts.insert(question.name, prepared.clone());
        Ok(prepared)
    }

    /// What was prepared on this connection; nothing yet when it is another one.
    fn of_connection(&self, up: &Weak<Up>) -> std::sync::MutexGuard<'_, OfConnection> {
        let mut prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        if !prepared.up.ptr_eq(up) {
            *prepared = OfConnection { up: up.clone(), texts: HashMap::new() };
        }
        prepared
    }
}

/// A time for a variable, in whole milliseconds.
pub fn millis(time: Duration) -> Term {
    // what receive takes
    Term::Integer(i64::try_from(time.as_millis()).unwrap_or(i64::MAX).min(u32::MAX.into()))
}
