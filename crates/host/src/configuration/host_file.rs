//! `sys_config`: the operator's file in the place of a package's own `sys.config`.
//!
//! It is put into each instance's tree as a copy that only the app's user may read, so that the file itself may belong to
//! somebody else, and a crash does not start half of a change. rebar3's script puts the environment into it, as into the
//! package's own. Of a mix release's own file one term stays where the operator's says nothing of it: the one that has
//! `runtime.exs` and other providers run.

use std::io::{self, Read};
use std::os::unix::fs::fchown;
use std::path::{Path, PathBuf};

use beam::Term;
use beam::print::Erlang;
use fs_err::File;
use model::app::{App, Target};
use model::settings::AppSettings;
use model::{Place, Slot};
use package::Kind;
use package::tree::Unpacked;
use probe::{Config, ConfigError};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags, openat, renameat, unlinkat};

use super::rendering::{Rendering, version};
use crate::site::{Site, SiteError};
use crate::users::Account;

/// Largest file that is taken.
const MOST_BYTES: u64 = 8 << 20;

/// What it is called in a release.
const NAME: &str = "sys.config";
/// What rebar3's script makes that from.
const TEMPLATE: &str = "sys.config.src";
/// What that script has kept of a file that it has put the environment into.
const KEPT: &str = "sys.config.orig";

/// Why the operator's file cannot be used. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum SysConfigError {
    /// It cannot be read.
    #[error(
        "sys_config is {path}, which cannot be read; put the file there, or take sys_config out of the app's settings"
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is a link to nothing.
    #[error(
        "sys_config is {path}, a link to {to}, where nothing is; put the file there, or point the link elsewhere"
    )]
    Dangling {
        /// The link.
        path: PathBuf,
        /// What it names.
        to: PathBuf,
    },
    /// It is no text, or a large one.
    #[error("sys_config is {path}, which is no file of at most 8 MB in UTF-8")]
    NoText {
        /// What was named.
        path: PathBuf,
    },
    /// What it says cannot be read.
    #[error("sys_config is {path}, which no node could be started with")]
    Wrong {
        /// The file.
        path: PathBuf,
        /// Where, and what is wrong.
        #[source]
        source: ConfigError,
    },
    /// A release that has none.
    #[error("sys_config is set, and a Gleam shipment reads no sys.config; take it out of the app's settings")]
    Shipment,
    /// What the release's own file says of its providers cannot be kept.
    #[error(
        "sys_config is {path}, and the release's own sys.config says in a way that is not understood which providers it runs; write its elixir term into the file"
    )]
    Providers {
        /// The file.
        path: PathBuf,
    },
    /// It could not be put into the tree.
    #[error("could not put sys_config into the tree {tree}")]
    Place {
        /// The tree.
        tree: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// The operator's file, as it is put into a tree.
pub(super) struct HostFile {
    text: String,
}

impl HostFile {
    /// Reads and checks it; `None` where the settings name none. It blocks.
    pub(super) fn read(
        settings: &AppSettings,
        rendering: &Rendering<'_>,
    ) -> Result<Option<Self>, SysConfigError> {
        let Some(path) = &settings.sys_config else { return Ok(None) };
        let kind = rendering.unpacked.facts.kind;
        if kind == Kind::GleamShipment {
            return Err(SysConfigError::Shipment);
        }
        let text = text_of(path)?;
        let wrong = |source| SysConfigError::Wrong { path: path.clone(), source };
        let config = Config::parse(&rendering.render(text.as_bytes())).map_err(wrong)?;
        let packed = package_own(rendering.unpacked);
        let text = match (kind, packed) {
            (Kind::MixRelease, Some(packed)) => with_providers(text, &config, &packed)
                .ok_or_else(|| SysConfigError::Providers { path: path.clone() })?,
            _ => text,
        };
        Ok(Some(HostFile { text }))
    }

    /// As it is put there: nothing of the environment is in it yet.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// What it is called in the folder of its version: for rebar3 a template too, which would be put over it.
    fn names(kind: Kind) -> &'static [&'static str] {
        if kind == Kind::RebarRelease { &[TEMPLATE, NAME] } else { &[NAME] }
    }

    /// Puts it into a tree. Its folder there is the app's: no link in it is followed.
    fn place(
        &self,
        tree: &Path,
        unpacked: &Unpacked,
        account: Option<&Account>,
    ) -> Result<(), SysConfigError> {
        let failed = |source| SysConfigError::Place { tree: tree.to_owned(), source };
        let folder = folder(tree, version(unpacked)).map_err(failed)?;
        for name in Self::names(unpacked.facts.kind) {
            write(&folder, name, self.text.as_bytes(), account).map_err(failed)?;
        }
        // It would be put over it.
        let _ = unlinkat(&folder, KEPT, AtFlags::empty());
        Ok(())
    }
}

impl Site {
    /// Sees that the operator's `sys.config`, where the settings name one, can be used. It blocks.
    ///
    /// # Errors
    /// [`SiteError::SysConfig`].
    pub fn check_sys_config(
        &self,
        app: &App,
        target: Target,
        place: Place,
        slot: Slot,
    ) -> Result<(), SiteError> {
        self.sys_config(app, target, place, slot, Path::new("/")).map(drop)
    }

    /// Puts it into a tree, as it is now. It blocks.
    ///
    /// # Errors
    /// [`SiteError::SysConfig`]; nothing was changed then.
    pub fn write_sys_config(
        &self,
        app: &App,
        target: Target,
        place: Place,
        slot: Slot,
        tree: &Path,
    ) -> Result<(), SiteError> {
        let Some((file, unpacked)) = self.sys_config(app, target, place, slot, tree)? else { return Ok(()) };
        let settings = &app.revision(target).ok_or(SiteError::NoVersion)?.settings;
        Ok(file.place(tree, &unpacked, self.account(settings)?.as_ref())?)
    }

    /// The same as paths in a tree with their contents.
    ///
    /// # Errors
    /// [`SiteError::SysConfig`].
    pub(crate) fn sys_config_files(
        &self,
        app: &App,
        target: Target,
        place: Place,
        tree: &Path,
    ) -> Result<Vec<(String, String)>, SiteError> {
        let Some((file, unpacked)) = self.sys_config(app, target, place, Slot::A, tree)? else {
            return Ok(Vec::new());
        };
        let path = |name: &&str| format!("releases/{}/{name}", version(&unpacked));
        let names = HostFile::names(unpacked.facts.kind).iter();
        Ok(names.map(|name| (path(name), file.text.clone())).collect())
    }

    /// With what it stands in the place of.
    fn sys_config(
        &self,
        app: &App,
        target: Target,
        place: Place,
        slot: Slot,
        tree: &Path,
    ) -> Result<Option<(HostFile, Unpacked)>, SiteError> {
        let settings = &app.revision(target).ok_or(SiteError::NoVersion)?.settings;
        if settings.sys_config.is_none() {
            return Ok(None);
        }
        let unpacked = self.unpacked(app, target)?;
        let environment = self.environment(app, target, place, slot, tree)?;
        let rendering = Rendering { tree, unpacked: &unpacked, environment: &environment };
        Ok(HostFile::read(settings, &rendering)?.map(|file| (file, unpacked)))
    }
}

fn text_of(path: &Path) -> Result<String, SysConfigError> {
    let failed = |source| SysConfigError::Read { path: path.to_owned(), source };
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(match fs_err::read_link(path) {
                Ok(to) => SysConfigError::Dangling { path: path.to_owned(), to },
                Err(_) => failed(error),
            });
        }
        opened => opened.map_err(failed)?,
    };
    let found = file.metadata().map_err(failed)?;
    if !found.is_file() || found.len() > MOST_BYTES {
        return Err(SysConfigError::NoText { path: path.to_owned() });
    }
    let mut text = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut text).map_err(failed)?;
    String::from_utf8(text).map_err(|_| SysConfigError::NoText { path: path.to_owned() })
}

/// What the package brought; nobody but us writes there.
fn package_own(unpacked: &Unpacked) -> Option<Vec<u8>> {
    let folder = unpacked.tree().join(&unpacked.facts.root).join("releases").join(version(unpacked));
    fs_err::read(folder.join(NAME)).ok()
}

/// The operator's text with the term that has a mix release's providers run, where it says nothing of them; `None` when what
/// the release says cannot be read, or written as text.
fn with_providers(text: String, config: &Config, packed: &[u8]) -> Option<String> {
    const KEY: &str = "config_provider_init";
    let packed = String::from_utf8_lossy(packed);
    if !packed.contains(KEY) || config.value("elixir", KEY).is_some() {
        return Some(text);
    }
    let of_package = Config::parse(packed.as_bytes()).ok()?;
    let Some(providers) = of_package.value("elixir", KEY) else { return Some(text) };
    let providers = Term::tuple([Term::atom(KEY), providers.clone()]);
    let mut items: Vec<Term> = config.term().as_list()?.to_vec();
    let of_elixir = |item: &Term| item.as_tuple().is_some_and(|it| it[0].as_atom() == Some("elixir"));
    match items.iter().position(of_elixir) {
        Some(at) => {
            let pairs = items[at].as_tuple()?[1].as_list()?.into_owned();
            items[at] = Term::tuple([Term::atom("elixir"), Term::list(pairs.into_iter().chain([providers]))]);
        }
        None => items.push(Term::tuple([Term::atom("elixir"), Term::list([providers])])),
    }
    let whole = Term::list(items);
    let printed = Erlang::default().print(&whole);
    let text = format!("%% coding: utf-8\n{}{printed}.\n", mark(&packed));
    (beam::text::consult(text.as_bytes()).ok()? == [whole]).then_some(text)
}

/// The line that tells the start script whether providers write what they have read into a copy.
fn mark(packed: &str) -> String {
    let line = packed.lines().find(|line| line.starts_with("%%") && line.contains("RUNTIME_CONFIG="));
    line.map(|line| format!("{line}\n")).unwrap_or_default()
}

/// `releases/VERSION` of a tree, and no link on the way there.
fn folder(tree: &Path, version: &str) -> io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut folder: OwnedFd = File::open(tree)?.into_parts().0.into();
    for name in ["releases", version] {
        folder = openat(&folder, name, flags, Mode::empty())?;
    }
    Ok(folder)
}

/// Visible by one rename; nobody else can read it before it has its owner.
fn write(folder: &impl AsFd, name: &str, text: &[u8], account: Option<&Account>) -> io::Result<()> {
    let temporary = format!(".{name}.new");
    let _ = unlinkat(folder, &*temporary, AtFlags::empty());
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(folder, &*temporary, flags, Mode::RUSR | Mode::WUSR)?;
    let mut file = std::fs::File::from(file);
    io::Write::write_all(&mut file, text)?;
    if let Some(account) = account {
        fchown(&file, Some(account.uid), Some(account.gid))?;
    }
    file.sync_all()?;
    Ok(renameat(folder, &*temporary, folder, name)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `mix release` of Elixir 1.14 writes it.
    const OF_MIX: &str = "%% coding: utf-8\n%% RUNTIME_CONFIG=false\n[{shop,[{stand_in,true}]},{elixir,\
        [{config_provider_init,#{'__struct__' => 'Elixir.Config.Provider',config_path => {system,<<82,69,76>>,<<46,99>>},\
        providers => [{'Elixir.Config.Reader',{{system,<<82>>,<<47,49>>},[{env,prod},{imports,disabled}]}}]}}]}].\n";

    fn check(own: &str, packed: &str, expected: &str) {
        let config = Config::parse(own.as_bytes()).unwrap();
        let text = with_providers(own.to_owned(), &config, packed.as_bytes()).unwrap();
        let config = Config::parse(text.as_bytes()).unwrap();
        let of = |application: &str, key| config.value(application, key).is_some();
        let marked = text.contains("\n%% RUNTIME_CONFIG=false\n");
        let providers =
            config.value("elixir", "config_provider_init").is_some_and(|it| it.as_atom() != Some("own"));
        let (kept, stand_in) = (of("elixir", "ansi") || of("shop", "key"), of("shop", "stand_in"));
        let said = format!(
            "marked {marked}, the package's providers {providers}, the operator's {kept}, the stand-in {stand_in}"
        );
        assert_eq!(said, expected, "{text}");
    }

    #[test]
    fn providers_run_after_the_operators_file() {
        let all = "marked true, the package's providers true, the operator's true, the stand-in false";
        check("[{shop, [{key, \"tulip\"}]}].", OF_MIX, all);
        check("[{elixir, [{ansi, true}]}].", OF_MIX, all);
        let none = "marked false, the package's providers false, the operator's true, the stand-in false";
        check("[{shop, [{key, 1}]}].", "[{shop,[{stand_in,true}]}].", none);
        check("[{elixir, [{config_provider_init, own}, {ansi, true}]}].", OF_MIX, none);
    }

    #[test]
    fn what_cannot_be_read_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let why = |name: &str| text_of(&path(name)).unwrap_err().to_string();
        assert!(why("nowhere").contains("cannot be read; put the file there, or take sys_config out"));
        fs_err::os::unix::fs::symlink("elsewhere", path("link")).unwrap();
        assert!(why("link").contains("a link to elsewhere, where nothing is"), "{}", why("link"));
        fs_err::write(path("latin"), b"\xe5").unwrap();
        fs_err::create_dir(path("folder")).unwrap();
        for name in ["latin", "folder"] {
            assert!(why(name).contains("no file of at most 8 MB in UTF-8"), "{}", why(name));
        }
    }

    #[test]
    fn no_link_in_a_tree_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (tree, outside) = (folder.path().join("tree"), folder.path().join("outside"));
        fs_err::create_dir_all(tree.join("releases/1.0.0")).unwrap();
        fs_err::create_dir(&outside).unwrap();
        fs_err::os::unix::fs::symlink(&outside, tree.join("releases/2.0.0")).unwrap();
        fs_err::write(outside.join("file"), "theirs").unwrap();
        fs_err::os::unix::fs::symlink(outside.join("file"), tree.join("releases/1.0.0").join(NAME)).unwrap();
        write(&super::folder(&tree, "1.0.0").unwrap(), NAME, b"ours", None).unwrap();
        assert_eq!(fs_err::read(tree.join("releases/1.0.0").join(NAME)).unwrap(), b"ours");
        assert_eq!(fs_err::read(outside.join("file")).unwrap(), b"theirs");
        assert!(super::folder(&tree, "2.0.0").is_err());
    }
}
