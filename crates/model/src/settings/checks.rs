//! Readiness and health checks.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::command::Command;
use super::function::Function;
use crate::names::{BadName, VariableName};
use crate::units::millis;

/// The kinds of readiness checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckKind {
    /// A GET answers 2xx.
    HttpGet,
    /// A connection is accepted.
    #[default]
    Tcp,
    /// A command ends with status 0.
    Exec,
    /// The instance has run for some time.
    RunsFor,
    /// Its node is connected with Bellrock, answers and has booted.
    Node,
    /// A function in its node says so.
    Mfa,
}

/// The kinds of health checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthKind {
    /// A GET answers 2xx.
    HttpGet,
    /// A connection is accepted.
    Tcp,
    /// A command ends with status 0.
    Exec,
    /// Its node is connected with Bellrock and answers.
    Node,
    /// A function in its node says so.
    Mfa,
    /// No check; an instance that is alive is healthy.
    Off,
}

impl HealthKind {
    /// The same kind as a readiness check has it; `None` for [`HealthKind::Off`].
    pub fn check_kind(self) -> Option<CheckKind> {
        match self {
            HealthKind::HttpGet => Some(CheckKind::HttpGet),
            HealthKind::Tcp => Some(CheckKind::Tcp),
            HealthKind::Exec => Some(CheckKind::Exec),
            HealthKind::Node => Some(CheckKind::Node),
            HealthKind::Mfa => Some(CheckKind::Mfa),
            HealthKind::Off => None,
        }
    }
}

/// How an instance is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// In the clear.
    #[default]
    Http,
    /// Over TLS; the certificate is not verified, since the instance is on this host.
    Https,
}

/// Names one of an instance's ports: `PORT`, or a key of `ports`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PortName {
    /// `PORT`, from `port`.
    Port,
    /// A key of `ports`.
    Extra(VariableName),
}

impl FromStr for PortName {
    type Err = BadName;
    fn from_str(text: &str) -> Result<Self, BadName> {
        match text {
            "PORT" => Ok(PortName::Port),
            other => other.parse().map(PortName::Extra),
        }
    }
}

impl TryFrom<String> for PortName {
    type Error = BadName;
    fn try_from(text: String) -> Result<Self, BadName> {
        text.parse()
    }
}

impl From<PortName> for String {
    fn from(name: PortName) -> String {
        name.to_string()
    }
}

impl fmt::Display for PortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PortName::Port => f.pad("PORT"),
            PortName::Extra(name) => name.fmt(f),
        }
    }
}

/// One way to ask an instance, ready to be carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Check {
    /// GET `{scheme}://127.0.0.1:{port}{path}` answers 2xx; redirects are followed.
    HttpGet {
        /// http or https
        scheme: Scheme,
        /// Which of its ports.
        port: PortName,
        /// Path and query, starting with `/`.
        path: String,
    },
    /// A connection to the port is accepted.
    Tcp {
        /// Which of its ports.
        port: PortName,
    },
    /// The command ends with status 0.
    Exec {
        /// Run with the instance's variables in its tree.
        command: Command,
    },
    /// The instance has run for this time.
    RunsFor {
        /// How long.
        #[serde(with = "millis", rename = "ms")]
        time: Duration,
    },
    /// Its node answers that it has booted.
    Node,
    /// The function answers `true`, `ok` or `{ok, _}`.
    Mfa {
        /// Called in its node.
        function: Function,
    },
}

/// When an instance may get traffic, as the settings say it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Readiness {
    /// Which of the kinds.
    pub kind: CheckKind,
    /// Path and query of `http_get`.
    pub path: String,
    /// Port of `http_get` and `tcp`.
    pub port: PortName,
    /// Scheme of `http_get`.
    pub scheme: Scheme,
    /// Command of `exec`.
    pub command: Option<Command>,
    /// Function of `mfa`.
    pub mfa: Option<Function>,
    /// Time of `runs_for`.
    #[serde(with = "millis")]
    pub runs_for: Duration,
    /// One answer must come within this time.
    #[serde(with = "millis")]
    pub within: Duration,
    /// Once it answers but is not ready: asked again after this time.
    #[serde(with = "millis")]
    pub retry_period: Duration,
    /// An instance not ready after this time has failed.
    #[serde(with = "millis")]
    pub failure_timeout: Duration,
}

impl Default for Readiness {
    fn default() -> Self {
        Readiness {
            kind: CheckKind::Tcp,
            path: "/".to_owned(),
            port: PortName::Port,
            scheme: Scheme::Http,
            command: None,
            mfa: None,
            runs_for: Duration::from_secs(10),
            within: Duration::from_secs(5),
            retry_period: Duration::from_secs(5),
            failure_timeout: Duration::from_secs(300),
        }
    }
}

impl Readiness {
    /// The check that these settings describe. `exec` without a command or `mfa` without a function, which settings that
    /// were checked never hold, is one that fails.
    pub fn check(&self) -> Check {
        match self.kind {
            CheckKind::HttpGet => {
                Check::HttpGet { scheme: self.scheme, port: self.port.clone(), path: self.path.clone() }
            }
            CheckKind::Tcp => Check::Tcp { port: self.port.clone() },
            CheckKind::Exec => {
                Check::Exec { command: self.command.clone().unwrap_or_else(|| Command::program("false")) }
            }
            CheckKind::RunsFor => Check::RunsFor { time: self.runs_for },
            CheckKind::Node => Check::Node,
            CheckKind::Mfa => match self.mfa.clone() {
                Some(function) => Check::Mfa { function },
                None => Check::Exec { command: Command::program("false") },
            },
        }
    }
}

/// Whether a serving instance may keep its traffic, as the settings say it; what is absent is as in readiness.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Health {
    /// Which of the kinds; `None` = as readiness.
    pub kind: Option<HealthKind>,
    /// Path and query of `http_get`; `None` = as readiness.
    pub path: Option<String>,
    /// Port of `http_get` and `tcp`; `None` = as readiness.
    pub port: Option<PortName>,
    /// Scheme of `http_get`; `None` = as readiness.
    pub scheme: Option<Scheme>,
    /// Command of `exec`; `None` = as readiness.
    pub command: Option<Command>,
    /// Function of `mfa`; `None` = as readiness.
    pub mfa: Option<Function>,
    /// Time between two checks.
    #[serde(with = "millis")]
    pub interval: Duration,
    /// One answer must come within this time.
    #[serde(with = "millis")]
    pub within: Duration,
    /// Bad answers in a row that make a healthy instance unhealthy.
    pub failures: u32,
    /// Good answers in a row that make an unhealthy instance healthy.
    pub successes: u32,
    /// What is done with an instance that stays unhealthy; `None`: see
    /// [`AppSettings::health_action`](super::AppSettings::health_action).
    pub action: Option<HealthAction>,
    /// How long it may stay so.
    #[serde(with = "millis")]
    pub restart_after: Duration,
}

/// What is done with an instance that stays unhealthy; it gets no requests either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthAction {
    /// It is replaced by a fresh one.
    Restart,
    /// It is told.
    Tell,
}

impl Default for Health {
    fn default() -> Self {
        Health {
            kind: None,
            path: None,
            port: None,
            scheme: None,
            command: None,
            mfa: None,
            interval: Duration::from_secs(5),
            within: Duration::from_secs(5),
            failures: 3,
            successes: 1,
            action: None,
            restart_after: Duration::from_secs(60),
        }
    }
}

impl Health {
    /// The readiness check with what `health` says in its place.
    pub(super) fn over(&self, base: Readiness) -> Readiness {
        Readiness {
            path: self.path.clone().unwrap_or(base.path),
            port: self.port.clone().unwrap_or(base.port),
            scheme: self.scheme.unwrap_or(base.scheme),
            command: self.command.clone().or(base.command),
            mfa: self.mfa.clone().or(base.mfa),
            ..base
        }
    }
}
