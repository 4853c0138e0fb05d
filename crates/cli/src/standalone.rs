//! An app's places in a folder of their own, for an init that runs them without Bellrock.
//!
//! ```text
//! {folder}/
//!   1/ 2/ …                 the places' trees, which share their files: no other folder is needed
//!   env/1 env/2 …           their variables, 0600, the app's user's
//!   bin/start bin/sweep …   what every init runs
//!   systemd/ openrc/ runit/ sysv/   the init's own files, one of these
//!   log/                    output, where the init does not keep it itself
//! ```
//!
//! The trees' own parts and the variables belong to the app's user; all else belongs to whoever exports, so that root's
//! init runs, and writes to, nothing that an app may change. See [`rights`].

mod rights;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use api::AppName;
use api::standalone::{Standalone, StandaloneQuery};
use package::durable::{TemporaryFolder, set_mode, sync_file_system, write_whole};
use package::tree::{Owner, Unpacked, install_version, instance_tree, remove_tree};
use package::{HostPlatform, Limits, Sha256Digest};
use serde::Serialize;
use tokio::task::spawn_blocking;

use self::rights::Caller;
use crate::client::Route;
use crate::commands::{Context, package::save};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::units::{App, Init, Templates, plain};

/// What was exported.
#[derive(Debug, Serialize)]
struct Exported {
    app: String,
    version: String,
    folder: PathBuf,
    init: &'static str,
    /// Names of the services, in the order in which they are started.
    services: Vec<String>,
    /// What the settings ask for and an init does not do.
    remarks: Vec<String>,
    /// Whether all that an init runs of it is root's.
    #[serde(skip)]
    is_roots: bool,
}

/// Puts an app's places into a new folder, with all that an init needs to run them.
pub(crate) async fn export(
    context: &Context<'_>,
    init: Init,
    app: &AppName,
    into: &Path,
    templates: Templates,
) -> Result<Exit, Failure> {
    let caller = Caller::us()?;
    caller.check_init(init)?;
    let folder = caller.place(&std::path::absolute(into)?)?;
    let query = StandaloneQuery { folder: plain(&folder)?.to_owned() };
    check_free(&folder)?;
    let told: Standalone = context.client.get(Route::app(app, &["standalone"]).query(&query)).await?;
    caller.check_app(&told)?;
    let temporary = TemporaryFolder::beside(&folder).context("could not make a folder beside it")?;
    let archive = temporary.path().join("package.tar.gz");
    let route = Route::app(app, &["versions", told.package.as_str(), "package"]);
    save(context.client.open(route).await?, &archive).await?;
    let laying = Laying { told, init, folder, templates, is_roots: caller.is_root() };
    let exported = spawn_blocking(move || laying.run(temporary, &archive)).await;
    let exported = exported.context("a worker ended unexpectedly")??;
    context.output.data(&exported, text);
    Ok(Exit::Ok)
}

/// What is there is not ours to replace: it may run.
fn check_free(folder: &Path) -> Result<(), Failure> {
    let is_free = match fs_err::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    match is_free {
        true => Ok(()),
        false => Err(Failure::Usage(format!(
            "{} is there already, and an earlier export may run in it; name a new folder, such as one for each version",
            folder.display()
        ))),
    }
}

struct Laying {
    told: Standalone,
    init: Init,
    folder: PathBuf,
    templates: Templates,
    is_roots: bool,
}

impl Laying {
    /// Everything, made beside its folder and visible by one rename.
    fn run(&self, temporary: TemporaryFolder, archive: &Path) -> Result<Exported, Failure> {
        let here = temporary.path();
        let unpacked = self.trees(here, archive)?;
        self.environments(here)?;
        let Laying { told, init, folder, templates, is_roots } = self;
        let app = App { told, facts: &unpacked.facts, folder, templates };
        fs_err::create_dir(here.join("log"))?;
        set_mode(&here.join("log"), 0o750)?;
        for file in app.files(*init)? {
            let path = here.join(&file.path);
            passable(here, &file.path)?;
            write_whole(&path, file.text.as_bytes(), file.mode(), None)?;
        }
        set_mode(here, 0o755)?;
        sync_file_system(here)?;
        temporary.publish(folder)?;
        Ok(Exported {
            app: told.app.clone(),
            version: told.version.clone(),
            folder: folder.clone(),
            init: init.name(),
            services: app.services(),
            remarks: remarks(told, *init, *is_roots),
            is_roots: *is_roots,
        })
    }

    /// The trees of all places; the version that they were made from goes, and their files stay.
    fn trees(&self, here: &Path, archive: &Path) -> Result<Unpacked, Failure> {
        let digest: Sha256Digest = self.told.sha256.parse().context("the package's digest cannot be read")?;
        let version = here.join("version");
        let (platform, limits) = (HostPlatform::detect(), Limits::default());
        let unpacked = install_version(archive, Some(&digest), None, &version, &platform, &limits);
        let unpacked = unpacked.context("the package cannot be used here")?;
        for place in &self.told.places {
            let tree = here.join(place.place.to_string());
            let owner = Owner { uid: self.told.user.uid, gid: self.told.user.gid };
            instance_tree(&version, &tree, Some(owner)).context("a place's tree")?;
            for (path, text) in &self.told.private_files {
                write_whole(&tree.join(path), text.as_bytes(), 0o400, self.owner())?;
            }
        }
        remove_tree(&version)?;
        fs_err::remove_file(archive)?;
        Ok(unpacked)
    }

    fn environments(&self, here: &Path) -> Result<(), Failure> {
        for place in &self.told.places {
            let (name, text) = (format!("env/{}", place.place), App::environment(place));
            passable(here, &name)?;
            write_whole(&here.join(name), text.as_bytes(), 0o600, self.owner())?;
        }
        Ok(())
    }

    fn owner(&self) -> Option<(u32, u32)> {
        Some((self.told.user.uid, self.told.user.gid))
    }
}

/// The folders that a file below `here` is in: the app's user gets through and nobody else writes, whatever our own umask
/// is.
fn passable(here: &Path, file: &str) -> std::io::Result<()> {
    for (end, _) in file.match_indices('/') {
        let folder = here.join(&file[..end]);
        if !folder.is_dir() {
            fs_err::create_dir(&folder)?;
            set_mode(&folder, 0o755)?;
        }
    }
    Ok(())
}

fn remarks(told: &Standalone, init: Init, is_roots: bool) -> Vec<String> {
    let settings = &told.settings.0;
    let commands = [
        ("pre_commands", !settings.pre_commands.is_empty()),
        ("init_commands", !settings.init_commands.is_empty()),
        ("prepare_commands", !settings.prepare_commands.is_empty()),
    ];
    let mut remarks: Vec<String> = commands
        .iter()
        .filter(|(_, is_said)| *is_said)
        .map(|(name, _)| {
            format!("{name} are not run by an init: run them yourself before a new version starts")
        })
        .collect();
    if settings.resources.is_limited() && init != Init::Systemd {
        remarks.push(format!("limits of resources do not hold under {}", init.name()));
    }
    if let Some(data) = told.places.first().and_then(|place| place.environment.get("BELLROCK_DATA")) {
        remarks.push(format!(
            "the places' data stay in Bellrock's folder, that of place 1 in {data}: leave it there"
        ));
    }
    match init {
        Init::Runit if !is_roots => remarks.push(
            "these scripts are yours, for a runsvdir of your own: never link them into root's, which would run as root \
             whatever the app puts into them; export as root for that"
                .to_owned(),
        ),
        Init::Systemd if !is_roots => remarks.push(
            "these units are yours, and the app may change them: read them before root copies them, or export as root"
                .to_owned(),
        ),
        _ => {}
    }
    remarks
}

fn text(exported: &Exported) -> String {
    let Exported { app, version, folder, init, services, remarks, is_roots } = exported;
    let folder = folder.display();
    let places = services.len() - 1;
    let all = services.join(" ");
    let install = match *init {
        "systemd" => format!(
            "cp {folder}/systemd/*.service /etc/systemd/system/ && systemctl daemon-reload\n           systemctl enable --now {all}"
        ),
        "runit" if !is_roots => format!("runsvdir {folder}/runit"),
        "runit" => format!("ln -s {folder}/runit/* /etc/service/"),
        "openrc" => format!(
            "cp {folder}/openrc/* /etc/init.d/ && cp {folder}/logrotate /etc/logrotate.d/{app}\n           for it in {all}; do rc-update add $it && rc-service $it start; done"
        ),
        _ => format!(
            "cp {folder}/sysv/* /etc/init.d/ && cp {folder}/logrotate /etc/logrotate.d/{app}\n           for it in {all}; do update-rc.d $it defaults && service $it start; done"
        ),
    };
    let remarks: String = remarks.iter().map(|remark| format!("   note:   {remark}\n")).collect();
    format!(
        "{app} {version}: {places} places in {folder}; nothing of it runs yet\n{remarks}   next:   bellrock stop {app}\n           {install}"
    )
}
