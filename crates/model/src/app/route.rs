//! What the proxy shall serve for an app: who is offered requests, and who only ends those it has.
//!
//! [`super::App::route`] follows from the state alone. Whenever it differs from what was asked for last, a new
//! [`super::Effect::Route`] goes out (see `reroute`), and what follows a switch waits until the proxy serves by it.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::assets::AssetsRoute;
use super::version::Target;
use crate::names::{EffectId, InstanceId, Place, Slot};
use crate::settings::{AccessLog, Balance, Protocol, RequestLimits};
use crate::units::millis;

/// What the proxy shall serve for an app.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Route {
    /// Host names; none: every host.
    pub hosts: Vec<String>,
    /// Path prefixes; none: every path.
    pub paths: Vec<String>,
    /// How the next instance is chosen.
    pub balance: Balance,
    /// What its instances speak.
    #[serde(default)]
    pub protocol: Protocol,
    /// Limits of its requests.
    pub limits: RequestLimits,
    /// How the proxy itself checks instances; `None`: only by requests that fail.
    pub health: Option<ProxyCheck>,
    /// How long requests wait while no instance is ready; zero where none will be.
    #[serde(with = "millis")]
    pub hold: Duration,
    /// How long requests in flight may go on in a draining instance.
    #[serde(with = "millis")]
    pub drain: Duration,
    /// Media types of responses that never end by themselves.
    pub endless_types: Vec<String>,
    /// The share of those that are marked as canary, while a new version gets one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<CanaryRoute>,
    /// How its requests are written down; `None`: as the host says.
    #[serde(default)]
    pub access_log: Option<AccessLog>,
    /// Requests wait until then; `None`: they do not.
    #[serde(default)]
    pub paused_until: Option<Timestamp>,
    /// Since when every request gets the app's maintenance page ([`super::App::maintenance`]); `None`: none does.
    #[serde(default)]
    pub maintenance: Option<Timestamp>,
    /// What is given where an instance says 404.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assets: Option<AssetsRoute>,
    /// Instances, by number.
    pub backends: Vec<Backend>,
}

/// The proxy's own continuous check of instances.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProxyCheck {
    /// A GET of this path answers 2xx; empty: a connection is accepted.
    pub path: String,
    /// Time between two checks.
    #[serde(with = "millis")]
    pub interval: Duration,
    /// One answer must come within this time.
    #[serde(with = "millis")]
    pub within: Duration,
    /// Bad answers in a row after which an instance gets no requests.
    pub failures: u32,
    /// Good answers in a row after which it gets them again.
    pub successes: u32,
}

/// An instance as the proxy sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backend {
    /// The instance.
    pub instance: InstanceId,
    /// Its run: nothing that was known of an earlier one holds.
    pub run: u32,
    /// Its place.
    pub place: Place,
    /// Its slot.
    pub slot: Slot,
    /// What it runs.
    pub target: Target,
    /// The label of what it runs, by which requests are counted: `1.4.2`, `1.4.2+env3`.
    pub version: String,
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// The port of the proxy's checks, where it is another one.
    pub health_port: Option<u16>,
    /// What it is for.
    pub mode: BackendMode,
    /// Whether it gets the share of [`Route::canary`]. Without one it is as good as any other.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub canary: bool,
}

/// Which clients get the new version while there is a canary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CanaryRoute {
    /// Percent of the clients.
    pub percent: u8,
    /// Name of a request header that chooses by its value: `always` or `never`.
    pub header: Option<String>,
}

/// What a backend is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BackendMode {
    /// It gets requests.
    Active,
    /// It gets no new ones; what is in flight may end.
    Draining,
}

/// How far the proxy has followed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Routing {
    /// What was asked for last; `None`: nothing is served.
    pub wanted: Option<Route>,
    /// What the proxy said last that it serves. It may serve what was asked for since.
    pub applied: Option<Route>,
    /// The effect that asked for `wanted`, ended or not; it has the highest number of all that asked.
    pub effect: Option<EffectId>,
    /// Attempts in a row that failed.
    pub failures: u32,
    /// When it is asked for again, after such an attempt.
    pub retry_at: Option<Timestamp>,
}

impl Route {
    /// Whether it offers an instance new requests.
    pub fn offers(&self, id: InstanceId) -> bool {
        self.backends.iter().any(|it| it.instance == id && it.mode == BackendMode::Active)
    }
}
