//! The files in the state folder: each one record, replaced as a whole.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use fs_err as fs;
use thiserror::Error;
use wire::DecodeError;
use wire::field::Message;
use wire::record::{self, Records};

/// What can go wrong with a saved file.
#[derive(Debug, Error)]
pub(crate) enum SavedError {
    /// It could not be read.
    #[error("could not read what was saved")]
    Read(#[source] io::Error),
    /// It could not be written.
    #[error("could not save {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Its record is damaged.
    #[error("{path} holds no whole record")]
    Torn {
        /// The file.
        path: PathBuf,
    },
    /// Its record is whole, but not of its type.
    #[error("{path} holds something else than it should")]
    Decode {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: DecodeError,
    },
    /// It is longer than a record can be.
    #[error("what is to be saved as {path} is too long: {length} bytes")]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Length in bytes.
        length: usize,
    },
}

/// Reads a file; `None` if there is none.
pub(crate) fn load<M: Message>(path: &Path) -> Result<Option<M>, SavedError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(SavedError::Read(error)),
    };
    let payload = Records::new(&bytes).next().ok_or_else(|| SavedError::Torn { path: path.to_owned() })?;
    let decoded = M::decode(payload);
    decoded.map(Some).map_err(|source| SavedError::Decode { path: path.to_owned(), source })
}

/// Replaces a file: whoever reads it, also after a loss of power, sees the old one or the new one.
pub(crate) fn save<M: Message>(folder: &Path, name: &str, message: &M) -> Result<(), SavedError> {
    let path = folder.join(name);
    let mut payload = Vec::new();
    message.encode(&mut payload);
    if payload.is_empty() {
        // an empty payload is no record; a tag that nobody knows stands for it
        wire::field::put_bytes(u16::MAX, &[], &mut payload);
    }
    if payload.len() > wire::frame::MAX_FRAME {
        return Err(SavedError::TooLong { path, length: payload.len() });
    }
    let mut bytes = Vec::with_capacity(payload.len() + record::HEADER);
    record::put(&payload, &mut bytes);
    replace(folder, name, &bytes).map_err(|source| SavedError::Write { path, source })
}

fn replace(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let unfinished = folder.join(format!("{name}.new"));
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    fs_err::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, folder.join(name))?;
    fs::File::open(folder)?.sync_all()
}
