//! Restoring a backup into a root without a state.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use fs_err::File;
use fs_err::os::unix::fs::OpenOptionsExt;
use package::Sha256Digest;
use package::digest::HashingReader;
use tempfile::TempDir;

use super::{BackupError, FORMAT, MANIFEST, Manifest, SavedFile};
use crate::journal::Journal;
use crate::paths::Paths;

/// Largest manifest: some hundred thousand files.
const MOST_MANIFEST_BYTES: u64 = 64 << 20;

/// Restores a backup. Everything is unpacked beside its place and checked there before anything is changed; the state
/// comes to its place by one rename, which is the last thing that is done. Blocks; the daemon must not run.
///
/// # Errors
/// [`BackupError`]. Settings that were in their place already are the backup's own, so that it can be tried again.
pub fn restore(paths: &Paths, backup: &Path) -> Result<Manifest, BackupError> {
    let mut file = File::open(backup).map_err(BackupError::file("open", backup))?;
    let state = paths.state();
    in_the_way(&state)?;
    let parent = state.parent().unwrap_or(Path::new("/"));
    fs_err::create_dir_all(parent).map_err(BackupError::file("make", parent))?;
    let unpacked = tempfile::Builder::new()
        .prefix(".bellrock-restore-")
        .tempdir_in(parent)
        .map_err(BackupError::file("make a folder in", parent))?;
    let saved = unpack(&mut file, unpacked.path())?;
    let manifest = check(saved)?;
    let copies = Paths::new(unpacked.path());
    check_journal(&copies, &manifest)?;
    let settings = settings(paths, &copies, &manifest)?;
    for (from, to) in settings {
        put(&from, &to)?;
    }
    publish(&unpacked, &copies.state(), &state)?;
    Ok(manifest)
}

/// A state is never replaced, not even an empty one that a daemon has made.
fn in_the_way(state: &Path) -> Result<(), BackupError> {
    match fs_err::read_dir(state) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(BackupError::file("list", state)(error)),
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(BackupError::InTheWay { path: state.to_owned() }),
        },
    }
}

/// What came out of an archive.
struct Saved {
    files: BTreeMap<String, (u64, Sha256Digest)>,
    manifest: Option<Vec<u8>>,
}

fn unpack(file: &mut File, into: &Path) -> Result<Saved, BackupError> {
    let read = BackupError::archive;
    file.seek(SeekFrom::Start(0)).map_err(read("read"))?;
    let mut saved = Saved { files: BTreeMap::new(), manifest: None };
    let mut archive = tar::Archive::new(file);
    for entry in archive.entries().map_err(read("read"))? {
        let mut entry = entry.map_err(read("read"))?;
        let name = entry.path().map_err(read("read"))?.to_str().map(str::to_owned);
        let name = name.ok_or_else(|| BackupError::NotWhole("a file's name is not text".into()))?;
        if saved.manifest.is_some() {
            return Err(BackupError::NotWhole(format!("{name} comes behind the manifest")));
        }
        if !entry.header().entry_type().is_file() {
            return Err(BackupError::NotWhole(format!("{name} is no regular file")));
        }
        if name == MANIFEST {
            let mut text = Vec::new();
            entry.take(MOST_MANIFEST_BYTES).read_to_end(&mut text).map_err(read("read"))?;
            saved.manifest = Some(text);
            continue;
        }
        let known = copy(&mut entry, &into.join(belongs(&name)?))?;
        if saved.files.insert(name.clone(), known).is_some() {
            return Err(BackupError::NotWhole(format!("{name} is in it twice")));
        }
    }
    Ok(saved)
}

/// The only places that a backup may put files into, whatever it says.
fn belongs(name: &str) -> Result<&Path, BackupError> {
    let path = Path::new(name);
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    let ours = ["etc/bellrock/", "var/lib/bellrock/"].iter().any(|place| name.starts_with(place));
    match plain && ours {
        true => Ok(path),
        false => Err(BackupError::NotWhole(format!("{name:?} does not belong into a backup"))),
    }
}

fn copy(from: &mut impl Read, to: &Path) -> Result<(u64, Sha256Digest), BackupError> {
    make_folder(to.parent().unwrap_or(Path::new("/")))?;
    let mut options = File::options();
    let file = options.write(true).create_new(true).mode(0o600).open(to);
    let mut file = file.map_err(BackupError::file("make", to))?;
    let mut reader = HashingReader::new(from);
    io::copy(&mut reader, &mut file).map_err(BackupError::file("write", to))?;
    file.sync_all().map_err(BackupError::file("write", to))?;
    let (digest, size) = reader.finish();
    Ok((size, digest))
}

/// Everything that the manifest names is there as it says, and nothing else.
fn check(saved: Saved) -> Result<Manifest, BackupError> {
    let text = saved.manifest.ok_or_else(|| {
        BackupError::NotWhole("it has no manifest at its end: it was cut off, or is something else".into())
    })?;
    let form: serde_json::Value = serde_json::from_slice(&text)
        .map_err(|error| BackupError::NotWhole(format!("its manifest: {error}")))?;
    let found = form["format"].as_u64().and_then(|found| u32::try_from(found).ok()).unwrap_or(0);
    if found > FORMAT {
        let bellrock = form["bellrock"].as_str().unwrap_or("of a later version").to_owned();
        return Err(BackupError::Newer { found, bellrock });
    }
    let manifest: Manifest = serde_json::from_value(form)
        .map_err(|error| BackupError::NotWhole(format!("its manifest: {error}")))?;
    let mut there = saved.files;
    for SavedFile { path, size_bytes, sha256 } in &manifest.files {
        match there.remove(path) {
            Some(known) if known == (*size_bytes, *sha256) => {}
            Some(_) => return Err(BackupError::NotWhole(format!("{path} is not as it was saved"))),
            None => return Err(BackupError::NotWhole(format!("{path} is missing"))),
        }
    }
    match there.into_keys().next() {
        None => Ok(manifest),
        Some(path) => Err(BackupError::NotWhole(format!("its manifest does not know {path}"))),
    }
}

/// The journal can be opened by this program: it is neither damaged nor of a newer one.
fn check_journal(copies: &Paths, manifest: &Manifest) -> Result<(), BackupError> {
    let path = copies.database();
    if !manifest.files.iter().any(|file| file.path == copies.below(&path)) {
        return Err(BackupError::NotWhole("it holds no journal".into()));
    }
    let found = Journal::check(&path)?;
    // SQLite makes them to read; the copy has nothing in them.
    for ending in ["-wal", "-shm"] {
        let beside = path.with_file_name(format!("state.db{ending}"));
        match fs_err::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(BackupError::file("remove", beside)(error));
            }
            _ => {}
        }
    }
    match found.is_empty() {
        true => Ok(()),
        false => Err(BackupError::NotWhole(format!("its journal is damaged: {}", found.join("; ")))),
    }
}

/// Settings that are not in their place yet; others than the backup's are in the way.
fn settings(
    paths: &Paths,
    copies: &Paths,
    manifest: &Manifest,
) -> Result<Vec<(PathBuf, PathBuf)>, BackupError> {
    let mut missing = Vec::new();
    for file in manifest.files.iter().filter(|file| file.path.starts_with("etc/")) {
        let (from, to) = (copies.root().join(&file.path), paths.root().join(&file.path));
        match Sha256Digest::of_file(&to) {
            Ok(digest) if digest == file.sha256 => {}
            Ok(_) => return Err(BackupError::InTheWay { path: to }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => missing.push((from, to)),
            Err(error) => return Err(BackupError::file("read", to)(error)),
        }
    }
    Ok(missing)
}

/// Puts a file of settings in its place: whole, or not at all.
fn put(from: &Path, to: &Path) -> Result<(), BackupError> {
    let folder = to.parent().unwrap_or(Path::new("/"));
    make_folder_passable(folder)?;
    let failed = || BackupError::file("write", to);
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed())?;
    io::copy(&mut File::open(from).map_err(failed())?, &mut file).map_err(failed())?;
    file.as_file().sync_all().map_err(failed())?;
    file.persist(to).map_err(|error| failed()(error.error))?;
    sync(folder)
}

/// The commit: after it the state is there, before it nothing is.
fn publish(unpacked: &TempDir, from: &Path, to: &Path) -> Result<(), BackupError> {
    sync_tree(unpacked.path())?;
    // As the daemon makes it: apps get through on the way to their trees.
    let failed = BackupError::file("make", to);
    fs_err::set_permissions(from, std::fs::Permissions::from_mode(0o711)).map_err(failed)?;
    // An empty folder may be in its place; rename(2) replaces that and nothing else.
    fs_err::rename(from, to).map_err(BackupError::file("move the state to", to))?;
    sync(to.parent().unwrap_or(Path::new("/")))
}

fn make_folder(path: &Path) -> Result<(), BackupError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(BackupError::file("make", path))
}

fn make_folder_passable(path: &Path) -> Result<(), BackupError> {
    fs_err::create_dir_all(path).map_err(BackupError::file("make", path))
}

fn sync(folder: &Path) -> Result<(), BackupError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(BackupError::file("sync", folder))
}

fn sync_tree(folder: &Path) -> Result<(), BackupError> {
    for entry in fs_err::read_dir(folder).map_err(BackupError::file("list", folder))? {
        let entry = entry.map_err(BackupError::file("list", folder))?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            sync_tree(&entry.path())?;
        }
    }
    sync(folder)
}
