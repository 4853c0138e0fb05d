//! The proxy's folders: of its control socket, of the table it saves, and of its log.

use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::path::Path;

use wire::proxy::SOCKET_FILE;

use super::plan::ProxyPlan;
use crate::paths::Paths;

/// What all proxies of this host share: their saved table, for their user alone, and the folders of their logs.
pub(super) fn make_shared(paths: &Paths, plan: &ProxyPlan) -> io::Result<()> {
    fs_err::create_dir_all(paths.logs_root())?;
    make(&paths.proxy_run(), plan)?;
    make(&paths.proxy_state(), plan)?;
    make(&paths.access_logs(), plan)?;
    // a group of its user may read along
    fs_err::set_permissions(paths.access_logs(), std::fs::Permissions::from_mode(0o750))
}

/// A folder for the proxy's user alone.
pub(super) fn make(folder: &Path, plan: &ProxyPlan) -> io::Result<()> {
    match std::fs::DirBuilder::new().mode(0o700).recursive(true).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    fs_err::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
    match &plan.account {
        Some(account) => give(folder, account.uid, account.gid),
        None => Ok(()),
    }
}

/// Removes the folder of a control socket that nobody serves any more, unless others have theirs below it.
pub(super) fn remove(folder: &Path) -> io::Result<()> {
    match fs_err::remove_file(folder.join(SOCKET_FILE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    match fs_err::remove_dir(folder) {
        Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty) => {
            Err(error)
        }
        _ => Ok(()),
    }
}

/// A folder with the files in it: what an earlier proxy saved as another user stays readable.
fn give(folder: &Path, uid: u32, gid: u32) -> io::Result<()> {
    chown(folder, Some(uid), Some(gid))?;
    for entry in fs_err::read_dir(folder)? {
        std::os::unix::fs::lchown(entry?.path(), Some(uid), Some(gid))?;
    }
    Ok(())
}
