//! The table of keys: the one place that knows which settings exist, of which type and with which default.

use std::time::Duration;

use super::app_keys;
pub(super) use super::host_keys::HOST_KEYS;
use super::hot_keys::HOT_KEYS;
use super::load_keys::LOAD_KEYS;

/// The keys of an app, from the files that hold them.
pub(super) static APP_KEYS: &[Key] = &{
    const FILES: [&[Key]; 3] = [app_keys::APP_KEYS, HOT_KEYS, LOAD_KEYS];
    const COUNT: usize = FILES[0].len() + FILES[1].len() + FILES[2].len();
    let mut all = [FILES[0][0]; COUNT];
    let (mut at, mut file, mut nth) = (0, 0, 0);
    while at < COUNT {
        if nth == FILES[file].len() {
            (file, nth) = (file + 1, 0);
        }
        all[at] = FILES[file][nth];
        (at, nth) = (at + 1, nth + 1);
    }
    all
};

/// One key of the settings.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    /// Path inside its file or table, such as `readiness.kind`; the same path leads to the struct's field.
    pub(super) path: &'static str,
    pub(super) kind: Kind,
    pub(super) default: Default,
    /// One sentence for the reference.
    pub(super) doc: &'static str,
    /// Version of Bellrock that brought it.
    pub(super) since: &'static str,
    pub(super) owner: Owner,
}

/// Who may say a key of an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// The package and the host.
    Anyone,
    /// Only the host: it is about the host's safety, and who can store a package must not decide it.
    Host,
}

/// What holds when nobody says the key.
#[derive(Debug, Clone, Copy)]
pub(super) enum Default {
    /// This value, in TOML.
    Is(&'static str),
    /// No value of its own: what that means, and an example of a value in TOML.
    Unset(&'static str, &'static str),
}

/// Type and range of a key.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Bool,
    Integer {
        min: i64,
        max: i64,
    },
    Duration {
        min: Duration,
        max: Duration,
    },
    Size {
        min: u64,
        max: u64,
    },
    /// A number or, for bytes, a size; or `"unlimited"`.
    Limit {
        bytes: bool,
    },
    Choice {
        words: &'static [&'static str],
        refused: &'static [Refused],
    },
    Umask,
    /// Name of a user, group, host or environment.
    Word,
    /// An absolute path on the host.
    Path,
    /// Path and query of a URL.
    UrlPath,
    /// Names of hosts, each with `*.` in front or without.
    HostNames,
    /// Prefixes of paths of URLs.
    PathPrefixes,
    /// A folder of a package, with `*` in its names.
    FolderPattern,
    /// `type/subtype`, or `type/*`.
    MediaTypes,
    /// Name of a request header.
    HeaderName,
    /// Whole percentages below 100.
    Percents,
    /// Where to listen: IP address and port.
    Addresses,
    /// Networks of IP addresses.
    Networks,
    /// Tables of two files each: `chain` and `key`.
    Certificates,
    /// Codes of findings of upgrades.
    FindingCodes,
    /// Names of applications of a release.
    ApplicationNames,
    /// What is done about modules: `MODULE=WHAT`.
    ModuleOverrides,
    /// Name of a mesh of apps.
    MeshName,
    /// A function without arguments, as `Module:function/0`.
    Function,
    /// `PORT` or a key of `ports`.
    PortName,
    Command,
    Commands,
    /// `SUBCOMMAND REST`.
    PreCommand,
    PreCommands,
    /// Variable names with base ports.
    Ports,
    /// Variable names with texts.
    Variables,
}

/// A word that one could expect to work.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refused {
    pub(super) word: &'static str,
    pub(super) why: &'static str,
    pub(super) remedy: &'static str,
}

impl Key {
    /// A value in TOML that is accepted.
    pub(super) fn sample(&self) -> &'static str {
        match self.default {
            Default::Is(toml) | Default::Unset(_, toml) => toml,
        }
    }

    /// The path's last part.
    pub(super) fn name(&self) -> &'static str {
        self.path.rsplit('.').next().unwrap_or(self.path)
    }

    /// The path's first part, or nothing for a key at top level.
    pub(super) fn section(&self) -> &'static str {
        self.path.rsplit_once('.').map_or("", |(section, _)| section)
    }
}

impl Kind {
    /// The type in the reference's words.
    pub(super) fn describe(&self) -> String {
        use crate::units::{Size, format_duration};
        match self {
            Kind::Bool => "`true` or `false`".to_owned(),
            Kind::Integer { min, max } => format!("{min} to {max}"),
            Kind::Duration { min, max } => {
                format!("duration, {} to {}", format_duration(*min), format_duration(*max))
            }
            Kind::Size { min, max } => format!("size, {} to {}", Size(*min), Size(*max)),
            Kind::Limit { bytes: true } => "size or `\"unlimited\"`".to_owned(),
            Kind::Limit { bytes: false } => "number or `\"unlimited\"`".to_owned(),
            Kind::Choice { words, .. } => {
                words.iter().map(|word| format!("`\"{word}\"`")).collect::<Vec<_>>().join(", ")
            }
            Kind::Umask => "octal number as text".to_owned(),
            Kind::Word => "name".to_owned(),
            Kind::Path => "absolute path".to_owned(),
            Kind::UrlPath => "path of a URL".to_owned(),
            Kind::HostNames => "array of host names".to_owned(),
            Kind::PathPrefixes => "array of paths of URLs".to_owned(),
            Kind::FolderPattern => "folder in the package, `*` for anything in a name".to_owned(),
            Kind::MediaTypes => "array of media types".to_owned(),
            Kind::HeaderName => "name of a header".to_owned(),
            Kind::Percents => "array of 0 to 99".to_owned(),
            Kind::Addresses => "array of `IP:PORT`".to_owned(),
            Kind::Networks => "array of networks (CIDR)".to_owned(),
            Kind::Certificates => "array of `{ chain = PATH, key = PATH }`".to_owned(),
            Kind::FindingCodes => "array of codes of findings".to_owned(),
            Kind::ApplicationNames => "array of names of applications".to_owned(),
            Kind::ModuleOverrides => "array of `MODULE=WHAT`".to_owned(),
            Kind::MeshName => "name".to_owned(),
            Kind::Function => "`Module:function/0`".to_owned(),
            Kind::PortName => "`\"PORT\"` or a key of `ports`".to_owned(),
            Kind::Command => "command".to_owned(),
            Kind::Commands => "array of commands".to_owned(),
            Kind::PreCommand => "`SUBCOMMAND REST`".to_owned(),
            Kind::PreCommands => "array of `SUBCOMMAND REST`".to_owned(),
            Kind::Ports => "table of variable = port".to_owned(),
            Kind::Variables => "table of variable = text".to_owned(),
        }
    }
}
