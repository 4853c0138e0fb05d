//! The event log in the state folder: what happened is on disk before anybody is told.
//!
//! What is synced: a task's `Began` (it must never run twice, not even after a power loss) and `Exited` (an
//! outcome that was reported must not be forgotten). The rest is only written: it survives the shim's death,
//! and after a power loss the host has another boot id and nothing runs anyway.
//!
//! The log is made shorter when the daemon has taken most of it, at quiet moments; past [`LIMIT`] the older half
//! goes even if nobody took it, and an `EventsLost` stands in its place. On a full disk events wait in memory,
//! and are not sent.

use crate::clock;
use crate::renewal::number;
use crate::sys;
use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use wire::record;
use wire::shim::saved::{Header, Saved};
use wire::shim::{EVENT_LOG_FILE, Event, EventsLost, Happening, renewal};

/// Bytes above which a log is made shorter as soon as events are taken.
const WORTH_CUTTING: u64 = 64 * 1024;
/// Bytes above which events go that nobody took: 10 000 crashes, weeks at the longest wait between them.
const LIMIT: u64 = 1024 * 1024;
/// Bytes of events that wait in memory for a full disk.
const WAITING_LIMIT: usize = 64 * 1024;

/// An open event log.
pub(crate) struct EventLog {
    folder: OwnedFd,
    file: OwnedFd,
    /// Bytes of whole records.
    length: u64,
    /// Rises when offsets change their meaning.
    pub(crate) generation: u64,
    header: Header,
    last_seq: u64,
    acknowledged: u64,
    /// Events that could not be written yet, whether any is to be synced, and how many found no room even here.
    waiting: Vec<u8>,
    sync_waiting: bool,
    without_room: u64,
}

impl EventLog {
    /// Makes the log; fails if there is one, for an id is used once.
    pub(crate) fn create(folder: BorrowedFd<'_>, header: Header) -> Result<Self, Errno> {
        let folder =
            folder.try_clone_to_owned().map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        let file = open(&folder, EVENT_LOG_FILE, OFlags::EXCL)?;
        let mut log = Self { header, ..Self::empty(folder, file) };
        let mut bytes = Vec::new();
        Saved::Header(log.header.clone()).put_record(&mut bytes);
        let written = log.write(&bytes, true).and_then(|()| fs::fsync(&log.folder));
        if written.is_err() {
            let _ = fs::unlinkat(&log.folder, EVENT_LOG_FILE, AtFlags::empty());
        }
        written.map(|()| log)
    }

    /// As the program before has handed it over.
    pub(crate) fn handed(log: renewal::Log, folder: BorrowedFd<'_>) -> Result<Self, Errno> {
        let folder =
            folder.try_clone_to_owned().map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        let renewal::Log { file, length, header, last_seq, acknowledged } = log;
        let file = sys::own(file);
        Ok(Self { length, header, last_seq, acknowledged, ..Self::empty(folder, file) })
    }

    /// For the next program; `None`: events wait for room on the disk, and would be lost.
    pub(crate) fn hand(&self) -> Option<renewal::Log> {
        if self.is_waiting() || self.without_room > 0 {
            return None;
        }
        let &Self { length, last_seq, acknowledged, .. } = self;
        let (file, header) = (number(&self.file), self.header.clone());
        Some(renewal::Log { file, length, header, last_seq, acknowledged })
    }

    fn empty(folder: OwnedFd, file: OwnedFd) -> Self {
        Self {
            folder,
            file,
            length: 0,
            generation: 0,
            header: Header::default(),
            last_seq: 0,
            acknowledged: 0,
            waiting: Vec::new(),
            sync_waiting: false,
            without_room: 0,
        }
    }

    pub(crate) fn last_seq(&self) -> u64 {
        self.last_seq
    }

    /// Notes what happened. An error means that it is not on disk yet and will be tried again.
    pub(crate) fn append(&mut self, what: Happening) -> Result<(), Errno> {
        let sync = matches!(what, Happening::Began(_) | Happening::Exited(_));
        if self.waiting.len() < WAITING_LIMIT {
            self.put(what);
            self.sync_waiting |= sync;
        } else {
            self.without_room += 1;
        }
        self.write_waiting()
    }

    /// Gives the event its number and puts it behind those that wait.
    fn put(&mut self, what: Happening) {
        self.last_seq += 1;
        let (seq, time_ms, since_boot_ms) = (self.last_seq, clock::wall_ms(), clock::since_boot_ms());
        Saved::Event(Event { seq, time_ms, since_boot_ms, what: Some(what) }).put_record(&mut self.waiting);
    }

    /// Whether events wait for the disk.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Tries again to write them.
    pub(crate) fn write_waiting(&mut self) -> Result<(), Errno> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let bytes = std::mem::take(&mut self.waiting);
        let written = self.write(&bytes, self.sync_waiting);
        if let Err(error) = written {
            self.waiting = bytes;
            return Err(error);
        }
        self.sync_waiting = false;
        match std::mem::take(&mut self.without_room) {
            0 => Ok(()),
            count => self.append(Happening::EventsLost(EventsLost { count })),
        }
    }

    /// Forgets events that wait, for what they announce will not be done.
    pub(crate) fn take_back(&mut self, seq: u64) {
        self.waiting.clear();
        self.sync_waiting = false;
        self.last_seq = seq;
    }

    /// The daemon has taken all up to `seq`.
    pub(crate) fn acknowledge(&mut self, seq: u64) {
        self.acknowledged = self.acknowledged.max(seq.min(self.last_seq));
    }

    /// Reads the event record at `offset`: its number, it as payload, and the next offset; `None` at the end.
    pub(crate) fn read_at(&self, offset: u64) -> Option<(Saved, u64)> {
        let (payload, next) = self.record_at(offset)?;
        Some((Saved::from_record(&payload).ok()??, next))
    }

    /// Makes the log shorter if that is worth it; `quiet`: no child's output waits meanwhile.
    pub(crate) fn shorten(&mut self, quiet: bool) {
        let worth = quiet && self.length > WORTH_CUTTING && self.acknowledged > self.header.before;
        let taken = self.acknowledged;
        if worth {
            let _ = self.keep_behind(taken, taken);
        }
        if self.length > LIMIT {
            let middle = self.header.before + (self.last_seq - self.header.before) / 2;
            let _ = self.keep_behind(taken.max(middle), taken);
        }
    }

    /// Writes a new file with the events behind `last`, and puts it in the old one's place.
    fn keep_behind(&mut self, last: u64, taken: u64) -> Result<(), Errno> {
        const NEW: &str = "events.new";
        let _ = fs::unlinkat(&self.folder, NEW, AtFlags::empty());
        let file = open(&self.folder, NEW, OFlags::EXCL)?;
        let mut header = self.header.clone();
        let lost = last.saturating_sub(taken.max(header.before));
        let mut kept = Vec::new();
        let mut buffer = Vec::new();
        let mut length = 0;
        let mut offset = 0;
        while let Some((payload, next)) = self.record_at(offset) {
            offset = next;
            match Saved::from_record(&payload) {
                Ok(Some(Saved::Event(event))) if event.seq <= last => {
                    count(&mut header, &event);
                    if event.seq == last && lost > 0 {
                        let what = Some(Happening::EventsLost(EventsLost { count: lost }));
                        Saved::Event(Event { what, ..event }).put_record(&mut kept);
                    }
                }
                Ok(Some(Saved::Event(_))) => record::put(&payload, &mut kept),
                _ => {}
            }
        }
        header.taken = taken;
        header.before = last;
        Saved::Header(header.clone()).put_record(&mut buffer);
        buffer.append(&mut kept);
        append_all(&file, &buffer, &mut length)?;
        fs::fsync(&file)?;
        fs::renameat(&self.folder, NEW, &self.folder, EVENT_LOG_FILE)?;
        let _ = fs::fsync(&self.folder);
        (self.file, self.length, self.header) = (file, length, header);
        self.generation += 1;
        Ok(())
    }

    fn record_at(&self, offset: u64) -> Option<(Vec<u8>, u64)> {
        let mut head = [0; record::HEADER];
        if offset + head.len() as u64 > self.length {
            return None;
        }
        read_exact_at(&self.file, &mut head, offset)?;
        let size = u64::from(u32::from_le_bytes(*head.first_chunk()?));
        let start = offset + head.len() as u64;
        let end = start + size;
        if end > self.length {
            return None;
        }
        let mut payload = vec![0; usize::try_from(size).ok()?];
        read_exact_at(&self.file, &mut payload, start)?;
        Some((payload, end))
    }

    /// Appends; on failure the file is as it was.
    fn write(&mut self, bytes: &[u8], sync: bool) -> Result<(), Errno> {
        let before = self.length;
        let mut length = before;
        let mut done = append_all(&self.file, bytes, &mut length);
        if sync {
            done = done.and_then(|()| fs::fdatasync(&self.file));
        }
        match done {
            Ok(()) => self.length = length,
            Err(_) => {
                let _ = fs::ftruncate(&self.file, before);
            }
        }
        done
    }
}

/// What leaves the file stays in the header's sums.
fn count(header: &mut Header, event: &Event) {
    match &event.what {
        Some(Happening::Exited(exited)) if exited.is_crash() => header.crashes += 1,
        Some(Happening::RestartForced(_)) => header.forced_restarts += 1,
        _ => {}
    }
}

fn open(folder: impl AsFd, name: &str, extra: OFlags) -> Result<OwnedFd, Errno> {
    let flags = OFlags::CREATE | OFlags::RDWR | OFlags::APPEND | OFlags::CLOEXEC | OFlags::NOFOLLOW | extra;
    fs::openat(folder, name, flags, Mode::RUSR | Mode::WUSR)
}

fn append_all(file: &OwnedFd, mut bytes: &[u8], length: &mut u64) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(file, bytes) {
            Ok(0) => return Err(Errno::NOSPC),
            Ok(written) => {
                *length += written as u64;
                bytes = &bytes[written..];
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn read_exact_at(file: &OwnedFd, mut buffer: &mut [u8], mut offset: u64) -> Option<()> {
    while !buffer.is_empty() {
        match rustix::io::pread(file, &mut *buffer, offset) {
            Ok(0) => return None,
            Ok(length) => {
                buffer = &mut buffer[length..];
                offset += length as u64;
            }
            Err(Errno::INTR) => {}
            Err(_) => return None,
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;
    use wire::shim::saved::{self, Contents};
    use wire::shim::{Exited, Stopped};

    /// A log in a folder of its own.
    struct Fixture {
        folder: TempDir,
        log: EventLog,
    }

    impl Fixture {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let open = fs::open(folder.path(), OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap();
            let log = EventLog::create(open.as_fd(), Header::default()).unwrap();
            Self { folder, log }
        }

        fn contents(&self) -> Contents {
            let file = crate::processes::read_file(self.folder.path().join(EVENT_LOG_FILE).to_str().unwrap())
                .unwrap();
            saved::read(&file).unwrap()
        }

        fn crash(&mut self, times: u64) {
            for _ in 0..times {
                self.log.append(Happening::Exited(Exited::default())).unwrap();
            }
        }

        fn stop(&mut self, times: u64) {
            for _ in 0..times {
                self.log.append(Happening::Stopped(Stopped {})).unwrap();
            }
        }
    }

    #[test]
    fn a_short_log_is_left_alone() {
        let mut fixture = Fixture::new();
        fixture.stop(10);
        fixture.log.acknowledge(10);
        fixture.log.shorten(true);
        assert_eq!(fixture.contents().events.len(), 10);
    }

    #[test]
    fn what_is_taken_goes_at_a_quiet_moment_and_numbers_go_on() {
        let mut fixture = Fixture::new();
        fixture.crash(20);
        fixture.stop(2_000);
        assert!(fixture.log.length > WORTH_CUTTING);
        fixture.log.acknowledge(1_500);
        fixture.log.shorten(false);
        assert_eq!(fixture.contents().events.len(), 2_020, "not while a child runs");
        fixture.log.shorten(true);
        fixture.stop(1);
        let contents = fixture.contents();
        let numbers: Vec<u64> = contents.events.iter().map(|event| event.seq).collect();
        assert_eq!(numbers, (1_501..=2_021).collect::<Vec<_>>());
        let header = contents.header.unwrap();
        assert_eq!((header.taken, header.before, header.crashes), (1_500, 1_500, 20));
    }

    #[test]
    fn past_the_limit_the_older_half_goes_and_is_told() {
        let mut fixture = Fixture::new();
        while fixture.log.length <= LIMIT {
            fixture.stop(100);
        }
        let last = fixture.log.last_seq();
        fixture.log.acknowledge(10);
        fixture.log.shorten(false);
        assert!(fixture.log.length < LIMIT * 6 / 10);
        let contents = fixture.contents();
        let first = &contents.events[0];
        assert_eq!(first.seq, last / 2);
        assert_eq!(first.what, Some(Happening::EventsLost(EventsLost { count: last / 2 - 10 })));
        let gapless = contents.events.iter().zip(first.seq..).all(|(event, seq)| event.seq == seq);
        assert!(gapless && contents.events.last().unwrap().seq == last);
    }

    #[test]
    fn an_id_has_one_log() {
        let fixture = Fixture::new();
        let again = EventLog::create(fixture.log.folder.as_fd(), Header::default());
        assert_eq!(again.err(), Some(Errno::EXIST));
    }
}
