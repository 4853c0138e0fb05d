//! The writer thread: takes output from the rings and appends it to the log files, however slow the disk.

use crate::clock;
use crate::log_file::Log;
use crate::ring::Ring;
use rustix::io::Errno;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use wire::shim::{LogFile, Stream};

/// What a ring holds while the disk is slow: enough for a burst of some thousand lines, little enough to have
/// two of them in every shim.
const RING: usize = 64 * 1024;
/// Written at once.
const CHUNK: usize = 16 * 1024;
/// After a failed write (disk full, IO error) the next attempt waits this long.
const RETRY: Duration = Duration::from_secs(1);
/// Far more than the writer's few calls need.
const STACK: usize = 64 * 1024;

/// Between main, which never waits, and the writer.
pub(crate) struct Shared {
    state: Mutex<State>,
    work: Condvar,
    idle: Condvar,
}

struct State {
    lanes: [Lane; 2],
    writing: bool,
}

struct Lane {
    ring: Ring,
    /// Bytes lost that no marker line tells of yet.
    lost: u64,
    /// A new place for the log, to be taken up by the writer.
    file: Option<LogFile>,
    rotate: bool,
}

impl Lane {
    fn new() -> Self {
        Self { ring: Ring::new(RING), lost: 0, file: None, rotate: false }
    }

    fn has_work(&self) -> bool {
        !self.ring.is_empty() || self.file.is_some() || self.rotate
    }
}

/// Starts the thread. It ends with the process.
pub(crate) fn start() -> std::io::Result<Arc<Shared>> {
    let state = State { lanes: [Lane::new(), Lane::new()], writing: false };
    let shared = Arc::new(Shared { state: Mutex::new(state), work: Condvar::new(), idle: Condvar::new() });
    let theirs = Arc::clone(&shared);
    std::thread::Builder::new()
        .name("writer".to_owned())
        .stack_size(STACK)
        .spawn(move || theirs.write_all())?;
    Ok(shared)
}

impl Shared {
    /// Hands over output; returns how much older output was lost for it.
    pub(crate) fn push(&self, stream: Stream, bytes: &[u8]) -> usize {
        let mut state = self.lock();
        let lane = &mut state.lanes[stream as usize];
        let lost = lane.ring.push(bytes);
        lane.lost += lost as u64;
        self.work.notify_one();
        lost
    }

    pub(crate) fn set_files(&self, stdout: LogFile, stderr: LogFile) {
        let mut state = self.lock();
        state.lanes[Stream::Stdout as usize].file = Some(stdout);
        state.lanes[Stream::Stderr as usize].file = Some(stderr);
        self.work.notify_one();
    }

    pub(crate) fn rotate(&self) {
        for lane in &mut self.lock().lanes {
            lane.rotate = true;
        }
        self.work.notify_one();
    }

    pub(crate) fn flush(&self, limit_ms: u64) -> bool {
        let until = clock::since_boot_ms() + limit_ms;
        let mut state = self.lock();
        while state.writing || state.lanes.iter().any(Lane::has_work) {
            let left = until.saturating_sub(clock::since_boot_ms());
            if left == 0 {
                return false;
            }
            let waited = self.idle.wait_timeout(state, Duration::from_millis(left));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread's life.
    fn write_all(&self) {
        let mut feeds = [Feed::default(), Feed::default()];
        loop {
            let mut failed = false;
            for (index, feed) in feeds.iter_mut().enumerate() {
                self.take(index, feed);
                failed |= feed.write().is_err();
            }
            if failed {
                // Meanwhile the rings forget their oldest; main never waits for this.
                std::thread::sleep(RETRY);
            } else {
                self.wait_for_work();
            }
        }
    }

    /// Obeys orders to the log; takes the lane's next chunk, unless the last one is still to be written.
    fn take(&self, index: usize, feed: &mut Feed) {
        let mut state = self.lock();
        state.writing = true;
        let lane = &mut state.lanes[index];
        let file = lane.file.take();
        let rotate = std::mem::take(&mut lane.rotate);
        let lost = if feed.chunk.is_empty() {
            lane.ring.pop(CHUNK, &mut feed.chunk);
            std::mem::take(&mut lane.lost)
        } else {
            0
        };
        drop(state);
        if let Some(file) = file {
            feed.log.move_to(file);
        }
        if rotate {
            feed.log.rotate();
        }
        if lost > 0 {
            feed.log.mark_loss(lost, &mut feed.chunk);
        }
    }

    fn wait_for_work(&self) {
        let mut state = self.lock();
        state.writing = false;
        while !state.lanes.iter().any(Lane::has_work) {
            state.lanes.iter_mut().for_each(|lane| lane.ring.rest());
            self.idle.notify_all();
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.writing = true;
    }
}

/// The writer's side of one lane.
#[derive(Default)]
struct Feed {
    log: Log,
    /// Taken and not yet written.
    chunk: Vec<u8>,
}

impl Feed {
    fn write(&mut self) -> Result<(), Errno> {
        while !self.chunk.is_empty() {
            let written = self.log.write(&self.chunk)?;
            self.chunk.drain(..written);
        }
        Ok(())
    }
}
