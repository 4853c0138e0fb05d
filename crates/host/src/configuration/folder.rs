//! The folder of one evaluation: what the VM is given, and where it writes.
//!
//! ```text
//! {folder}/        0711, ours      stdout.log stderr.log: the shim writes them, so nobody else may put a link there
//!   own/           0700, the app's evaluate (what the VM does), answer (what it says), sys.config …
//! ```
//!
//! All files are there before the inner folder is the app's. The answer is read from the file that was opened then, whatever
//! has become of its name.

use std::fs::{DirBuilder, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use fs_err::os::unix::fs::{lchown, symlink};
use fs_err::{File, OpenOptions};

use crate::users::Account;

/// See the module.
pub(super) struct Folder {
    path: PathBuf,
    owner: Option<(u32, u32)>,
    answer: File,
}

impl Folder {
    /// Makes it with what the VM evaluates, still ours; `account` will own its inner part.
    pub(super) fn make(path: &Path, text: &str, account: Option<&Account>) -> io::Result<Self> {
        if let Some(parent) = path.parent() {
            fs_err::create_dir_all(parent)?;
        }
        fs_err::create_dir(path)?;
        fs_err::set_permissions(path, Permissions::from_mode(0o711))?;
        DirBuilder::new().mode(0o700).create(own(path))?;
        let owner = account.map(|it| (it.uid, it.gid));
        let answer = new_file(&own(path).join("answer"), 0o600, owner)?;
        let mut folder = Folder { path: path.to_owned(), owner, answer };
        folder.put("evaluate", text.as_bytes())?;
        Ok(folder)
    }

    /// Puts a file into it that the VM may read.
    pub(super) fn put(&mut self, name: &str, content: &[u8]) -> io::Result<PathBuf> {
        let path = self.own().join(name);
        let mut file = new_file(&path, 0o400, self.owner)?;
        file.write_all(content)?;
        Ok(path)
    }

    /// Has everything that lies in another folder seen in this one too, but what is there already.
    pub(super) fn show(&mut self, other: &Path) -> io::Result<()> {
        for entry in fs_err::read_dir(other)? {
            let entry = entry?;
            let link = self.own().join(entry.file_name());
            if fs_err::symlink_metadata(&link).is_err() {
                symlink(entry.path(), link)?;
            }
        }
        Ok(())
    }

    /// Makes its inner part the app's; nothing is put into it after this.
    pub(super) fn hand_over(&self) -> io::Result<()> {
        match self.owner {
            Some((uid, gid)) => lchown(self.own(), Some(uid), Some(gid)),
            None => Ok(()),
        }
    }

    /// The inner part, which is the app's.
    pub(super) fn own(&self) -> PathBuf {
        own(&self.path)
    }

    /// Where the VM's output goes.
    pub(super) fn log(&self, stream: &str) -> PathBuf {
        self.path.join(format!("{stream}.log"))
    }

    /// What the VM has written, from its beginning.
    pub(super) fn answer(&self) -> &File {
        &self.answer
    }
}

fn own(path: &Path) -> PathBuf {
    path.join("own")
}

fn new_file(path: &Path, mode: u32, owner: Option<(u32, u32)>) -> io::Result<File> {
    let options = std::fs::OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).clone();
    let file = OpenOptions::from_options(options).open(path)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    if let Some((uid, gid)) = owner {
        fchown(file.file(), Some(uid), Some(gid))?;
    }
    Ok(file)
}
