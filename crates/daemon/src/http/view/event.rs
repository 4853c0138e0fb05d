//! Events.

use api::event::{Event as Shown, Level as ShownLevel, Step as ShownStep};
use host::journal::EventRecord;
use model::app::{Level, Step};

/// An event of the journal.
pub(in crate::http) fn event(record: EventRecord) -> Shown {
    let EventRecord { id, at, app, note } = record;
    Shown {
        id,
        at,
        app: app.map(String::from),
        deployment: note.deployment.map(|id| id.0),
        place: note.place.map(|place| place.0),
        instance: note.instance.map(|instance| instance.0),
        step: step(note.step),
        level: level(note.level),
        text: note.text,
        log_tail: note.tail,
        took_ms: note.took_ms,
    }
}

fn step(step: Step) -> ShownStep {
    match step {
        Step::Begun => ShownStep::Begun,
        Step::Staged => ShownStep::Staged,
        Step::Planned => ShownStep::Planned,
        Step::Command => ShownStep::Command,
        Step::Started => ShownStep::Started,
        Step::Ready => ShownStep::Ready,
        Step::Upgraded => ShownStep::Upgraded,
        Step::Stopped => ShownStep::Stopped,
        Step::Canary => ShownStep::Canary,
        Step::Serving => ShownStep::Serving,
        Step::Committed => ShownStep::Committed,
        Step::RollingBack => ShownStep::RollingBack,
        Step::RolledBack => ShownStep::RolledBack,
        Step::Ended => ShownStep::Ended,
        Step::Exited => ShownStep::Exited,
        Step::Health => ShownStep::Health,
        Step::Set => ShownStep::Set,
        Step::Removed => ShownStep::Removed,
        Step::Told => ShownStep::Told,
    }
}

fn level(level: Level) -> ShownLevel {
    match level {
        Level::Info => ShownLevel::Info,
        Level::Warning => ShownLevel::Warning,
        Level::Alarm => ShownLevel::Alarm,
    }
}
