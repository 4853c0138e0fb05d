//! An app's instances as an init runs them, without a daemon and its shims.
//!
//! Their environment is the one that instances get in slot a, with what a shim would add. They stand in a folder that is
//! none of ours: `{folder}/{place}` is a place's tree.

use std::path::{Path, PathBuf};

use model::app::{App, Target};
use model::{Place, Slot};

use crate::environment::Environment;
use crate::instances::MOST_DUMP_BYTES;
use crate::site::{Site, SiteError};
use crate::start::Starter;
use crate::users::Identity;

/// In the environment of everything that belongs to a place, with the path of its tree: what is left of it is found by it.
pub const MARK: &str = "BELLROCK_STANDALONE";

/// What an init must know of an app.
#[derive(Debug)]
pub struct Standalone {
    /// Whom its instances run as.
    pub user: Identity,
    /// The folder of the runtime's programs, for a package without one.
    pub runtime_bin: Option<PathBuf>,
    /// What starts each of them, in its tree.
    pub starter: Starter,
    /// What each needs in its tree, as paths there with their contents, for the app's user alone.
    pub private_files: Vec<(String, String)>,
    /// Each place with its whole environment.
    pub places: Vec<(Place, Environment)>,
}

impl Site {
    /// The places of an app, as many as there shall be of a target, standing in `folder`. Reads files and asks for the
    /// app's user: it blocks.
    ///
    /// # Errors
    /// [`SiteError`]; a variable that refers to a secret nobody can tell is one.
    pub fn standalone(&self, app: &App, target: Target, folder: &Path) -> Result<Standalone, SiteError> {
        let settings = &app.revision(target).ok_or(SiteError::NoVersion)?.settings;
        let unpacked = self.unpacked(app, target)?;
        let starter = self.starter(app, target, &unpacked, &folder.join("1"))?;
        let place = |number| {
            let (place, tree) = (Place(number), folder.join(number.to_string()));
            let mut environment = self.environment(app, target, place, Slot::A, &tree)?;
            starter.adapt(&mut environment);
            // heart would start a second node beside the one that the init keeps.
            environment.remove(std::ffi::OsStr::new("HEART_COMMAND"));
            let seconds = settings.crash_dumps.max_seconds.as_secs().to_string();
            environment.insert("ERL_CRASH_DUMP".into(), tree.join("log/erl_crash.dump").into());
            environment.insert("ERL_CRASH_DUMP_SECONDS".into(), seconds.into());
            environment.insert("ERL_CRASH_DUMP_BYTES".into(), MOST_DUMP_BYTES.to_string().into());
            environment.insert(MARK.into(), tree.into());
            Ok::<_, SiteError>((place, environment))
        };
        let account = self.account(settings)?;
        self.provide_certificate(&app.name, settings, account.as_ref())?;
        let private_files = self.private_files(&app.name, settings)?;
        let mut private_files: Vec<(String, String)> =
            private_files.into_iter().map(|(path, text)| (path.to_owned(), text)).collect();
        private_files.extend(self.sys_config_files(app, target, Place(1), &folder.join("1"))?);
        Ok(Standalone {
            user: Identity::of(account.as_ref()),
            runtime_bin: self.runtime_bin(&unpacked, settings)?,
            private_files,
            places: (1..=app.replicas(target)).map(place).collect::<Result<_, _>>()?,
            starter,
        })
    }
}
