//! An app's places as services that need no Bellrock.
//!
//! Every init runs the same script, `bin/start PLACE`, which becomes the place's node. What differs is who starts it
//! again, who takes its output and who ends what it leaves.

use std::fmt::Write as _;
use std::path::Path;

use api::standalone::{Standalone, StandalonePlace};
use package::Facts;

use super::quote::{is_plain, variable, word};
use super::{Init, Templates, UnitFile, plain};
use crate::failure::Failure;

/// In the environment of everything that belongs to a place: what is left of it is found by it. Its value is the path of
/// the place's tree, and the daemon puts it there.
const MARK: &str = "BELLROCK_STANDALONE";

/// What runs Erlang's port mapper, beside the places.
const EPMD: &str = "epmd";

/// Open files where the settings say nothing: as many as Bellrock's own unit allows.
const OPEN_FILES: u64 = 1 << 20;

/// Seconds that `keep` may need beyond a place's own time to stop.
const KEEP_ENDS: u64 = 15;

/// An app to be run by an init.
pub(crate) struct App<'a> {
    /// What the daemon says of it.
    pub(crate) told: &'a Standalone,
    /// What its package is.
    pub(crate) facts: &'a Facts,
    /// The folder that it stands in.
    pub(crate) folder: &'a Path,
    /// Where templates come from.
    pub(crate) templates: &'a Templates,
}

impl App<'_> {
    /// Names of its services, the port mapper's first.
    pub(crate) fn services(&self) -> Vec<String> {
        self.places().map(|what| self.service(&what)).collect()
    }

    fn places(&self) -> impl Iterator<Item = String> {
        std::iter::once(EPMD.to_owned()).chain(self.told.places.iter().map(|it| it.place.to_string()))
    }

    fn service(&self, what: &str) -> String {
        format!("{}-{what}", self.told.app)
    }

    /// Everything that an init needs, but the places' trees and variables.
    pub(crate) fn files(&self, init: Init) -> Result<Vec<UnitFile>, Failure> {
        let mut files = Vec::new();
        let mut make = |path: String, template: &str, executable, what: &str| {
            let text = self.filled(template, init, what)?;
            files.push(UnitFile { path, text, executable });
            Ok::<_, Failure>(())
        };
        make("bin/start".into(), "app-start", true, EPMD)?;
        make("bin/sweep".into(), "app-sweep", true, EPMD)?;
        for what in self.places() {
            let name = self.service(&what);
            match init {
                Init::Systemd => make(format!("systemd/{name}.service"), "app-systemd", false, &what)?,
                Init::Openrc => make(format!("openrc/{name}"), "app-openrc", true, &what)?,
                Init::Sysv => make(format!("sysv/{name}"), "app-sysv", true, &what)?,
                Init::Runit => {
                    make(format!("runit/{name}/run"), "app-runit", true, &what)?;
                    make(format!("runit/{name}/finish"), "app-runit-finish", true, &what)?;
                    make(format!("runit/{name}/control/t"), "app-runit-control", true, &what)?;
                    make(format!("runit/{name}/log/run"), "app-runit-log", true, &what)?;
                    make(format!("log/{name}/config"), "app-runit-log-config", false, &what)?;
                }
            }
        }
        if init == Init::Sysv {
            make("bin/keep".into(), "app-keep", true, EPMD)?;
        }
        if matches!(init, Init::Openrc | Init::Sysv) {
            make("logrotate".into(), "app-logrotate", false, EPMD)?;
        }
        Ok(files)
    }

    /// A place's variables, as a file.
    pub(crate) fn environment(place: &StandalonePlace) -> String {
        place.environment.iter().map(|(name, value)| variable(name, value)).collect()
    }

    fn filled(&self, template: &str, init: Init, what: &str) -> Result<String, Failure> {
        let Standalone { app, version, settings, .. } = self.told;
        let settings = &settings.0;
        // It stands in comments and descriptions only.
        let version = version.replace(|c: char| !is_plain(c.encode_utf8(&mut [0; 4])), "_");
        let (user, group) = self.user();
        let known_user = self.told.user.user.is_some();
        let stop_timeout = settings.stop_timeout.as_secs().max(1);
        let description = match what {
            EPMD => format!("Erlang's port mapper for {app}"),
            place => format!("Place {place} of {app} {version}"),
        };
        self.templates.filled(
            template,
            &[
                ("app", app),
                ("version", &version),
                ("name", &self.service(what)),
                ("what", what),
                ("description", &description),
                ("folder", plain(self.folder)?),
                ("user", &user),
                ("group", &group),
                ("uid", &self.told.user.uid.to_string()),
                ("groups", if known_user { "--init-groups" } else { "--clear-groups" }),
                ("umask", &settings.umask.to_string()),
                ("no_new_privs", if settings.no_new_privs { "yes" } else { "no" }),
                ("privileges", if settings.no_new_privs { "setpriv --no-new-privs " } else { "" }),
                ("limits", &self.systemd_limits(what)),
                ("ulimits", &self.script_limits()),
                ("stop_timeout", &stop_timeout.to_string()),
                ("keep_timeout", &(stop_timeout + KEEP_ENDS).to_string()),
                ("log_size", &settings.log.max_size.bytes().to_string()),
                ("log_keep", &settings.log.keep.to_string()),
                ("log_age", &settings.log.max_age.as_secs().to_string()),
                ("epmd", &self.after_epmd(init, what)),
                ("epmd_program", &self.epmd_program()),
                ("mark", MARK),
                ("program", &self.program()),
            ],
        )
    }

    /// By name where the host knows one, else by number.
    fn user(&self) -> (String, String) {
        let told = &self.told.user;
        let either = |name: &Option<String>, number: u32| match name {
            Some(name) if is_plain(name) => name.clone(),
            _ => number.to_string(),
        };
        (either(&told.user, told.uid), either(&told.group, told.gid))
    }

    /// What a place's service is started after, besides what the template says: the port mapper, with a space before it.
    fn after_epmd(&self, init: Init, what: &str) -> String {
        let suffix = if init == Init::Systemd { ".service" } else { "" };
        if what == EPMD { String::new() } else { format!(" {}{suffix}", self.service(EPMD)) }
    }

    /// The package's own in the tree of place 1, else the runtime's.
    fn epmd_program(&self) -> String {
        match (&self.facts.erts, &self.told.runtime_bin) {
            (Some(erts), _) => word(&format!("{}/1/erts-{erts}/bin/epmd", self.folder.display())),
            (None, Some(bin)) => word(&format!("{bin}/epmd")),
            (None, None) => EPMD.to_owned(),
        }
    }

    /// What starts a place, with its arguments, from the place's tree.
    fn program(&self) -> String {
        self.told.start.iter().map(|text| word(text)).collect::<Vec<_>>().join(" ")
    }

    fn systemd_limits(&self, what: &str) -> String {
        let settings = &self.told.settings.0;
        let limits = &settings.rlimits;
        let open_files = limits.nofile.map_or(Some(OPEN_FILES), |limit| limit.value());
        let mut lines = format!("LimitNOFILE={}", systemd_number(open_files));
        let others = [
            ("LimitNPROC", limits.nproc),
            ("LimitCORE", limits.core),
            ("LimitAS", limits.address_space),
            ("LimitMEMLOCK", limits.memlock),
        ];
        for (key, limit) in others.into_iter().filter_map(|(key, limit)| Some((key, limit?))) {
            let _ = write!(lines, "\n{key}={}", systemd_number(limit.value()));
        }
        if what == EPMD {
            return lines;
        }
        if let Some(memory) = settings.resources.memory {
            let _ = write!(lines, "\nMemoryMax={}", memory.bytes());
        }
        if let Some(percent) = settings.resources.cpu {
            let _ = write!(lines, "\nCPUQuota={percent}%");
        }
        lines
    }

    /// What a script says before it becomes the app's user, who could not raise them.
    fn script_limits(&self) -> String {
        let limits = &self.told.settings.0.rlimits;
        let options = [
            ("nofile", limits.nofile),
            ("nproc", limits.nproc),
            ("core", limits.core),
            ("as", limits.address_space),
            ("memlock", limits.memlock),
        ];
        let mut lines = match limits.nofile {
            None => format!("ulimit -n {OPEN_FILES} 2>/dev/null || ulimit -n \"$(ulimit -H -n)\""),
            Some(_) => String::new(),
        };
        for (option, limit) in options.into_iter().filter_map(|(option, limit)| Some((option, limit?))) {
            let most = limit.value().map_or("unlimited".to_owned(), |most| most.to_string());
            let _ = write!(lines, "\nprlimit --pid \"$$\" --{option}={most}:{most}");
        }
        lines.trim_start().to_owned()
    }
}

fn systemd_number(limit: Option<u64>) -> String {
    limit.map_or("infinity".to_owned(), |most| most.to_string())
}
