//! Versions and ghosts.

use api::version::{By, Ghost, Revision, Version as Shown, VersionState};
use model::VersionId;
use model::app::{App, Origin, Version};

/// Every version, newest first.
pub(in crate::http) fn versions(app: &App) -> Vec<Shown> {
    app.versions.iter().rev().map(|it| version(app, it)).collect()
}

/// One version.
pub(in crate::http) fn version(app: &App, version: &Version) -> Shown {
    Shown {
        version: version.label.to_string(),
        number: version.id.0,
        state: state(app, version),
        revision: version.revision,
        sha256: version.digest.clone(),
        size_bytes: version.size_bytes,
        registered_at: version.registered_at,
        by: by(&version.origin),
        meta: version.meta.clone(),
        pinned: version.pinned,
        rollback_target: app.rollback_target().is_some_and(|target| target.version == version.id),
        stored: version.stored,
        ghost: ghost(version),
    }
}

/// What a version ran with, oldest first.
pub(in crate::http) fn revisions(version: &Version) -> Vec<Revision> {
    let shown = |(number, it): (&u32, &model::app::Revision)| Revision {
        revision: *number,
        version: version.label_at(*number),
        current: *number == version.revision,
        variables: super::variables(&it.settings.variables, &it.variables),
    };
    version.revisions.iter().map(shown).collect()
}

/// What was rolled back and not cleared, newest first.
pub(in crate::http) fn ghosts(app: &App) -> Vec<Ghost> {
    app.versions.iter().rev().filter_map(ghost).collect()
}

fn state(app: &App, version: &Version) -> VersionState {
    let is = |id: Option<VersionId>| id == Some(version.id);
    if is(app.active().map(|target| target.version)) {
        VersionState::Active
    } else if version.ghost.is_some() {
        VersionState::Ghosted
    } else if is(app.deployment.as_ref().and_then(|it| it.to).map(|target| target.version)) {
        VersionState::Deploying
    } else {
        VersionState::Archived
    }
}

fn ghost(version: &Version) -> Option<Ghost> {
    version.ghost.as_ref().map(|ghost| Ghost {
        version: version.label.to_string(),
        deployment: ghost.deployment.0,
        at: ghost.at,
        reason: ghost.reason.clone(),
    })
}

/// Who or what caused something.
pub(in crate::http) fn by(origin: &Origin) -> By {
    match origin {
        Origin::Operator { uid, user } => By::Operator { uid: *uid, user: user.clone() },
        Origin::Store => By::Store,
        Origin::Autoscaler { reason } => By::Autoscaler { reason: reason.clone() },
        Origin::Watchdog { reason } => By::Watchdog { reason: reason.clone() },
    }
}
