//! Shims that run another program than the one that is installed, and how they go on as that one.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;
use wire::shim::renewal::TAKES_OVER;

use super::{Connected, Handle, ShimError, ShimHost, ShimId};

/// It prints one line.
const PRINTS: Duration = Duration::from_secs(10);
/// How long a shim may take until it answers as the other program.
const ANSWERS: Duration = Duration::from_secs(10);

impl ShimHost {
    /// The shims of this root that run another file than the program that is installed, by /proc.
    ///
    /// # Errors
    /// When /proc or the installed program cannot be read.
    pub fn outdated(&self) -> io::Result<Vec<ShimId>> {
        let installed = identity(&self.shim_binary)?;
        let mut outdated = Vec::new();
        for entry in fs_err::read_dir("/proc")? {
            let process = entry?.path();
            // One that has ended meanwhile, or is somebody else's.
            let Ok(command_line) = fs_err::read(process.join("cmdline")) else { continue };
            let Some(id) = self.shim_of(&command_line) else { continue };
            if identity(&process.join("exe")).is_ok_and(|its| its != installed) {
                outdated.push(id);
            }
        }
        outdated.sort();
        Ok(outdated)
    }

    /// The shim whose run folder is the first argument.
    fn shim_of(&self, command_line: &[u8]) -> Option<ShimId> {
        let run = command_line.split(|byte| *byte == 0).nth(1)?;
        let run = Path::new(std::ffi::OsStr::from_bytes(run));
        let id = run.strip_prefix(&self.run_root).ok()?.to_str()?;
        ShimId::new(id).ok()
    }

    /// Has a shim go on as the program that is installed; its child and all that it holds stay as they are. Returns the
    /// new connection.
    ///
    /// # Errors
    /// [`ShimError::Refused`], and others before anything was asked: the shim goes on as the program that it is, and
    /// `shim` can be used as before. After any other the shim lives, or does not; it is to be looked for.
    pub async fn renew(&self, handle: &Handle, after: u64) -> Result<Connected, ShimError> {
        let formats = self.formats(handle.id()).await?;
        handle.renew(&self.shim_binary, formats).await?;
        self.connect(handle.id(), after, ANSWERS).await
    }

    /// What the installed program can go on from; asking proves that it can be executed here.
    pub(crate) async fn formats(&self, id: &ShimId) -> Result<Vec<u32>, ShimError> {
        let mut command = Command::new(&self.shim_binary);
        command.arg(TAKES_OVER).env_clear().stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let failed = |source| ShimError::Execute { program: self.shim_binary.clone(), source };
        let late =
            |_| ShimError::TimedOut { id: id.to_string(), doing: "tell what it takes over", within: PRINTS };
        let output = timeout(PRINTS, command.output()).await.map_err(late)?.map_err(failed)?;
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(text.lines().filter(|_| output.status.success()).filter_map(|line| line.parse().ok()).collect())
    }
}

/// Tells one file from another, also after it was replaced.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let file = fs_err::metadata(path)?;
    Ok((file.dev(), file.ino()))
}
