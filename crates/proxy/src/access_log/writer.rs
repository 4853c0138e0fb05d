//! The thread that writes lines.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::file::{RotatedFile, Rotation};
use super::format;
use super::record::Line;
use crate::log;

/// Lines that wait for the writer: a second of what a busy proxy answers, in some megabytes. More are dropped.
const WAITING: usize = 16 * 1024;
/// Bytes that are written at once at most.
const BATCH_BYTES: usize = 64 * 1024;
/// What was dropped, or could not be written, is told this often at most.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Where lines are written, and when the file is rotated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Empty: nowhere.
    pub(crate) path: PathBuf,
    pub(crate) rotation: Rotation,
}

/// Where cores put their lines. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Lines {
    sender: SyncSender<Box<Line>>,
    dropped: Arc<AtomicU64>,
}

impl Lines {
    /// Hands a line over, or drops it: nobody waits.
    pub(crate) fn put(&self, line: Box<Line>) {
        if let Err(TrySendError::Full(_)) = self.sender.try_send(line) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Writes until all [`Lines`] are gone.
#[derive(Debug)]
pub(crate) struct Writer {
    lines: Receiver<Box<Line>>,
    dropped: Arc<AtomicU64>,
    settings: Arc<Mutex<Settings>>,
    open: Option<(PathBuf, RotatedFile)>,
    told_at: Option<Instant>,
    /// Lines that could not be written since it was told.
    failed: u64,
}

impl Writer {
    pub(crate) fn new(settings: Arc<Mutex<Settings>>) -> (Lines, Self) {
        Self::with_room(settings, WAITING)
    }

    fn with_room(settings: Arc<Mutex<Settings>>, room: usize) -> (Lines, Self) {
        let (sender, lines) = sync_channel(room);
        let dropped = Arc::<AtomicU64>::default();
        let writer = Self { lines, dropped: dropped.clone(), settings, open: None, told_at: None, failed: 0 };
        (Lines { sender, dropped }, writer)
    }

    pub(crate) fn run(mut self) {
        let mut text = String::new();
        loop {
            match self.lines.recv_timeout(TELL_EVERY) {
                Ok(line) => {
                    format::put(&line, &mut text);
                    let mut lines = 1;
                    while text.len() < BATCH_BYTES
                        && let Ok(line) = self.lines.try_recv()
                    {
                        format::put(&line, &mut text);
                        lines += 1;
                    }
                    self.write(&text, lines);
                    text.clear();
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.tell_dropped();
        }
    }

    fn write(&mut self, text: &str, lines: u64) {
        let settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if settings.path.as_os_str().is_empty() {
            return;
        }
        if let Err(error) = self.try_write(text, &settings) {
            // opened anew with the next lines: a disk may have room again, a folder be there
            self.open = None;
            self.failed += lines;
            if self.may_tell() {
                let failed = std::mem::take(&mut self.failed);
                log::line(format_args!(
                    "error: {failed} lines of the access log could not be written: {error}"
                ));
            }
        }
    }

    fn try_write(&mut self, text: &str, settings: &Settings) -> std::io::Result<()> {
        let file = match &mut self.open {
            Some((path, file)) if *path == settings.path => file,
            open => &mut open.insert((settings.path.clone(), RotatedFile::open(&settings.path)?)).1,
        };
        file.append(text.as_bytes(), &settings.rotation, SystemTime::now())
    }

    fn tell_dropped(&mut self) {
        if self.dropped.load(Ordering::Relaxed) > 0 && self.may_tell() {
            let dropped = self.dropped.swap(0, Ordering::Relaxed);
            log::line(format_args!(
                "error: {dropped} lines of the access log were dropped: they came too fast"
            ));
        }
    }

    fn may_tell(&mut self) -> bool {
        let may = self.told_at.is_none_or(|at| at.elapsed() >= TELL_EVERY);
        if may {
            self.told_at = Some(Instant::now());
        }
        may
    }
}
