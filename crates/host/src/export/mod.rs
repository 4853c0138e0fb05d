//! Other proxies on this host, kept up to date: their file is written and they are reloaded whenever what is offered to
//! new requests changes, before anything that was taken out is drained.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use model::export::{Rival, Upstream};
use model::settings::{Command, ExportSettings};
use model::{AppName, EffectId, InstanceId, human};
use tokio::process::Command as Process;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{info, warn};

/// Search path of reloads: as that of apps.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Characters of a reload's output that are told when it fails.
const MOST_TOLD: usize = 500;

/// Why a proxy was not told.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Its file could not be written; the one before is still there.
    #[error("could not write {path} for {rival} (export.{rival}.file)", path = path.display())]
    Write {
        /// Which.
        rival: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Its reload could not be started.
    #[error("could not run {command} (export.{rival}.reload)")]
    Run {
        /// Which.
        rival: &'static str,
        /// The reload.
        command: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Its reload failed.
    #[error("{command} {how} (export.{rival}.reload){}", told(.output))]
    Failed {
        /// Which.
        rival: &'static str,
        /// The reload.
        command: String,
        /// How.
        how: String,
        /// What it wrote.
        output: String,
    },
    /// Its reload did not end.
    #[error("{command} did not end within {} and was killed (export.{rival}.reload, export.timeout)", human::duration(*.within))]
    Late {
        /// Which.
        rival: &'static str,
        /// The reload.
        command: String,
        /// The time that it had.
        within: Duration,
    },
}

fn told(output: &str) -> String {
    let output = output.trim();
    if output.is_empty() { String::new() } else { format!(": {output}") }
}

/// The other proxies of this host.
#[derive(Debug)]
pub struct Exports {
    settings: ExportSettings,
    /// One reload at a time: a later one must not be overtaken by an earlier one.
    state: tokio::sync::Mutex<State>,
    /// What all of them have read.
    read: watch::Sender<BTreeMap<AppName, Read>>,
}

#[derive(Debug, Default)]
struct State {
    /// What each app offers, with the effect that wanted it.
    upstreams: BTreeMap<AppName, (Option<EffectId>, Upstream)>,
    /// What each proxy was told last, and read.
    texts: BTreeMap<Rival, String>,
}

/// What was read of an app.
#[derive(Debug)]
struct Read {
    upstream: Upstream,
    /// Since when.
    at: Instant,
}

impl Exports {
    /// The proxies that the settings name, told of nothing yet.
    pub fn new(settings: ExportSettings) -> Self {
        Exports { settings, state: tokio::sync::Mutex::default(), read: watch::Sender::default() }
    }

    /// Whether any proxy is told.
    pub fn is_on(&self) -> bool {
        self.targets().next().is_some()
    }

    fn targets(&self) -> impl Iterator<Item = (Rival, &Path, Option<&Command>)> {
        Rival::ALL.into_iter().filter_map(|rival| {
            let to = self.settings.to(rival);
            Some((rival, to.file.as_deref()?, to.reload.as_ref()))
        })
    }

    /// Takes what all apps offered when the daemon started, and tells it: the machine may have been started anew.
    ///
    /// # Errors
    /// [`ExportError`]; the next change of any app tells it again.
    pub async fn open(&self, upstreams: Vec<Upstream>) -> Result<(), ExportError> {
        let mut state = self.state.lock().await;
        state.upstreams = upstreams.into_iter().map(|it| (it.app.clone(), (None, it))).collect();
        self.tell(&mut state).await
    }

    /// Has every proxy offer this, and nothing else of the app; returns when they have read it.
    ///
    /// # Errors
    /// [`ExportError`]; it may be asked for again.
    pub async fn publish(&self, effect: EffectId, upstream: Upstream) -> Result<(), ExportError> {
        if !self.is_on() {
            return Ok(());
        }
        let mut state = self.state.lock().await;
        let app = &upstream.app;
        match state.upstreams.get(app) {
            // The app has wanted something else since.
            Some((Some(before), _)) if *before > effect => return Ok(()),
            _ => state.upstreams.insert(app.clone(), (Some(effect), upstream)),
        };
        self.tell(&mut state).await
    }

    /// Waits until all have read that an instance gets no new requests, at most `within`, and then as long as requests
    /// may still come that were on their way. False: it was not read in time.
    pub async fn drained(&self, app: &AppName, instance: InstanceId, within: Duration) -> bool {
        if !self.is_on() {
            return true;
        }
        let is_out = |read: &BTreeMap<AppName, Read>| {
            read.get(app)
                .is_some_and(|it| it.upstream.servers.iter().all(|server| server.instance != instance))
        };
        let mut read = self.read.subscribe();
        let since = match timeout(within + self.settings.timeout, read.wait_for(is_out)).await {
            Ok(Ok(read)) => read.get(app).map(|it| it.at),
            Ok(Err(_)) | Err(_) => None,
        };
        match since {
            Some(since) => sleep_until(since + self.settings.drain).await,
            None => warn!(%app, %instance, "another proxy did not read in time that it gets no requests"),
        }
        since.is_some()
    }

    async fn tell(&self, state: &mut State) -> Result<(), ExportError> {
        for (rival, file, reload) in self.targets() {
            let text = rival.text(state.upstreams.values().map(|(_, upstream)| upstream));
            if state.texts.get(&rival) == Some(&text) {
                continue;
            }
            write(rival, file, &text).await?;
            if let Some(reload) = reload {
                run(rival, reload, self.settings.timeout).await?;
            }
            info!(to = rival.name(), file = %file.display(), "told what is ready");
            state.texts.insert(rival, text);
        }
        let now = Instant::now();
        self.read.send_modify(|read| {
            for (app, (_, upstream)) in &state.upstreams {
                if read.get(app).is_none_or(|it| it.upstream != *upstream) {
                    read.insert(app.clone(), Read { upstream: upstream.clone(), at: now });
                }
            }
        });
        Ok(())
    }
}

/// Whole, or not at all: who reads it meanwhile reads the one before.
async fn write(rival: Rival, path: &Path, text: &str) -> Result<(), ExportError> {
    let (to, text) = (path.to_owned(), text.to_owned());
    // The proxy may read it as another user; nothing in it is secret.
    let work = move || package::durable::write_whole(&to, text.as_bytes(), 0o644, None);
    let written = spawn_blocking(work).await.map_err(io::Error::other).and_then(|written| written);
    written.map_err(|source| ExportError::Write { rival: rival.name(), path: path.to_owned(), source })
}

async fn run(rival: Rival, reload: &Command, within: Duration) -> Result<(), ExportError> {
    let (rival, command) = (rival.name(), reload.to_string());
    let mut process = Process::new(reload.executable());
    process.args(reload.arguments()).env_clear().env("PATH", PATH).current_dir("/").kill_on_drop(true);
    process.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = match timeout(within, process.output()).await {
        Err(_) => return Err(ExportError::Late { rival, command, within }),
        Ok(Err(source)) => return Err(ExportError::Run { rival, command, source }),
        Ok(Ok(output)) => output,
    };
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let cut = text.char_indices().rev().nth(MOST_TOLD).map_or(0, |(at, _)| at);
    let output_end = text[cut..].to_owned();
    Err(ExportError::Failed {
        rival,
        command,
        how: format!("ended with {}", output.status),
        output: output_end,
    })
}
