//! Where things live on a host: every path comes from here.

use std::path::{Path, PathBuf};

use model::{AppName, EffectId, InstanceId, MeshName, Place, TaskId, VersionId, VersionLabel};

/// Folders of evaluations are called so, and a number.
const EVALUATION: &str = "config-";

fn file_name(label: &VersionLabel) -> String {
    package::cellar::escape(label.as_str()).expect("a label is short enough for a file name")
}

/// All places on disk, below a root.
#[derive(Debug, Clone)]
pub struct Paths {
    root: PathBuf,
}

impl Paths {
    /// The places below a folder; `/` for the system's own.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Paths { root: root.into() }
    }

    /// The folder that everything is below.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What a path below the root is called without the root.
    ///
    /// # Panics
    /// When it is not below it, or not text; our own paths are both.
    pub fn below(&self, path: &Path) -> String {
        let below = path.strip_prefix(&self.root).ok().and_then(Path::to_str);
        below.unwrap_or_else(|| panic!("{} is not below the root", path.display())).to_owned()
    }

    /// The host's settings.
    pub fn config_file(&self) -> PathBuf {
        self.root.join("etc/bellrock/config.toml")
    }

    /// One file of settings per app.
    pub fn app_settings(&self) -> PathBuf {
        self.root.join("etc/bellrock/apps")
    }

    /// Certificates of other hosts' authorities, which an operator has put there: our nodes believe them too.
    pub fn other_authorities(&self) -> PathBuf {
        self.root.join("etc/bellrock/tls/trusted")
    }

    /// Everything that must survive a reboot.
    pub fn state(&self) -> PathBuf {
        self.root.join("var/lib/bellrock")
    }

    /// The journal.
    pub fn database(&self) -> PathBuf {
        self.state().join("state.db")
    }

    /// Held locked by the daemon for life: one daemon per root.
    pub fn daemon_lock(&self) -> PathBuf {
        self.state().join("daemon.lock")
    }

    /// The store, unless settings name another.
    pub fn store(&self) -> PathBuf {
        self.state().join("store")
    }

    /// Packages on their way in.
    pub fn uploads(&self) -> PathBuf {
        self.state().join("uploads")
    }

    /// Unpacked versions of an app.
    pub fn versions(&self, app: &AppName) -> PathBuf {
        self.state().join("versions").join(app.as_str())
    }

    /// One unpacked version with its package.
    pub fn version(&self, app: &AppName, label: &VersionLabel) -> PathBuf {
        self.versions(app).join(file_name(label))
    }

    /// Static files of an app's versions, for the proxy: one folder each.
    pub fn assets(&self, app: &AppName) -> PathBuf {
        self.state().join("assets").join(app.as_str())
    }

    /// Papers of an app's versions.
    pub fn all_papers(&self, app: &AppName) -> PathBuf {
        self.state().join("papers").join(app.as_str())
    }

    /// A version's papers: its package as it came, build log and the like.
    pub fn papers(&self, app: &AppName, label: &VersionLabel) -> PathBuf {
        self.all_papers(app).join(file_name(label))
    }

    /// A version's package as it came.
    pub fn package(&self, app: &AppName, label: &VersionLabel) -> PathBuf {
        self.papers(app, label).join("package.tar.gz")
    }

    /// Output of a version's prepare commands, which lives as long as its other papers.
    pub fn prepare_logs(&self, app: &AppName, label: &VersionLabel) -> PathBuf {
        self.papers(app, label).join("prepare")
    }

    /// The output of one prepare command of a version; `stream` is `stdout` or `stderr`.
    pub fn prepare_log(
        &self,
        app: &AppName,
        label: &VersionLabel,
        effect: EffectId,
        stream: &str,
    ) -> PathBuf {
        self.prepare_logs(app, label).join(format!("{effect}-{stream}.log"))
    }

    /// The build log that came with a version.
    pub fn build_log(&self, app: &AppName, label: &VersionLabel) -> PathBuf {
        self.papers(app, label).join("build.log")
    }

    /// A place's folder: instances' trees and the links `current`, `new` and `previous`.
    pub fn service(&self, app: &AppName, place: Place) -> PathBuf {
        self.state().join("service").join(app.as_str()).join(place.to_string())
    }

    /// An instance's own tree.
    pub fn tree(&self, app: &AppName, place: Place, instance: InstanceId) -> PathBuf {
        self.service(app, place).join(instance.to_string())
    }

    /// The tree of a version that an instance has become while it ran.
    pub fn later_tree(
        &self,
        app: &AppName,
        place: Place,
        instance: InstanceId,
        version: VersionId,
    ) -> PathBuf {
        self.service(app, place).join(format!("{instance}-{version}"))
    }

    /// All trees of an instance that are there. Reads a folder: it blocks.
    pub fn trees(&self, app: &AppName, place: Place, instance: InstanceId) -> Vec<PathBuf> {
        let later = format!("{instance}-v");
        let entries = fs_err::read_dir(self.service(app, place)).into_iter().flatten().flatten();
        let is_later = |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(later.as_bytes());
        let later = entries.filter(|entry| is_later(&entry.file_name())).map(|entry| entry.path());
        later.chain([self.tree(app, place, instance)]).collect()
    }

    /// What the members of a place keep: one folder for all of them, whose content is the app's alone.
    pub fn data(&self, app: &AppName, place: Place) -> PathBuf {
        self.state().join("data").join(app.as_str()).join(place.to_string())
    }

    /// Trees that commands run in.
    pub fn commands(&self, app: &AppName) -> PathBuf {
        self.state().join("commands").join(app.as_str())
    }

    /// Where a configuration of an app is evaluated: one folder each, removed at its end.
    pub fn evaluation(&self, app: &AppName, number: i64) -> PathBuf {
        self.commands(app).join(format!("{EVALUATION}{number}"))
    }

    /// A tree to evaluate the configuration of a version in that no instance has: removed at the end of that.
    pub fn evaluation_tree(&self, app: &AppName, number: i64) -> PathBuf {
        self.commands(app).join(format!("{EVALUATION}tree-{number}"))
    }

    /// What evaluations have left. Reads folders: it blocks.
    pub fn evaluations(&self) -> Vec<PathBuf> {
        let below = |folder: &Path| {
            let entries = fs_err::read_dir(folder).into_iter().flatten().flatten();
            entries.map(|entry| entry.path()).collect::<Vec<_>>()
        };
        let is_one = |path: &PathBuf| {
            path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(EVALUATION.as_bytes()))
        };
        let apps = below(&self.state().join("commands"));
        apps.iter().flat_map(|app| below(app)).filter(is_one).collect()
    }

    /// Cookies of apps and meshes.
    pub fn cookies(&self) -> PathBuf {
        self.state().join("cookies")
    }

    /// The app's cookie, mode 0600.
    pub fn cookie(&self, app: &AppName) -> PathBuf {
        self.cookies().join(app.as_str())
    }

    /// The cookie that all apps of a mesh have, mode 0600. No app's name has a dot.
    pub fn mesh_cookie(&self, mesh: &MeshName) -> PathBuf {
        self.cookies().join(format!("mesh.{mesh}"))
    }

    /// What Erlang distribution over TLS needs: the authority of this host, and what it has signed.
    pub fn certificates(&self) -> PathBuf {
        self.state().join("tls")
    }

    /// The authority that signs, with its key, mode 0600.
    pub fn authority(&self) -> PathBuf {
        self.certificates().join("authority.pem")
    }

    /// The one that will sign, with its key, mode 0600.
    pub fn next_authority(&self) -> PathBuf {
        self.certificates().join("authority.next.pem")
    }

    /// The one that has signed until now, without its key.
    pub fn previous_authority(&self) -> PathBuf {
        self.certificates().join("authority.previous.pem")
    }

    /// The certificates of all of them: whom nodes believe.
    pub fn trusted_authorities(&self) -> PathBuf {
        self.certificates().join("trusted.pem")
    }

    /// Bellrock's own certificate with its key, for its connections to nodes.
    pub fn own_certificate(&self) -> PathBuf {
        self.certificates().join("bellrock.pem")
    }

    /// What apps have of that, a folder each.
    pub fn distributions(&self) -> PathBuf {
        self.certificates().join("apps")
    }

    /// What an app has of that.
    pub fn distribution(&self, app: &AppName) -> PathBuf {
        self.distributions().join(app.as_str())
    }

    /// What an app's nodes are told of TLS (`-ssl_dist_optfile`); only the app's user reads it.
    pub fn distribution_options(&self, app: &AppName) -> PathBuf {
        self.distribution(app).join("distribution.conf")
    }

    /// An app's certificate with its key; only the app's user reads it.
    pub fn distribution_certificate(&self, app: &AppName) -> PathBuf {
        self.distribution(app).join("node.pem")
    }

    /// Logs of all apps.
    pub fn logs_root(&self) -> PathBuf {
        self.root.join("var/log/bellrock")
    }

    /// Logs of an app's instances.
    pub fn logs(&self, app: &AppName) -> PathBuf {
        self.logs_root().join(app.as_str())
    }

    /// The log of one instance; `stream` is `stdout` or `stderr`.
    pub fn instance_log(&self, app: &AppName, place: Place, instance: InstanceId, stream: &str) -> PathBuf {
        self.logs(app).join(format!("{app}-{place}-{instance}-{stream}.log"))
    }

    /// Both logs of one instance: standard output, standard error.
    pub fn instance_logs(&self, app: &AppName, place: Place, instance: InstanceId) -> (PathBuf, PathBuf) {
        let log = |stream| self.instance_log(app, place, instance, stream);
        (log("stdout"), log("stderr"))
    }

    /// The link to the log of the instance that serves a place.
    pub fn place_log(&self, app: &AppName, place: Place, stream: &str) -> PathBuf {
        self.logs(app).join(format!("{app}-{place}-{stream}.log"))
    }

    /// Output of the commands of a deployment.
    pub fn command_logs(&self, app: &AppName) -> PathBuf {
        self.logs(app).join("commands")
    }

    /// The output of a one-off task; `stream` is `stdout` or `stderr`.
    pub fn task_log(&self, app: &AppName, task: TaskId, stream: &str) -> PathBuf {
        self.command_logs(app).join(format!("{task}-{stream}.log"))
    }

    /// Crash dumps of an app's instances.
    pub fn crash_dumps(&self, app: &AppName) -> PathBuf {
        self.logs(app).join("crash-dumps")
    }

    /// Sockets and locks, gone after a reboot.
    pub fn run(&self) -> PathBuf {
        self.root.join("run/bellrock")
    }

    /// The API's socket.
    pub fn api_socket(&self) -> PathBuf {
        self.run().join("api.sock")
    }

    /// The proxy's control socket is in it.
    pub fn proxy_run(&self) -> PathBuf {
        self.run().join("proxy")
    }

    /// What the proxy saves: its last table of routes, its certificates.
    pub fn proxy_state(&self) -> PathBuf {
        self.state().join("proxy")
    }

    /// The proxy's log; `stream` is `stdout` or `stderr`. No app's folder ends in `.log`.
    pub fn proxy_log(&self, stream: &str) -> PathBuf {
        self.logs_root().join(format!("bellrock-proxy-{stream}.log"))
    }

    /// Folder of the proxy's access log, which is the proxy's user's. No app's name has a dot.
    pub fn access_logs(&self) -> PathBuf {
        self.logs_root().join("bellrock-proxy.access")
    }

    /// The proxy's access log.
    pub fn access_log(&self) -> PathBuf {
        self.access_logs().join("access.log")
    }

    /// Run folders of the shims.
    pub fn shims_run(&self) -> PathBuf {
        self.run().join("shims")
    }

    /// State folders of the shims.
    pub fn shims_state(&self) -> PathBuf {
        self.state().join("shims")
    }
}
