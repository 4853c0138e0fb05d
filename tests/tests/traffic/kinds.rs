//! The three kinds of releases, each with a sample that has two versions.

use testkit::load::Kind;

/// A sample as a kind of app.
#[derive(Debug)]
pub(super) struct AppKind {
    /// The app's name, as its front page tells it.
    pub(super) app: &'static str,
    /// Names of the samples of two versions.
    pub(super) samples: [&'static str; 2],
    /// The labels of both.
    pub(super) versions: [&'static str; 2],
    /// Settings that it needs.
    pub(super) settings: &'static str,
    /// Whether it answers more than pages and streams: uploads, events and WebSockets.
    pub(super) knows_all_requests: bool,
}

impl AppKind {
    /// Kinds of scheduled requests that it answers.
    pub(super) fn requests(&self) -> &'static [Kind] {
        const PAGES: [Kind; 3] = [Kind::KeepAlive, Kind::NewConnection, Kind::Stream];
        if self.knows_all_requests { &Kind::SCHEDULED } else { &PAGES }
    }
}

/// A mix release.
pub(super) const MIX: AppKind = AppKind {
    app: "beacon",
    samples: ["beacon-base", "beacon-module-changed"],
    versions: ["1.0.0", "1.1.0"],
    settings: "",
    knows_all_requests: true,
};

/// A rebar3 release.
pub(super) const REBAR3: AppKind = AppKind {
    app: "buoy",
    samples: ["buoy-base", "buoy-module-changed"],
    versions: ["1.0.0", "1.1.0"],
    settings: "",
    knows_all_requests: false,
};

/// A Gleam shipment, which stops at once when it is told to.
pub(super) const GLEAM: AppKind = AppKind {
    app: "lantern",
    samples: ["lantern-1", "lantern-2"],
    versions: ["0.1.0", "0.2.0"],
    settings: "runtime = '/usr/lib/erlang'",
    knows_all_requests: false,
};
