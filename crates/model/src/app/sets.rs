//! Commands that set something: variables, mode, pins, ghosts.

use std::collections::BTreeMap;

use super::Mode;
use super::beginning::Beginning;
use super::command::Refused;
use super::deployment::Kind;
use super::hot::Wish;
use super::note::Step;
use super::turn::Turn;
use super::version::{Origin, Revision, Target};
use crate::names::{DeploymentId, VariableName, VersionLabel};
use crate::settings::VariableValue;

impl Turn {
    pub(super) fn set_variables(
        &mut self,
        changes: BTreeMap<VariableName, Option<VariableValue>>,
        later: bool,
        id: DeploymentId,
        by: Origin,
    ) -> Result<(), Refused> {
        let before = self.current_variables();
        let mut variables = before.clone();
        for (name, value) in &changes {
            match value {
                Some(value) => variables.insert(name.clone(), value.clone()),
                None => variables.remove(name),
            };
        }
        if variables == before {
            return Err(Refused::NoChange);
        }
        if let Some(running) = &self.app.deployment {
            return Err(Refused::Busy { deployment: running.id });
        }
        let names = changes.keys().map(VariableName::as_str).collect::<Vec<_>>().join(", ");
        let Some(active) = self.app.active() else {
            self.app.first_variables = variables;
            self.note(Step::Set, format!("variables for the first version: {names}"));
            return Ok(());
        };
        let version = self.app.versions.iter_mut().find(|version| version.id == active.version);
        let version = version.ok_or(Refused::NothingActive)?;
        let settings = version.current().settings.clone();
        let revision = version.revise(Revision { settings, variables });
        let to = Target { version: active.version, revision };
        let label = self.app.label(to);
        if later || !self.app.running {
            if let Some(version) = self.app.versions.iter_mut().find(|version| version.id == active.version) {
                version.revision = revision;
            }
            if let Some(last) = self.app.committed.last_mut() {
                *last = to;
            }
            self.note(
                Step::Set,
                format!("variables of v{label}: {names}; they apply to what is started from now on"),
            );
            return Ok(());
        }
        self.note(Step::Set, format!("variables of v{label}: {names}"));
        self.begin(Beginning {
            id,
            kind: Kind::Variables,
            by,
            to: Some(to),
            wish: Wish::default(),
            only: None,
            scaled_before: None,
        });
        Ok(())
    }

    pub(super) fn follow(&mut self) -> Result<(), Refused> {
        if self.app.mode == Mode::Automatic {
            return Err(Refused::NoChange);
        }
        self.app.mode = Mode::Automatic;
        self.note(Step::Set, "automatic mode: the store is followed");
        Ok(())
    }

    pub(super) fn pin_to(
        &mut self,
        label: VersionLabel,
        id: DeploymentId,
        by: Origin,
    ) -> Result<(), Refused> {
        let active = self.app.active().and_then(|active| self.app.version(active.version));
        let runs = active.is_some_and(|active| active.label == label)
            && self.app.deployment.is_none()
            && self.app.running;
        let because = format!("pinned to v{label}");
        self.note(Step::Set, format!("manual mode: {because}"));
        self.app.mode = Mode::Manual { because, since: self.at };
        if runs { Ok(()) } else { self.activate(label, None, Wish::default(), id, by) }
    }

    pub(super) fn clear_ghosts(&mut self, label: Option<&VersionLabel>) -> Result<(), Refused> {
        if let Some(label) = label {
            self.app.version_called(label).ok_or(Refused::NoVersion { version: label.clone() })?;
        }
        let mut cleared = Vec::new();
        for version in &mut self.app.versions {
            if label.is_none_or(|label| version.label == *label) && version.ghost.take().is_some() {
                cleared.push(format!("v{}", version.label));
            }
        }
        if cleared.is_empty() {
            return Err(Refused::NoChange);
        }
        self.app.versions.retain(|version| version.stored);
        self.note(Step::Set, format!("no longer ghosted: {}", cleared.join(", ")));
        Ok(())
    }

    pub(super) fn pin(&mut self, label: &VersionLabel, pinned: bool) -> Result<(), Refused> {
        let version = self.app.versions.iter_mut().find(|version| version.label == *label && version.stored);
        let version = version.ok_or(Refused::NoVersion { version: label.clone() })?;
        if version.pinned == pinned {
            return Err(Refused::NoChange);
        }
        version.pinned = pinned;
        let text = if pinned { "is kept whatever its age" } else { "is kept like any other" };
        self.note(Step::Set, format!("v{label} {text}"));
        Ok(())
    }

    pub(super) fn delete(&mut self, label: &VersionLabel) -> Result<(), Refused> {
        let version = self.app.version_called(label).ok_or(Refused::NoVersion { version: label.clone() })?;
        let id = version.id;
        if !version.stored {
            return Err(Refused::NoPackage { version: label.clone() });
        }
        if let Some(role) = self.use_of(id) {
            return Err(Refused::InUse { version: label.clone(), role: role.into() });
        }
        self.remove_version(id);
        Ok(())
    }
}
