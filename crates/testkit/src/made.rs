//! Releases made of sources as a test runs, in the layout of rebar3's, by the compiler of a node.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use beam::Term;
use dist::Node;

use crate::nodes::eval_with;

/// What they are all called.
pub const NAME: &str = "shop";

/// One version of a release.
#[derive(Clone, Debug, Default)]
pub struct Release {
    /// Its version.
    pub version: String,
    /// Its applications, in the order of their start.
    pub applications: Vec<Application>,
    /// What `sys.config` holds, as Erlang text without the full stop; empty: `[]`.
    pub config: String,
    /// Other files below the release's root, and their texts.
    pub files: Vec<(String, String)>,
}

/// One application of it.
#[derive(Clone, Debug, Default)]
pub struct Application {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The module of its `start/2`; none: it is a library.
    pub callback: Option<String>,
    /// `env` of its specification, as Erlang text; empty: `[]`.
    pub env: String,
    /// Modules and their sources without `-module`, of which everything is exported; `?MODULE` is the only macro.
    pub modules: Vec<(String, String)>,
}

impl Release {
    /// Of one application, called like the release.
    pub fn new(version: &str, callback: Option<&str>, modules: &[(&str, &str)]) -> Self {
        let application = Application::new(NAME, version, callback, modules);
        Self { version: version.to_owned(), applications: vec![application], ..Self::default() }
    }

    /// With this `sys.config`.
    #[must_use]
    pub fn config(mut self, text: &str) -> Self {
        self.config = text.to_owned();
        self
    }

    /// Writes it, compiled by a node, to a folder below this one.
    ///
    /// # Panics
    /// When a source does not compile.
    pub async fn write(&self, node: &Node, below: &Path) -> PathBuf {
        let root = below.join(&self.version);
        let file = |path: &str, text: &str| {
            let path = root.join(path);
            fs_err::create_dir_all(path.parent().expect("it is below the root")).expect("/tmp has room");
            fs_err::write(&path, text).expect("/tmp has room");
            path
        };
        let script = file(&format!("bin/{NAME}"), "#!/bin/sh\n# foreground: a node of the test is it\n");
        fs_err::set_permissions(script, PermissionsExt::from_mode(0o755)).expect("it is ours");
        let config = if self.config.is_empty() { "[]" } else { &self.config };
        file(&format!("releases/{}/sys.config", self.version), &format!("{config}.\n"));
        for (path, text) in &self.files {
            file(path, text);
        }
        for application in &self.applications {
            file(&application.specification(), &application.text());
        }
        let application = |it: &Application| {
            let modules = it.modules.iter().map(|(name, source)| {
                // the one macro that there is
                let source = source.replace("?MODULE", &format!("'{name}'"));
                let text =
                    format!("-module('{name}').\n-compile([export_all, nowarn_export_all]).\n{source}\n");
                Term::tuple([Term::string(name), Term::binary(text)])
            });
            Term::tuple([
                Term::string(&it.ebin()),
                Term::string(&it.name),
                Term::string(&it.version),
                Term::list(modules),
            ])
        };
        let variables = [
            ("Root", text(&root)),
            ("Name", Term::string(NAME)),
            ("Version", Term::string(&self.version)),
            ("Applications", Term::list(self.applications.iter().map(application))),
        ];
        eval_with(node, include_str!("made.txt"), variables).await;
        root
    }
}

impl Application {
    /// A new one.
    pub fn new(name: &str, version: &str, callback: Option<&str>, modules: &[(&str, &str)]) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            callback: callback.map(str::to_owned),
            env: String::new(),
            modules: modules
                .iter()
                .map(|(name, source)| ((*name).to_owned(), (*source).to_owned()))
                .collect(),
        }
    }

    /// With this environment.
    #[must_use]
    pub fn env(mut self, text: &str) -> Self {
        self.env = text.to_owned();
        self
    }

    fn ebin(&self) -> String {
        format!("lib/{}-{}/ebin", self.name, self.version)
    }

    fn specification(&self) -> String {
        format!("{}/{}.app", self.ebin(), self.name)
    }

    fn text(&self) -> String {
        let Self { name, version, env, .. } = self;
        let callback =
            self.callback.as_ref().map(|it| format!("{{mod, {{'{it}', []}}}}, ")).unwrap_or_default();
        let modules: Vec<_> = self.modules.iter().map(|(name, _)| format!("'{name}'")).collect();
        let modules = modules.join(", ");
        let env = if env.is_empty() { "[]" } else { env };
        format!(
            "{{application, {name}, [{{description, \"\"}}, {{vsn, \"{version}\"}}, {{registered, []}}, {callback}\
             {{modules, [{modules}]}}, {{applications, [kernel, stdlib]}}, {{env, {env}}}]}}.\n"
        )
    }
}

/// Has a node run a release as if it had been started with it: code path, configuration, applications.
///
/// # Panics
/// When an application does not start.
pub async fn boot(node: &Node, root: &Path, version: &str) {
    let text_of = "_ = [true = code:add_pathz(Path) || Path <- filelib:wildcard(Root ++ \"/lib/*/ebin\")],
        {ok, [Config]} = file:consult(Root ++ \"/releases/\" ++ Version ++ \"/sys.config\"),
        ok = application:set_env(Config, [{persistent, true}]),
        {ok, [{release, _, _, Applications}]} = file:consult(Root ++ \"/releases/\" ++ Version ++ \"/shop.rel\"),
        os:putenv(\"RELEASE_VSN\", Version),
        _ = [{ok, _} = application:ensure_all_started(Name) || {Name, _} <- Applications]";
    eval_with(node, text_of, [("Root", text(root)), ("Version", Term::string(version))]).await;
}

fn text(path: &Path) -> Term {
    Term::string(path.to_str().expect("the folders of tests are text"))
}
