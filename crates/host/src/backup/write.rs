//! Writing a backup.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use fs_err::File;
use jiff::Timestamp;
use tar::{Builder, EntryType, Header};
use wire::shim::EVENT_LOG_FILE;

use super::{BackupError, FORMAT, MANIFEST, Manifest, SavedFile};
use crate::paths::Paths;

/// Only the owner reads what comes out of a backup, whatever its mode was: most of it holds secrets.
const MODE: u32 = 0o600;

/// What goes into a backup.
#[derive(Debug, Clone)]
pub struct Contents {
    /// Where everything is.
    pub paths: Paths,
    /// A copy of the journal that nobody writes to.
    pub journal: PathBuf,
    /// The host's settings; they need not be there.
    pub config: PathBuf,
    /// Whether packages belong to it; without them versions cannot be unpacked where they are missing.
    pub packages: bool,
}

/// Writes a backup; blocks.
///
/// # Errors
/// [`BackupError`]; what was written until then lacks the manifest, and is no backup.
pub fn write(contents: &Contents, into: impl Write) -> Result<Manifest, BackupError> {
    let mut writer = Writer { archive: Builder::new(into), files: Vec::new() };
    let paths = &contents.paths;
    writer.file(&paths.below(&paths.database()), &contents.journal)?;
    if contents.config.is_file() {
        writer.file(&paths.below(&paths.config_file()), &contents.config)?;
    }
    let papers = paths.state().join("papers");
    let folders = [paths.app_settings(), paths.cookies(), papers];
    for file in folders.iter().map(|folder| files(folder)).collect::<Result<Vec<_>, _>>()?.concat() {
        if contents.packages || file.file_name() != Some("package.tar.gz".as_ref()) {
            writer.file(&paths.below(&file), &file)?;
        }
    }
    // Behind the journal: a command that the journal says is under way had begun before this, or had not.
    for file in files(&paths.shims_state())?.into_iter().filter(|file| is_of_command(file)) {
        writer.file(&paths.below(&file), &file)?;
    }
    writer.end(contents)
}

/// What a runner of a command saved; its folder is `run-…` or `task-…`.
fn is_of_command(file: &Path) -> bool {
    let folder = file.parent().and_then(|folder| folder.file_name()?.to_str()).unwrap_or_default();
    file.file_name() == Some(EVENT_LOG_FILE.as_ref())
        && (folder.starts_with("run-") || folder.starts_with("task-"))
}

/// Regular files below a folder, in order; links are left out.
fn files(folder: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let failed = || BackupError::file("list", folder);
    let entries = match fs_err::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed()(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed())?;
        let kind = entry.file_type().map_err(failed())?;
        if kind.is_dir() {
            found.extend(files(&entry.path())?);
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

struct Writer<W: Write> {
    archive: Builder<W>,
    files: Vec<SavedFile>,
}

impl<W: Write> Writer<W> {
    /// Adds a file. One that has gone meanwhile (its version was removed) is left out.
    fn file(&mut self, name: &str, path: &Path) -> Result<(), BackupError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(BackupError::file("read", path)(error)),
        };
        let size_bytes = file.metadata().map_err(BackupError::file("read", path))?.len();
        let mut reader = package::digest::HashingReader::new(file.take(size_bytes));
        self.entry(name, size_bytes, &mut reader)?;
        let (sha256, read) = reader.finish();
        if read != size_bytes {
            let error = io::Error::other("it has become shorter while it was read");
            return Err(BackupError::file("read", path)(error));
        }
        self.files.push(SavedFile { path: name.to_owned(), size_bytes, sha256 });
        Ok(())
    }

    fn entry(&mut self, name: &str, size: u64, content: &mut impl Read) -> Result<(), BackupError> {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(MODE);
        header.set_size(size);
        self.archive.append_data(&mut header, name, content).map_err(BackupError::archive("write"))
    }

    fn end(mut self, contents: &Contents) -> Result<Manifest, BackupError> {
        let manifest = Manifest {
            format: FORMAT,
            bellrock: env!("CARGO_PKG_VERSION").to_owned(),
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            at: Timestamp::now(),
            packages: contents.packages,
            files: std::mem::take(&mut self.files),
        };
        let text = serde_json::to_vec_pretty(&manifest).expect("a manifest has text keys");
        self.entry(MANIFEST, text.len() as u64, &mut text.as_slice())?;
        let mut into = self.archive.into_inner().map_err(BackupError::archive("end"))?;
        into.flush().map_err(BackupError::archive("end"))?;
        Ok(manifest)
    }
}
