//! The journal on real files.

mod bounds;
mod commit;
mod copies;
mod full;
mod older;
mod prepare;
mod schema;
mod tasks;
mod threads;
mod torn;
mod writers;

use std::path::PathBuf;

use jiff::Timestamp;
use model::app::{App, Event, ExitHow, Instance, Origin, ShimFact, Status, Stepped, Target, Wish};
use model::app::{Command, NewVersion};
use model::settings::{AppSettings, VariableValue};
use model::{AppName, DeploymentId, InstanceId, Place, Slot, VersionId};
use rusqlite::Connection;

use super::{Journal, JournalError, Listing};

/// A folder with a journal.
struct Root(tempfile::TempDir);

impl Root {
    fn new() -> Self {
        Root(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("state.db")
    }

    fn open(&self) -> Journal {
        Journal::open(&self.path()).unwrap()
    }

    /// A connection of somebody else.
    fn sql(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }

    fn count(&self, table: &str) -> i64 {
        self.sql().query_row(&format!("select count(*) from {table}"), [], |row| row.get(0)).unwrap()
    }
}

fn name() -> AppName {
    "beacon".parse().unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

/// Deploys the first version: notes, a deployment's record, effects.
fn deploy(number: u64) -> Event {
    let version = NewVersion {
        label: "1.0.0".parse().unwrap(),
        digest: "00".repeat(32),
        size_bytes: 1,
        settings: AppSettings::default(),
        meta: Default::default(),
        pre_commands: Vec::new(),
    };
    let command = Command::Deploy {
        version: Box::new(version),
        wish: Wish::default(),
        deployment: DeploymentId(number),
    };
    Event::Command { command, by: Origin::Store }
}

/// Sets the variable `N`.
fn set(number: u64) -> Event {
    let value = VariableValue::Text(number.to_string());
    let changes = [("N".parse().unwrap(), Some(value))].into();
    let command = Command::SetVariables { changes, later: true, deployment: DeploymentId(0) };
    Event::Command { command, by: Origin::Operator { uid: 0, user: None } }
}

/// An app with an instance that runs.
fn running() -> App {
    let mut app = App::new(name());
    let instance = Instance {
        id: InstanceId(1),
        place: Place(1),
        slot: Slot::A,
        target: Target { version: VersionId(1), revision: 0 },
        born: None,
        hot: None,
        upgrades: 0,
        status: Status::Starting,
        created_at: at(0),
        run: 1,
        pid: Some(77),
        up_since: Some(at(0)),
        ready_at: None,
        crashes: 0,
        seq: 0,
        last_exit: None,
        exposed: false,
        down: None,
    };
    app.instances.insert(instance.id, instance);
    app
}

/// The instance of [`running`] exits for the n-th time.
fn exit(nth: u32) -> Event {
    let fact = ShimFact::Exited {
        run: nth,
        at: at(nth.into()),
        how: ExitHow::Status(1),
        uptime_ms: 10,
        crash_dump: None,
        tail: None,
    };
    Event::Shim { instance: InstanceId(1), seq: nth.into(), fact }
}

async fn commit(journal: &Journal, app: &App, second: i64, event: Event) -> App {
    let stepped = app.step(at(second), event.clone()).unwrap();
    journal.commit(at(second), &event, &stepped).await.unwrap();
    stepped.app
}

async fn only_app(journal: &Journal) -> App {
    let mut apps = journal.apps().await.unwrap();
    assert_eq!(apps.len(), 1);
    apps.remove(0)
}

fn all() -> Listing {
    Listing { most: u32::MAX, ..Listing::default() }
}
