//! The proxy's process: found again, started, or replaced by what it shall be.
//!
//! ```text
//! first: shim "proxy"   ─ its program, an address, its user … is another now ─▶   second: shim "proxy.2"
//!   serves                  borrows the sockets, loads the table, answers: ready    serves
//!   leaves: accepts no more, finishes what is in flight, ends  ◀────────────────
//! ```
//!
//! One that does not become ready is ended, and the one before goes on.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};
use wire::shim::{State, Status};

use super::control::{Control, ControlError};
use super::folders;
use super::number::Number;
use super::plan::{ProxyPlan, STOP};
use crate::paths::Paths;
use crate::shim::{Connected, Found, ShimError, ShimHost, ShimId};

/// How long the shim may take to answer when it is looked for.
const ANSWER: Duration = Duration::from_secs(10);
/// How long the clean-up after a dead shim may take.
const CLEAN_UP: Duration = Duration::from_secs(10);
/// What the shim may need, after the proxy's own time to stop, to end it by force and say so.
const TO_KILL: Duration = Duration::from_secs(15);
/// How long one that is to take over may need until it can be asked.
const READY: Duration = Duration::from_secs(10);
/// Between two looks whether it has stopped, or is ready.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
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
    /// One that was to take over ended instead, or was not even started.
    #[error("it does not run{}", .0.as_ref().map(|said| format!(": {said}")).unwrap_or_default())]
    Ended(Option<String>),
    /// One that was to take over could not be asked in time.
    #[error("it was not ready within {}", model::human::duration(*.within))]
    NotReady {
        /// How long it had.
        within: Duration,
        /// The last attempt.
        #[source]
        source: ControlError,
    },
}

/// A proxy's shim that answers.
#[derive(Debug)]
pub(crate) struct One {
    pub(crate) number: Number,
    pub(crate) shim: Connected,
}

/// What runs.
#[derive(Debug)]
pub(crate) struct Kept {
    /// The one that serves.
    pub(crate) one: One,
    /// Those that finish what is in flight in them.
    pub(crate) leaving: Vec<One>,
    /// Why it is not the one that is planned.
    pub(crate) outdated: Option<String>,
}

/// What a running shim was told, to be compared with what it would be told now.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    /// First line of its file; see [`ProxyPlan::program_identity`].
    program: String,
    /// The others; see [`ProxyPlan::frame`].
    frame: String,
}

/// The host's part of what a proxy is started by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) shims: &'a ShimHost,
    pub(crate) paths: &'a Paths,
    pub(crate) plan: &'a ProxyPlan,
}

impl Place<'_> {
    /// Sees that the proxy runs as planned under its shim.
    pub(crate) async fn ensure(self) -> Result<Kept, ProcessError> {
        folders::make_shared(self.paths, self.plan).map_err(ProcessError::Folders)?;
        let (mut serving, mut leaving) = find(self.shims).await?;
        let Some(newest) = serving.pop() else {
            let number = leaving.last().map_or(Number::FIRST, |last: &One| last.number.next());
            let one = self.begin(number, leaving.last().map(|last| last.number)).await?;
            return Ok(Kept { one, leaving, outdated: None });
        };
        let current = match serving.pop() {
            None => newest,
            // An earlier daemon has not come to the end of a replacement.
            Some(before) => match self.await_ready(&newest).await {
                Ok(()) => {
                    serving.push(before);
                    newest
                }
                Err(_) => {
                    end(self.shims, self.paths, newest, Duration::ZERO).await?;
                    before
                }
            },
        };
        leaving.append(&mut serving);
        let current = self.renew(current).await?;
        if self.told(current.number)?.as_ref() == Some(&self.wanted(current.number)?) {
            return Ok(Kept { one: self.have_begun(current).await?, leaving, outdated: None });
        }
        self.replace(current, leaving).await
    }

    /// The proxy's shim becomes the one that is installed, or stays as it is.
    async fn renew(self, one: One) -> Result<One, ProcessError> {
        let id = one.number.shim_id();
        if !self.shims.outdated().is_ok_and(|outdated| outdated.contains(&id)) {
            return Ok(one);
        }
        match self.shims.renew(&one.shim.handle, 0).await {
            Ok(shim) => {
                info!(shim = %id, "goes on as the shim that is installed");
                Ok(One { shim, ..one })
            }
            Err(error) if one.shim.handle.gone().is_none() => {
                warn!(shim = %id, error = crate::chain(&error), "goes on as a shim of an earlier program");
                Ok(one)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Has another one take over.
    async fn replace(self, current: One, mut leaving: Vec<One>) -> Result<Kept, ProcessError> {
        info!(program = %self.plan.program.display(), "the proxy's program, addresses, user or limit of open files have changed: another one takes over its sockets");
        let taken = leaving.iter().map(|one| one.number).chain([current.number]).max();
        let number = taken.map_or(Number::FIRST, Number::next);
        match self.take_over(number, current.number).await {
            Ok(one) => {
                leaving.push(current);
                Ok(Kept { one, leaving, outdated: None })
            }
            Err(error) => {
                let why = crate::chain(&error);
                warn!("the proxy as it shall be now could not take over, the one before goes on: {why}");
                self.give_up(number).await?;
                Ok(Kept { one: current, leaving, outdated: Some(why) })
            }
        }
    }

    async fn take_over(self, number: Number, from: Number) -> Result<One, ProcessError> {
        let one = self.begin(number, Some(from)).await?;
        self.await_ready(&one).await?;
        Ok(one)
    }

    /// Ends what a failed take-over has left.
    async fn give_up(self, number: Number) -> Result<(), ProcessError> {
        match self.shims.examine(&number.shim_id(), 0, ANSWER).await? {
            Found::Alive(shim) => {
                end(self.shims, self.paths, One { number, shim: *shim }, Duration::ZERO).await
            }
            Found::Dead(dead) => {
                self.shims.clean_up(&dead, CLEAN_UP).await?;
                Ok(self.shims.forget(&number.shim_id())?)
            }
            Found::Unknown { why, .. } => Err(why.into()),
        }
    }

    async fn begin(self, number: Number, from: Option<Number>) -> Result<One, ProcessError> {
        folders::make(&number.run_folder(self.paths), self.plan).map_err(ProcessError::Folders)?;
        let wanted = self.wanted(number)?;
        let shim = self.shims.spawn_afresh(&number.shim_id(), CLEAN_UP).await?;
        wanted.write(&self.told_file(number)).map_err(ProcessError::Folders)?;
        let mut start = self.plan.start(self.paths, number);
        start.listen_from = from.map(|from| self.shims.run_folder(&from.shim_id()));
        shim.handle.start(start).await?;
        Ok(One { number, shim })
    }

    /// An earlier daemon may have got no further than to its shim.
    async fn have_begun(self, one: One) -> Result<One, ProcessError> {
        if one.shim.welcome.status.state == State::Waiting {
            one.shim.handle.start(self.plan.start(self.paths, one.number)).await?;
        }
        Ok(one)
    }

    /// Waits until the process itself answers.
    async fn await_ready(self, one: &One) -> Result<(), ProcessError> {
        let deadline = Instant::now() + READY;
        loop {
            let Status { state, pid, crashes, .. } = one.shim.handle.status().await?;
            if crashes > 0 || state == State::Waiting {
                return Err(ProcessError::Ended(last_words(one).await));
            }
            match Control::connect(&one.number.run_folder(self.paths), self.shims.epoch).await {
                Ok((_, welcome)) if Some(welcome.pid) == pid => return Ok(()),
                Err(source) if Instant::now() >= deadline => {
                    return Err(ProcessError::NotReady { within: READY, source });
                }
                _ => sleep(LOOK_AGAIN).await,
            }
        }
    }

    fn wanted(self, number: Number) -> Result<Told, ProcessError> {
        let no_program = |source| ProcessError::Program { program: self.plan.program.clone(), source };
        let program = self.plan.program_identity().map_err(no_program)?;
        Ok(Told { program, frame: self.plan.frame(self.paths, number) })
    }

    fn told(self, number: Number) -> Result<Option<Told>, ProcessError> {
        Told::read(&self.told_file(number)).map_err(ProcessError::Folders)
    }

    fn told_file(self, number: Number) -> PathBuf {
        self.shims.state_folder(&number.shim_id()).join(TOLD)
    }
}

/// Ends the proxy for good: this host shall have none.
pub(crate) async fn remove(shims: &ShimHost, paths: &Paths) -> Result<(), ProcessError> {
    let (serving, leaving) = find(shims).await?;
    for one in serving.into_iter().chain(leaving) {
        info!("no address is set for the proxy any more: it is stopped");
        end(shims, paths, one, STOP).await?;
    }
    Ok(())
}

/// Whether this is a proxy's shim.
pub fn is_proxy(id: &ShimId) -> bool {
    Number::of_shim(id).is_some()
}

/// Whether the proxy ran before the host was started anew: then nothing runs of what the journal says.
///
/// # Errors
/// When that cannot be seen.
pub async fn was_of_another_boot(shims: &ShimHost) -> Result<bool, ShimError> {
    let this = crate::shim::boot_id()?;
    for id in shims.ids()?.iter().filter(|id| Number::of_shim(id).is_some()) {
        if let Found::Dead(dead) = shims.examine(id, 0, ANSWER).await?
            && dead.boot_id().is_some_and(|its| its != this)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Has one that was replaced leave; returns when it and its shim are gone.
pub(crate) async fn retire(shims: &ShimHost, paths: &Paths, one: One) -> Result<(), ProcessError> {
    one.shim.handle.leave(STOP).await?;
    until_stopped(&one, STOP + TO_KILL).await?;
    forget(shims, paths, one).await
}

/// Those that serve and those that leave, the newest last. What dead ones have left is cleaned up.
async fn find(shims: &ShimHost) -> Result<(Vec<One>, Vec<One>), ProcessError> {
    let mut numbers: Vec<Number> = shims.ids()?.iter().filter_map(Number::of_shim).collect();
    numbers.sort();
    let (mut serving, mut leaving) = (Vec::new(), Vec::new());
    for number in numbers {
        match shims.examine(&number.shim_id(), 0, ANSWER).await? {
            Found::Alive(shim) => {
                let one = One { number, shim: *shim };
                match one.shim.welcome.status.state {
                    State::Stopping | State::Stopped | State::Finished => leaving.push(one),
                    State::Waiting | State::Running | State::BackingOff => serving.push(one),
                }
            }
            Found::Dead(dead) => {
                shims.clean_up(&dead, CLEAN_UP).await?;
                shims.forget(&number.shim_id())?;
            }
            Found::Unknown { why, .. } => return Err(why.into()),
        }
    }
    Ok((serving, leaving))
}

/// Stops a proxy, and its shim with it.
async fn end(shims: &ShimHost, paths: &Paths, one: One, within: Duration) -> Result<(), ProcessError> {
    one.shim.handle.stop(within).await?;
    until_stopped(&one, within + TO_KILL).await?;
    forget(shims, paths, one).await
}

async fn until_stopped(one: &One, within: Duration) -> Result<(), ProcessError> {
    let stopped = async {
        while !matches!(one.shim.handle.status().await?.state, State::Stopped | State::Finished) {
            sleep(LOOK_AGAIN).await;
        }
        Ok::<_, ShimError>(())
    };
    Ok(timeout(within, stopped).await.map_err(|_| ProcessError::DoesNotStop { within })??)
}

async fn forget(shims: &ShimHost, paths: &Paths, one: One) -> Result<(), ProcessError> {
    one.shim.handle.ack(u64::MAX).await?;
    one.shim.handle.release().await?;
    shims.forget(&one.number.shim_id())?;
    folders::remove(&one.number.run_folder(paths)).map_err(ProcessError::Folders)
}

/// The last line of its output.
async fn last_words(one: &One) -> Option<String> {
    let output = one.shim.handle.tail(4096).await.ok()?;
    let text = String::from_utf8_lossy(&output);
    text.lines().rfind(|line| !line.trim().is_empty()).map(str::to_owned)
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
