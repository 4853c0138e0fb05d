//! A node, modules in several versions, and instructions that lead from one to another.

use std::path::{Path, PathBuf};
use std::process::Command;

use beam::Term;
use beam::term::Atom;
use bytes::Bytes;
use dist::Node;
use hot::{
    Before, Behaviour, Code, Convert, Direction, Installed, Installer, Instructions, Module, Outcome,
    Processes, Undo,
};
use probe::Probe;
use testkit::nodes::{Running, SOON, World, eval, eval_with};

/// A node with an installer.
pub(crate) struct Lab {
    pub(crate) world: World,
    pub(crate) node: Node,
    pub(crate) installer: Installer,
    pub(crate) name: &'static str,
    _running: Running,
}

/// Compiled modules of one version.
pub(crate) struct Version {
    pub(crate) folder: PathBuf,
    modules: Vec<String>,
}

impl Lab {
    pub(crate) async fn new(name: &'static str, arguments: &[&str]) -> Self {
        let world = World::new().await;
        let (running, node) = world.connected(name, arguments).await;
        let installer = Installer::new(Probe::new(node.clone()));
        Self { world, node, installer, name, _running: running }
    }

    /// Another connection to the node.
    pub(crate) async fn other(&self) -> (Node, Installer) {
        let node = self.world.open(self.world.target(self.name));
        testkit::nodes::up(&node).await;
        let installer = Installer::new(Probe::new(node.clone()));
        (node, installer)
    }

    /// Compiles modules, each `(name, source without -module)`.
    pub(crate) fn compile(&self, version: &str, sources: &[(&str, &str)]) -> Version {
        let folder = self.world.folder().join(version);
        fs_err::create_dir_all(&folder).unwrap();
        let mut command = Command::new("erlc");
        command.arg("+nowarn_export_all").arg("-o").arg(&folder).env("ERL_COMPILER_OPTIONS", "[]");
        for (name, source) in sources {
            let file = folder.join(format!("{name}.erl"));
            let text = format!("-module({name}).\n-compile(export_all).\n{source}");
            fs_err::write(&file, text).unwrap();
            command.arg(file);
        }
        let output = command.output().expect("Debian's erlang is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        Version { folder, modules: sources.iter().map(|(name, _)| (*name).to_owned()).collect() }
    }

    /// Compiles Elixir modules.
    pub(crate) fn compile_elixir(&self, version: &str, source: &str) -> Version {
        let folder = self.world.folder().join(version);
        fs_err::create_dir_all(&folder).unwrap();
        let file = folder.join("source.ex");
        fs_err::write(&file, source).unwrap();
        let mut command = Command::new("elixirc");
        let output =
            command.arg("-o").arg(&folder).arg(&file).output().expect("Debian's elixir is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let files = fs_err::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let beams = files.filter(|file| file.extension().is_some_and(|it| it == "beam"));
        let mut modules: Vec<_> =
            beams.map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
        modules.sort();
        Version { folder, modules }
    }

    /// Loads a version as a node does that starts with it.
    pub(crate) async fn load(&self, version: &Version) {
        for name in &version.modules {
            let code = version.code(name);
            let variables =
                [("M", Term::atom(name)), ("F", Term::string(&code.file)), ("B", Term::binary(code.object))];
            eval_with(&self.node, "{module, M} = code:load_binary(M, F, B), ok", variables).await;
        }
    }

    /// Instructions that load every module of the new version that differs.
    pub(crate) async fn step(
        &self,
        id: &str,
        old: &Version,
        new: &Version,
        direction: Direction,
    ) -> Instructions {
        let mut instructions = Instructions::new(id, direction);
        for name in &new.modules {
            let before = if old.modules.contains(name) {
                let code = old.code(name);
                let md5 =
                    eval_with(&self.node, "beam_lib:md5(B)", [("B", Term::binary(code.object.clone()))])
                        .await;
                let [_, md5] = md5.as_tuple().and_then(|it| it[1].as_tuple()).unwrap() else {
                    panic!("{md5:?}")
                };
                let md5 = md5.as_binary().unwrap().as_ref().try_into().unwrap();
                Some(Before { md5, code: Some(code) })
            } else {
                None
            };
            instructions.modules.push(Module { name: Atom::new(name), code: new.code(name), before });
        }
        instructions
    }

    pub(crate) async fn up(&self, id: &str, old: &Version, new: &Version) -> Instructions {
        self.step(id, old, new, Direction::Up).await
    }

    /// Begins, waits, and has the result acknowledged.
    pub(crate) async fn install(&self, instructions: &Instructions) -> Outcome {
        self.installer.begin(instructions, SOON).await.unwrap();
        let progress = self.installer.wait(&instructions.id, SOON).await.unwrap();
        self.installer.acknowledge(&instructions.id, SOON).await.unwrap();
        progress.outcome.unwrap()
    }

    pub(crate) async fn eval(&self, text: &str) -> Term {
        eval(&self.node, text).await
    }

    /// A value as Erlang text.
    pub(crate) async fn text(&self, text: &str) -> String {
        dist::shown(&self.eval(text).await)
    }
}

impl Version {
    pub(crate) fn code(&self, name: &str) -> Code {
        let file = self.folder.join(format!("{name}.beam"));
        Code { object: Bytes::from(fs_err::read(&file).unwrap()), file: text(&file) }
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// Whose state is converted.
pub(crate) fn converted(module: &str) -> Processes {
    let convert = Convert { vsn: Term::atom("any"), extra: Term::list([]) };
    Processes { module: Atom::new(module), behaviour: Behaviour::Server, convert: Some(convert) }
}

/// What came of it, when it is as it should be.
pub(crate) fn whole(outcome: Outcome) -> Installed {
    let Outcome::Installed(installed) = outcome else { panic!("{outcome:?}") };
    assert_eq!((&installed.failure, &installed.complaints[..]), (&None, &[][..]));
    installed
}

/// As [`whole`], and nobody uses the code before.
pub(crate) fn hot(outcome: Outcome) -> Installed {
    let installed = whole(outcome);
    assert_eq!(installed.undo, Undo::Hot);
    installed
}
