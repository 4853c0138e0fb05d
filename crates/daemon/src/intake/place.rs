//! Moving a package and what was unpacked of it to where they belong.

use std::io;
use std::path::{Path, PathBuf};

use fs_err as fs;
use host::Paths;
use model::{AppName, VersionLabel};
use package::Sha256Digest;
use package::tree::{Check, Unpacked, remove_tree, verify};

/// A package that was found acceptable.
pub(super) struct Placed<'a> {
    pub(super) app: &'a AppName,
    pub(super) label: &'a VersionLabel,
    /// The package as it came.
    pub(super) package: &'a Path,
    /// What was unpacked of it, beside it.
    pub(super) unpacked: &'a Unpacked,
    /// `--build-log`
    pub(super) build_log: Option<&'a [u8]>,
}

/// Moves both to their places, durable when it returns. A whole folder of the same package stays as it is: instances
/// may be starting from it.
pub(super) fn place(paths: &Paths, it: &Placed<'_>) -> io::Result<()> {
    let (version, papers) = (paths.version(it.app, it.label), paths.papers(it.app, it.label));
    fs::create_dir_all(paths.versions(it.app))?;
    fs::create_dir_all(&papers)?;
    if !is_whole(&version, it.unpacked.digest) {
        remove_tree(&version)?;
        fs::rename(&it.unpacked.path, &version)?;
    }
    // It was written by somebody who does not wait for the disk.
    fs::File::open(it.package)?.sync_all()?;
    fs::rename(it.package, paths.package(it.app, it.label))?;
    if let Some(log) = it.build_log {
        let file = paths.build_log(it.app, it.label);
        fs::write(&file, log)?;
        fs::File::open(&file)?.sync_all()?;
    }
    let (versions, all_papers) = (paths.versions(it.app), paths.all_papers(it.app));
    let tops = [&versions, &all_papers].map(|folder| folder.parent().map(PathBuf::from).unwrap_or_default());
    let [top_versions, top_papers] = tops;
    [papers, all_papers, top_papers, versions, top_versions].iter().try_for_each(|folder| sync(folder))
}

/// A quick look is enough: every byte is looked at when a deployment begins.
fn is_whole(version: &Path, digest: Sha256Digest) -> bool {
    verify(version, Check::Quick).is_ok_and(|found| found.digest == digest)
}

fn sync(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}
