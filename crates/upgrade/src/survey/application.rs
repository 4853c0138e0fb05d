//! What an `.app` file says.

use std::collections::{BTreeMap, BTreeSet};

use beam::Term;
use beam::app::App;

use super::text;
use crate::digest::Digest;
use crate::inventory::{Application, Callback, StartType};

/// An application of which only its `.app` is known so far: it has no modules and no other files.
pub fn application(app: App, folder: &str, start_type: StartType) -> Application {
    Application {
        version: app.version,
        folder: folder.to_owned(),
        start_type,
        callback: app.callback.map(|(module, argument)| Callback { module, argument: digest(&argument) }),
        environment: app.environment.iter().map(|(name, value)| (name.clone(), digest(value))).collect(),
        start_phases: app.start_phases.as_ref().map(digest),
        applications: app.applications.into_iter().collect(),
        included_applications: app.included_applications.into_iter().collect(),
        optional_applications: app.optional_applications.into_iter().collect(),
        registered: app.registered.into_iter().collect(),
        modules: BTreeMap::new(),
        private: BTreeMap::new(),
        native_libraries: BTreeSet::new(),
        appup: None,
    }
}

fn digest(term: &Term) -> Digest {
    Digest::of(text(term).as_bytes())
}

impl From<beam::rel::StartType> for StartType {
    fn from(start_type: beam::rel::StartType) -> Self {
        use beam::rel::StartType as Said;
        match start_type {
            Said::Permanent => Self::Permanent,
            Said::Transient => Self::Transient,
            Said::Temporary => Self::Temporary,
            Said::Load => Self::Load,
            Said::None => Self::None,
        }
    }
}
