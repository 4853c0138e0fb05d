//! Registering versions, and what they run with.

use std::sync::Arc;

use super::command::Refused;
use super::turn::Turn;
use super::version::{NewVersion, Origin, Revision, Target, Variables, Version};
use crate::names::{VersionId, VersionLabel};
use crate::settings::AppSettings;

impl Turn {
    /// Registers a version, or revises a known one that is deployed with other settings or for the first time.
    pub(super) fn register(&mut self, new: NewVersion, by: &Origin) -> Target {
        let variables = self.current_variables();
        if let Some(known) = self.app.version_called(&new.label) {
            let id = known.id;
            let target = self.revise_for_deployment(id, Some(new.settings));
            if let Some(version) = self.app.versions.iter_mut().find(|version| version.id == id) {
                version.stored = true;
                version.pre_commands = new.pre_commands;
                version.meta.extend(new.meta);
            }
            return target;
        }
        let id = VersionId(self.app.next_version);
        self.app.next_version += 1;
        let version = Version::register(id, new, variables, self.at, by.clone());
        let target = version.target();
        self.app.versions.push(version);
        target
    }

    /// What a new version inherits: the variables of the active one, or those set before there was one.
    pub(super) fn current_variables(&self) -> Variables {
        match self.app.active().and_then(|active| self.app.revision(active)) {
            Some(revision) => revision.variables.clone(),
            None => self.app.first_variables.clone(),
        }
    }

    /// The target for deploying a known version: what it last ran with; a version that never was active
    /// takes the variables of now.
    pub(super) fn revise_for_deployment(&mut self, id: VersionId, settings: Option<AppSettings>) -> Target {
        let was_active = self.app.committed.iter().any(|target| target.version == id);
        let now = self.current_variables();
        let version =
            self.app.versions.iter_mut().find(|version| version.id == id).expect("the caller found it");
        let last = version.current();
        let wanted = Revision {
            settings: settings.map_or_else(|| last.settings.clone(), Arc::new),
            variables: if was_active { last.variables.clone() } else { now },
        };
        if wanted == *last {
            return version.target();
        }
        if was_active {
            let revision = version.revise(wanted);
            return Target { version: id, revision };
        }
        version.revisions.insert(version.revision, wanted);
        version.target()
    }

    /// Whether a known version may be deployed now.
    pub(super) fn check_deployable(
        &self,
        label: &VersionLabel,
        settings: Option<&AppSettings>,
    ) -> Result<(), Refused> {
        let version = self.app.version_called(label).ok_or(Refused::NoVersion { version: label.clone() })?;
        if let Some(ghost) = &version.ghost {
            return Err(Refused::Ghosted { version: label.clone(), reason: ghost.reason.clone() });
        }
        let same_settings = settings.is_none_or(|settings| *settings == *version.current().settings);
        let is_active = self.app.active().is_some_and(|active| active.version == version.id);
        if is_active
            && same_settings
            && self.app.running
            && self.app.stuck.is_none()
            && self.app.deployment.is_none()
        {
            return Err(Refused::AlreadyRunning { version: label.clone() });
        }
        Ok(())
    }
}
