//! Which versions are kept.

use std::collections::BTreeSet;

use super::command::Command;
use super::effect::Effect;
use super::instance::Instance;
use super::note::Step;
use super::turn::Turn;
use crate::names::VersionId;

/// Ghosts stay listed after their package is gone, but not without end.
const MOST_GHOSTS: usize = 100;

impl Turn {
    /// Removes the oldest versions beyond `keep_versions`, never one that is still of use.
    pub(super) fn keep_last_versions(&mut self) {
        let newest = self.app.versions.last().map(super::Version::target);
        let Some(says) = self.app.active().or(newest) else { return };
        let keep = usize::try_from(self.settings(says).keep_versions).unwrap_or(usize::MAX);
        let stored: Vec<VersionId> =
            self.app.versions.iter().filter(|it| it.stored).map(|it| it.id).collect();
        let mut surplus = stored.len().saturating_sub(keep);
        for id in stored {
            if surplus == 0 {
                break;
            }
            if self.use_of(id).is_none() {
                self.remove_version(id);
                surplus -= 1;
            }
        }
        self.drop_old_ghosts();
        self.drop_unused_revisions();
    }

    /// What a version is still needed as.
    pub(super) fn use_of(&self, id: VersionId) -> Option<&'static str> {
        let app = &self.app;
        let is = |target: Option<super::Target>| target.is_some_and(|target| target.version == id);
        if is(app.active()) {
            return Some("active");
        }
        let runs = |it: &Instance| [it.target, it.runs()].iter().any(|target| target.version == id);
        if app.instances.values().any(|it| runs(it) && !it.is_gone()) {
            return Some("running");
        }
        if app.deployment.as_ref().is_some_and(|it| is(it.from) || is(it.to)) {
            return Some("part of a deployment");
        }
        if is(app.rollback_target()) {
            return Some("the rollback target");
        }
        let version = app.version(id)?;
        if version.pinned {
            return Some("pinned");
        }
        let queued = app.queued.as_ref().is_some_and(|queued| match &queued.command {
            Command::Deploy { version: new, .. } => new.label == version.label,
            Command::Activate { version: label, .. } | Command::PinTo { version: label, .. } => {
                *label == version.label
            }
            _ => false,
        });
        queued.then_some("queued for deployment")
    }

    /// Removes a version's files; a ghost stays listed.
    pub(super) fn remove_version(&mut self, id: VersionId) {
        let Some(version) = self.app.versions.iter_mut().find(|version| version.id == id) else { return };
        let label = version.label.clone();
        version.stored = false;
        if version.ghost.is_none() {
            self.app.versions.retain(|version| version.id != id);
        }
        self.app.committed.retain(|target| target.version != id);
        self.note(Step::Removed, format!("removed the package of v{label}"));
        self.issue(Effect::Forget { version: id, label });
    }

    fn drop_old_ghosts(&mut self) {
        let gone: Vec<VersionId> = self.app.versions.iter().filter(|it| !it.stored).map(|it| it.id).collect();
        let surplus: BTreeSet<VersionId> = gone.iter().rev().skip(MOST_GHOSTS).copied().collect();
        self.app.versions.retain(|version| !surplus.contains(&version.id));
    }

    fn drop_unused_revisions(&mut self) {
        let mut used: BTreeSet<(VersionId, u32)> = self
            .app
            .instances
            .values()
            .flat_map(|it| [it.target, it.runs()])
            .map(|it| (it.version, it.revision))
            .collect();
        let ends = self.app.deployment.iter().flat_map(|it| [it.from, it.to]).flatten();
        used.extend(ends.map(|target| (target.version, target.revision)));
        used.extend(self.app.active().map(|target| (target.version, target.revision)));
        for version in &mut self.app.versions {
            let (id, current) = (version.id, version.revision);
            version.revisions.retain(|number, _| *number == current || used.contains(&(id, *number)));
        }
    }
}
