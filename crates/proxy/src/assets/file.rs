//! Finding a file in a version's folder, and the head of the answer that it makes.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderValue, VARY};
use hyper::{HeaderMap, Response, StatusCode};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use thiserror::Error;

use super::body::{self, FileBody};
use super::coding::Coding;
use super::validators::{Conditions, etag};
use crate::core::Core;
use crate::response_body::ResponseBody;
use crate::session::Session;

/// Why a version's files cannot be given, though the daemon says that they are there.
#[derive(Debug, Error)]
pub(super) enum Unreadable {
    /// The folder.
    #[error(
        "could not open the assets of another version in {folder}: requests for them get the app's own 404; the proxy's user needs to pass through every folder above it"
    )]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file in it.
    #[error("could not open the asset {path} in {folder}: the request got the app's own 404{}", remedy(.source))]
    File {
        /// The folder.
        folder: PathBuf,
        /// Its path below that.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

fn remedy(error: &io::Error) -> &'static str {
    match Errno::from_io_error(error) {
        Some(Errno::NOSYS) => "; assets of other versions need Linux 5.6 or newer (openat2)",
        _ => "",
    }
}

/// An open file.
#[derive(Debug)]
pub(super) struct Opened {
    file: File,
    metadata: Metadata,
    coding: Option<Coding>,
}

/// A file with what is to be said of it.
#[derive(Debug)]
pub(crate) struct Found {
    file: Arc<File>,
    length: u64,
    /// What was read of it already.
    first: Bytes,
    media_type: HeaderValue,
    coding: Option<Coding>,
    etag: String,
    is_known: bool,
}

/// The file at a path below a folder, in the first of the codings that there is, else plain.
pub(super) fn find(folder: &Path, path: &Path, codings: &[Coding]) -> Result<Option<Opened>, Unreadable> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = match rustix::fs::openat(CWD, folder, flags, Mode::empty()) {
        Ok(root) => root,
        // Removed, and the table that says so is on its way.
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => {
            return Err(Unreadable::Folder { folder: folder.to_owned(), source: error.into() });
        }
    };
    let all = codings.iter().copied().map(Some).chain([None]);
    for coding in all {
        let mut name = path.as_os_str().to_owned();
        name.push(coding.map_or("", |coding| coding.ending));
        let opened = open(&root, Path::new(&name)).map_err(|source| Unreadable::File {
            folder: folder.to_owned(),
            path: path.to_owned(),
            source,
        })?;
        if let Some((file, metadata)) = opened {
            return Ok(Some(Opened { file, metadata, coding }));
        }
    }
    Ok(None)
}

/// A regular file that is really below the folder: no link is followed, and nothing is waited for (a FIFO's writer).
fn open(root: impl rustix::fd::AsFd, path: &Path) -> io::Result<Option<(File, Metadata)>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let opened = match rustix::fs::openat2(root, path, flags, Mode::empty(), resolve) {
        Ok(opened) => opened,
        // Not there; in a file's place; a name too long; a link; out of the folder; a socket or a device without a driver.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG | Errno::LOOP | Errno::XDEV | Errno::NXIO) => {
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    let file = File::from(opened);
    let metadata = file.metadata()?;
    Ok(metadata.is_file().then_some((file, metadata)))
}

impl Opened {
    /// What is to be said of it as the answer to a request for `path` in `folder`; its first bytes where they are wanted.
    pub(super) fn found(self, folder: &Path, path: &Path, conditions: &Conditions, whole: bool) -> Found {
        let Opened { file, metadata, coding } = self;
        let etag = etag(folder, path, coding.map(|coding| coding.name), metadata.len());
        let is_known = conditions.has(&etag);
        let mut first = Vec::new();
        if whole && !is_known {
            first = vec![0; body::chunk(metadata.len())];
            // What cannot be read now is tried again by the body, which says so.
            let count = file.read_at(&mut first, 0).unwrap_or_default();
            first.truncate(count);
        }
        Found {
            file: Arc::new(file),
            length: metadata.len(),
            first: first.into(),
            media_type: media_type(path),
            coding,
            etag,
            is_known,
        }
    }
}

/// By the name's ending alone. Text is UTF-8, as `Plug.Static` says it too.
fn media_type(path: &Path) -> HeaderValue {
    let guess = mime_guess::from_path(path).first_raw().unwrap_or("application/octet-stream");
    if guess.starts_with("text/") {
        let text = format!("{guess}; charset=utf-8");
        return HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(guess));
    }
    HeaderValue::from_static(guess)
}

impl Found {
    /// The answer: the file, or 304 to who has it. It may be kept, and asked for again each time: how long it holds is
    /// the app's to say, and it says nothing of a file that it does not have.
    pub(crate) fn answer(self, core: &Rc<Core>, session: &Rc<Session>) -> Response<ResponseBody> {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        if let Ok(etag) = HeaderValue::try_from(self.etag) {
            headers.insert(ETAG, etag);
        }
        let mut answer = if self.is_known {
            let mut answer = Response::new(ResponseBody::own(core, session, Bytes::new()));
            *answer.status_mut() = StatusCode::NOT_MODIFIED;
            answer
        } else {
            headers.insert(CONTENT_TYPE, self.media_type);
            if let Some(coding) = self.coding {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name));
            }
            let body = FileBody::new(core, session, self.file, self.length, self.first);
            Response::new(ResponseBody::File(Box::new(body)))
        };
        *answer.headers_mut() = headers;
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types() {
        let check = |path: &str, expected: &str| assert_eq!(media_type(Path::new(path)), expected, "{path}");
        check("assets/app-1a2b.js", "text/javascript; charset=utf-8");
        check("assets/app.css", "text/css; charset=utf-8");
        check("assets/inter.woff2", "font/woff2");
        check("images/logo.SVG", "image/svg+xml");
        check("assets/app.wasm", "application/wasm");
        check("assets/noending", "application/octet-stream");
    }
}
