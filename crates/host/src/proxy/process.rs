//! The proxy's process: found again, started, or replaced by what it shall be.

use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tracing::info;
use wire::shim::State;

use super::plan::{ProxyPlan, SHIM, STOP};
use crate::paths::Paths;
use crate::shim::{Connected, Found, ShimError, ShimHost, ShimId};

/// How long the shim may take to answer when it is looked for.
const ANSWER: Duration = Duration::from_secs(10);
/// How long the clean-up after a dead shim may take.
const CLEAN_UP: Duration = Duration::from_secs(10);
/// What the shim may need, after the proxy's own time to stop, to end it by force and say so.
const TO_KILL: Duration = Duration::from_secs(15);
/// Between two looks whether it has stopped.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// File in the shim's state folder: what it was told, see [`Told`].
const TOLD: &str = "told";

/// Why the proxy does not run.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// Its shim could not be used.
    #[error(transparent)]
    Shim(#[from] ShimError),
    /// A folder or file of it could not be used.
    #[error("could not prepare the proxy's folders")]
    Folders(#[source] io::Error),
    /// There is no program.
    #[error("could not find the proxy's program {program}", program = program.display())]
    Program {
        /// Where it should be.
        program: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It did not stop when it was to be replaced.
    #[error("the proxy did not stop within {}", model::human::duration(*.within))]
    DoesNotStop {
        /// How long it had.
        within: Duration,
    },
}

/// What a running shim was told, to be compared with what it would be told now.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    /// First line of its file; see [`ProxyPlan::program_identity`].
    program: String,
    /// The others; see [`ProxyPlan::frame`].
    frame: String,
}

/// Sees that the proxy runs as planned under its shim.
pub(crate) async fn ensure(
    shims: &ShimHost,
    paths: &Paths,
    plan: &ProxyPlan,
) -> Result<Connected, ProcessError> {
    let id = shim_id();
    let no_program = |source| ProcessError::Program { program: plan.program.clone(), source };
    let wanted = Told { program: plan.program_identity().map_err(no_program)?, frame: plan.frame(paths) };
    make_folders(paths, plan).map_err(ProcessError::Folders)?;
    let told_file = shims.state_folder(&id).join(TOLD);
    let told = Told::read(&told_file).map_err(ProcessError::Folders)?;
    match shims.examine(&id, 0, ANSWER).await? {
        Found::Alive(shim) if told.as_ref().is_some_and(|told| told.frame == wanted.frame) => {
            let shim = *shim;
            if shim.welcome.status.state == State::Waiting {
                return begin(shim, paths, plan).await;
            }
            if told.as_ref() != Some(&wanted) {
                info!(program = %plan.program.display(), "the proxy's program has changed: started anew, connections wait meanwhile");
                shim.handle.restart(STOP).await?;
                wanted.write(&told_file).map_err(ProcessError::Folders)?;
            }
            // Stopped by hand or by an attempt to replace it that got no further.
            if !matches!(shim.welcome.status.state, State::Stopped | State::Finished) {
                return Ok(shim);
            }
            end(shims, shim).await?;
        }
        Found::Alive(shim) => {
            info!("the proxy's addresses or user have changed: it is replaced");
            end(shims, *shim).await?;
        }
        Found::Dead(_) => {}
        Found::Unknown { why, .. } => return Err(why.into()),
    }
    let shim = shims.spawn_afresh(&id, CLEAN_UP).await?;
    wanted.write(&told_file).map_err(ProcessError::Folders)?;
    begin(shim, paths, plan).await
}

/// Ends the proxy for good: this host shall have none.
pub(crate) async fn remove(shims: &ShimHost) -> Result<(), ProcessError> {
    let id = shim_id();
    match shims.examine(&id, 0, ANSWER).await? {
        Found::Alive(shim) => {
            info!("no address is set for the proxy any more: it is stopped");
            end(shims, *shim).await
        }
        Found::Dead(dead) => {
            shims.clean_up(&dead, CLEAN_UP).await?;
            Ok(shims.forget(&id)?)
        }
        Found::Unknown { why, .. } => Err(why.into()),
    }
}

pub(crate) fn shim_id() -> ShimId {
    ShimId::new(SHIM).expect("it is a plain word")
}

async fn begin(shim: Connected, paths: &Paths, plan: &ProxyPlan) -> Result<Connected, ProcessError> {
    shim.handle.start(plan.start(paths)).await?;
    Ok(shim)
}

/// Whether the proxy ran before the host was started anew: then nothing runs of what the journal says.
///
/// # Errors
/// When that cannot be seen.
pub async fn was_of_another_boot(shims: &ShimHost) -> Result<bool, ShimError> {
    match shims.examine(&shim_id(), 0, ANSWER).await? {
        Found::Dead(dead) => {
            let this = crate::shim::boot_id()?;
            Ok(dead.boot_id().is_some_and(|its| its != this))
        }
        Found::Alive(_) | Found::Unknown { .. } => Ok(false),
    }
}

/// Stops the proxy in order, and its shim with it.
async fn end(shims: &ShimHost, shim: Connected) -> Result<(), ProcessError> {
    let within = STOP + TO_KILL;
    shim.handle.stop(STOP).await?;
    let stopped = async {
        while !matches!(shim.handle.status().await?.state, State::Stopped | State::Finished) {
            sleep(LOOK_AGAIN).await;
        }
        Ok::<_, ShimError>(())
    };
    timeout(within, stopped).await.map_err(|_| ProcessError::DoesNotStop { within })??;
    shim.handle.ack(u64::MAX).await?;
    shim.handle.release().await?;
    Ok(shims.forget(&shim_id())?)
}

impl Told {
    fn read(path: &Path) -> io::Result<Option<Told>> {
        match fs_err::read_to_string(path) {
            Ok(text) => Ok(text
                .split_once('\n')
                .map(|(program, frame)| Told { program: program.to_owned(), frame: frame.to_owned() })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Not durable: what a power loss takes is the note about a shim that it takes too.
    fn write(&self, path: &Path) -> io::Result<()> {
        let new = path.with_extension("new");
        fs_err::write(&new, format!("{}\n{}", self.program, self.frame))?;
        fs_err::rename(&new, path)
    }
}

/// Its socket's folder and the one that it saves its table in, for its user alone; and the folder of its log.
fn make_folders(paths: &Paths, plan: &ProxyPlan) -> io::Result<()> {
    fs_err::create_dir_all(paths.logs_root())?;
    for folder in [paths.proxy_run(), paths.proxy_state()] {
        match std::fs::DirBuilder::new().mode(0o700).recursive(true).create(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        fs_err::set_permissions(&folder, std::fs::Permissions::from_mode(0o700))?;
        if let Some(account) = &plan.account {
            give(&folder, account.uid, account.gid)?;
        }
    }
    Ok(())
}

/// A folder with the files in it: what an earlier proxy saved as another user stays readable.
fn give(folder: &Path, uid: u32, gid: u32) -> io::Result<()> {
    chown(folder, Some(uid), Some(gid))?;
    for entry in fs_err::read_dir(folder)? {
        std::os::unix::fs::lchown(entry?.path(), Some(uid), Some(gid))?;
    }
    Ok(())
}
