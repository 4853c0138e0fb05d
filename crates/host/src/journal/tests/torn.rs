//! A power cut in the middle of writing the WAL, and a disk that wrote something else.
//!
//! What survives must be a state that was committed, with the rows of exactly its turns.

use std::path::Path;

use super::super::schema;
use super::*;

const TURNS: u64 = 12;

/// Bytes of the header of a WAL file, and of that of each page in it (sqlite.org/fileformat2.html#walformat).
const WAL_HEADER: usize = 32;
const FRAME: usize = 24 + 4096;

/// The files as they were with all turns committed, and the state after each of them.
struct Written {
    database: Vec<u8>,
    wal: Vec<u8>,
    states: Vec<String>,
}

impl Written {
    async fn new() -> Self {
        let root = Root::new();
        let journal = root.open();
        let mut app = App::new(name());
        journal.create(&app).await.unwrap();
        // From here on all is in the WAL alone.
        root.sql().query_row("pragma wal_checkpoint(truncate)", [], |_| Ok(())).unwrap();
        let mut states = vec![serde_json::to_string(&app).unwrap()];
        for number in 1..=TURNS {
            app = commit(&journal, &app, 1, set(number)).await;
            states.push(serde_json::to_string(&app).unwrap());
        }
        let wal = fs_err::read(root.0.path().join("state.db-wal")).unwrap();
        Written { database: fs_err::read(root.path()).unwrap(), wal, states }
    }

    /// Opens the database with this WAL and tells how many turns are left, having seen that it is in one piece.
    fn turns_left(&self, wal: &[u8]) -> usize {
        let root = Root::new();
        fs_err::write(root.path(), &self.database).unwrap();
        fs_err::write(root.0.path().join("state.db-wal"), wal).unwrap();
        let connection = schema::open(&root.path()).unwrap();
        let state: String = connection.query_row("select state from app", [], |row| row.get(0)).unwrap();
        let count = |table: &str| {
            let sql = format!("select count(*) from {table}");
            usize::try_from(connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap()).unwrap()
        };
        let turns = count("turn");
        assert_eq!(state, self.states[turns], "a state without its turn, or a turn without its state");
        assert_eq!(count("event"), turns, "notes of another state");
        let sound: String = connection.query_row("pragma integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(sound, "ok");
        turns
    }
}

#[tokio::test]
async fn a_wal_cut_anywhere_opens_at_a_committed_state() {
    let written = Written::new().await;
    assert_eq!(written.turns_left(&written.wal), TURNS as usize, "nothing is lost without a cut");
    assert_eq!(written.turns_left(&[]), 0);
    let mut seen = Vec::new();
    for cut in cuts(written.wal.len()) {
        seen.push(written.turns_left(&written.wal[..cut]));
    }
    assert!(seen.is_sorted(), "a longer WAL never holds less: {seen:?}");
    seen.dedup();
    assert_eq!(seen, (0..=TURNS as usize).collect::<Vec<_>>(), "each turn is a state of its own");
}

/// Around the end of each frame, and somewhere in each.
fn cuts(length: usize) -> Vec<usize> {
    let ends = (WAL_HEADER..=length).step_by(FRAME);
    let mut cuts: Vec<usize> = ends
        .flat_map(|end| [end.saturating_sub(1), end, end + 1, end + 23, end + 24, end + 1_777])
        .chain([0, 1, WAL_HEADER - 1, length])
        .filter(|cut| *cut <= length)
        .collect();
    cuts.sort_unstable();
    cuts.dedup();
    cuts
}

#[tokio::test]
async fn a_byte_changed_in_the_tail_ends_the_wal_before_it() {
    let written = Written::new().await;
    let frames = (written.wal.len() - WAL_HEADER) / FRAME;
    let mut most = 0;
    for frame in 0..frames {
        let start = WAL_HEADER + frame * FRAME;
        let kept = written.turns_left(&written.wal[..start]);
        // Page number, size at commit, salt, checksum, page.
        for offset in [0, 4, 8, 16, 24, 24 + 4_000] {
            let mut wal = written.wal.clone();
            wal[start + offset] ^= 0x01;
            assert_eq!(written.turns_left(&wal), kept, "frame {frame}, byte {offset}");
        }
        most = most.max(kept);
    }
    assert_eq!(most, TURNS as usize - 1);
}

/// What an earlier run of the WAL left behind the newest frame is not taken for a turn.
#[tokio::test]
async fn old_frames_behind_the_newest_are_not_turns() {
    let written = Written::new().await;
    let end = WAL_HEADER + ((written.wal.len() - WAL_HEADER) / FRAME - 3) * FRAME;
    let expected = written.turns_left(&written.wal[..end]);
    let mut wal = written.wal[..end].to_vec();
    wal.extend_from_slice(&written.wal[WAL_HEADER..WAL_HEADER + 3 * FRAME]);
    assert_eq!(written.turns_left(&wal), expected);
}

#[tokio::test]
async fn a_journal_that_was_torn_goes_on() {
    let written = Written::new().await;
    let root = Root::new();
    write(&root.path(), &written, written.wal.len() - 100);
    let journal = root.open();
    let app = only_app(&journal).await;
    let app = commit(&journal, &app, 2, set(99)).await;
    drop(journal);
    assert_eq!(only_app(&root.open()).await, app);
}

fn write(path: &Path, written: &Written, cut: usize) {
    fs_err::write(path, &written.database).unwrap();
    fs_err::write(path.with_file_name("state.db-wal"), &written.wal[..cut]).unwrap();
}
