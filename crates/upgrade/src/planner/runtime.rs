//! What a running VM is built on.

use super::Planner;
use crate::finding::{Code, Place};
use crate::inventory::{Application, Kind};

/// Applications that the VM cannot go on without, or that no release but its own OTP or Elixir fits.
const CORE: &[&str] = &["erts", "kernel", "stdlib", "compiler", "sasl", "elixir"];

/// Whether an application is part of what the VM is built on.
pub(super) fn is_core(application: &str) -> bool {
    CORE.contains(&application)
}

impl Planner<'_> {
    /// Release, ERTS, OTP, Elixir, and what only a start of the VM reads.
    pub(super) fn runtime(&mut self) {
        let (old, new) = (self.old, self.new);
        if old.kind != new.kind {
            let values = [("from", word(old.kind)), ("to", word(new.kind))];
            self.found(Code::KindChanged, Place::Release, &values);
        }
        if old.name != new.name {
            let values = [("from", old.name.as_str()), ("to", new.name.as_str())];
            self.found(Code::ReleaseChanged, Place::Release, &values);
        }
        self.erts();
        self.core();
        self.files_of_start();
    }

    fn erts(&mut self) {
        let (old, new) = (&self.old.runtime, &self.new.runtime);
        let is_other_build = matches!((&old.erts_content, &new.erts_content), (Some(a), Some(b)) if a != b);
        if old.erts != new.erts || is_other_build {
            let text = |version: &Option<String>| version.clone().unwrap_or_else(|| "the host's".to_owned());
            let (from, mut to) = (text(&old.erts), text(&new.erts));
            if from == to {
                to += ", built anew";
            }
            self.found(Code::RuntimeChanged, Place::Release, &[("from", &from), ("to", &to)]);
        }
    }

    fn core(&mut self) {
        for &name in CORE {
            let (Some(old), Some(new)) = (self.old.applications.get(name), self.new.applications.get(name))
            else {
                continue;
            };
            if old.version != new.version || self.pairs.of_application(name).next().is_some() {
                let to = if old.version == new.version { "other content" } else { &new.version };
                let values = [("from", old.version.as_str()), ("to", to)];
                self.found(Code::CoreChanged, Place::application(name), &values);
            }
        }
    }

    fn files_of_start(&mut self) {
        if self.differ(|file| file.ends_with("vm.args") && !file.starts_with("remote")) {
            self.found(Code::VmArgumentsChanged, Place::Release, &[]);
        }
        if self.differ(|file| file == "env.sh") {
            self.found(Code::EnvironmentScriptChanged, Place::Release, &[]);
        }
        for (name, old, new) in self.kept_applications() {
            if old.start_phases != new.start_phases {
                self.found(Code::StartPhasesChanged, Place::application(name), &[]);
            }
        }
    }

    /// Whether files of the release's configuration differ; names are without the `.src` of a template.
    fn differ(&self, is_one: impl Fn(&str) -> bool) -> bool {
        let files = &self.difference.configuration.files;
        let mut names = files.added.iter().chain(&files.removed).chain(&files.changed);
        names.any(|name| is_one(name.strip_suffix(".src").unwrap_or(name)))
    }
}

impl<'a> Planner<'a> {
    /// Applications of both releases.
    pub(super) fn kept_applications(&self) -> Vec<(&'a str, &'a Application, &'a Application)> {
        let (old, new) = (self.old, self.new);
        let pairs = old.applications.iter().filter_map(|(name, old)| {
            let new = new.applications.get(name)?;
            Some((name.as_str(), old, new))
        });
        pairs.collect()
    }
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Mix => "a release of mix",
        Kind::Rebar => "a release of rebar3",
        Kind::Gleam => "a shipment of Gleam",
    }
}
