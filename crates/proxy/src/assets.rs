//! Files of other versions than the one that answered with 404: a page of the version before asks the new one for a
//! script that only the old one has.
//!
//! Nothing here is touched by a request that is not answered with 404. Where a file stands in, it is opened and read by
//! threads that may wait for a disk, never by the core's own.

mod body;
mod coding;
mod file;
mod looks;
mod path;
mod validators;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use hyper::Method;
use hyper::http::request::Parts;
use wire::proxy;

pub(crate) use body::FileBody;
use coding::Coding;
pub(crate) use file::Found;
pub(crate) use looks::Looks;
use validators::Conditions;

use crate::host_map;
use crate::log;

/// A route's files.
#[derive(Debug)]
pub(crate) struct Assets {
    prefixes: Vec<String>,
    folders: Arc<[Folder]>,
}

/// A version's files.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    until_ms: u64,
    /// It was said that it cannot be read.
    told: AtomicBool,
}

/// A request for a file that may be there.
#[derive(Debug)]
pub(crate) struct Wanted {
    folders: Arc<[Folder]>,
    /// Relative, by plain names only.
    path: PathBuf,
    codings: Vec<Coding>,
    conditions: Conditions,
    /// Its content is of interest, not only what it is like.
    whole: bool,
}

impl Assets {
    pub(crate) fn new(assets: &proxy::Assets) -> Self {
        let folder = |folder: &proxy::AssetFolder| Folder {
            path: PathBuf::from(&folder.path),
            until_ms: folder.until_ms,
            told: AtomicBool::new(false),
        };
        Self { prefixes: assets.prefixes.clone(), folders: assets.folders.iter().map(folder).collect() }
    }

    /// What is to be looked for when this request is answered with 404; `None`: nothing.
    pub(crate) fn wanted(&self, request: &Parts) -> Option<Wanted> {
        let whole = match request.method {
            Method::GET => true,
            Method::HEAD => false,
            _ => return None,
        };
        let path = request.uri.path();
        if !self.prefixes.iter().any(|prefix| host_map::is_below(path, prefix.trim_end_matches('/'))) {
            return None;
        }
        Some(Wanted {
            folders: self.folders.clone(),
            path: path::relative(path)?,
            codings: coding::accepted(&request.headers),
            conditions: Conditions::of(&request.headers)?,
            whole,
        })
    }
}

impl Wanted {
    /// Looks for it; `None`: there is none, or it could not be told in time.
    pub(crate) async fn look(self, looks: &Looks) -> Option<Found> {
        looks.run(move || self.look_now()).await?
    }

    fn look_now(&self) -> Option<Found> {
        let current = self.folders.iter().filter(|folder| !folder.is_over());
        current.into_iter().find_map(|folder| self.look_in(folder))
    }

    fn look_in(&self, folder: &Folder) -> Option<Found> {
        match file::find(&folder.path, &self.path, &self.codings) {
            Ok(file) => Some(file?.found(&folder.path, &self.path, &self.conditions, self.whole)),
            Err(error) => {
                if !folder.told.swap(true, Ordering::Relaxed) {
                    log::line(format_args!("error: {}", log::with_causes(&error)));
                }
                None
            }
        }
    }
}

impl Folder {
    /// By the wall clock, for it is the daemon's word, and is read again after a restart.
    fn is_over(&self) -> bool {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.until_ms != 0 && now >= Duration::from_millis(self.until_ms)
    }
}
