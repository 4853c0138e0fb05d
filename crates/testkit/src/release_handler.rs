//! What OTP's `release_handler` does in a node: what an upgrade of ours is compared with.

use std::path::{Path, PathBuf};

use beam::Term;
use dist::Node;

use crate::nodes::{eval, eval_with};

/// A node's `release_handler`, which knows a release that was [booted](crate::made::boot) there and others that it is offered.
#[derive(Debug)]
pub struct ReleaseHandler {
    node: Node,
    folder: PathBuf,
    /// The version of the first release, as it calls it: that of what the VM was started with, the OTP release.
    pub booted: String,
}

impl ReleaseHandler {
    /// Starts it in a node that runs the release of this root. What it keeps is below `folder`.
    ///
    /// # Panics
    /// When sasl is not installed.
    pub async fn start(node: &Node, folder: &Path, root: &Path) -> Self {
        let folder = folder.join("release_handler");
        let text_of = "{_, Booted} = init:script_id(), Booted";
        let booted = eval(node, text_of).await;
        let booted = booted.as_text().expect("a version");
        let handler = Self { node: node.clone(), folder, booted };
        handler.keep(root, &handler.booted, "").await;
        let text_of = "{Name, Vsn} = init:script_id(),
            Libs = [{list_to_atom(App), V, filename:join([Root, \"lib\", App ++ \"-\" ++ V])} || {App, V} <- Libs0],
            ok = file:write_file(filename:join(Folder, \"RELEASES\"),
                io_lib:format(\"~tp.~n\", [[{release, Name, Vsn, erlang:system_info(version), Libs, permanent}]])),
            _ = application:load(sasl),
            application:set_env([{sasl, [{releases_dir, Folder}, {sasl_error_logger, false}]}]),
            ok = application:start(sasl)";
        let text_of = format!("{LIBS} {text_of}");
        handler.eval(&text_of, root, &handler.booted).await;
        handler
    }

    /// Tells it of another release and of how to come to it: the text of a `relup`.
    ///
    /// # Panics
    /// When it does not take it.
    pub async fn offer(&self, root: &Path, version: &str, relup: &str) {
        self.keep(root, version, relup).await;
        let text_of = format!(
            "{LIBS} Dirs = [{{list_to_atom(App), V, filename:join(Root, \"lib\")}} || {{App, V}} <- Libs0],
            {{ok, Version}} = release_handler:set_unpacked(filename:join([Folder, Version, \"shop.rel\"]), Dirs)"
        );
        self.eval(&text_of, root, version).await;
    }

    /// What `release_handler:install_release(Version, Options)` says, and how long it took there, in microseconds.
    pub async fn install(&self, version: &str, options: &str) -> (Term, u64) {
        let text_of = format!(
            "Began = erlang:monotonic_time(microsecond),
            Said = try release_handler:install_release(Version, {options}) catch exit:Why -> {{'EXIT', Why}} end,
            {{Said, erlang:monotonic_time(microsecond) - Began}}"
        );
        let told = eval_with(&self.node, &text_of, [("Version", Term::string(version))]).await;
        let [said, took] = told.as_tuple().expect("a pair") else { panic!("{told:?}") };
        (said.clone(), u64::try_from(took.as_integer().expect("microseconds")).expect("time goes on"))
    }

    /// Installs, and is pleased with itself.
    ///
    /// # Panics
    /// When it says anything but `{ok, _, _}`.
    pub async fn installs(&self, version: &str) -> u64 {
        let (said, took) = self.install(version, "[]").await;
        let is_fine = said.as_tuple().is_some_and(|it| it.len() == 3 && it[0].as_atom() == Some("ok"));
        assert!(is_fine, "{}", dist::shown(&said));
        took
    }

    /// Ends it, so that another one may start in the node.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn end(&self) {
        eval(&self.node, "ok = application:stop(sasl)").await;
    }

    /// What it reads of a release: `.rel`, the part of a boot script that it looks at, `sys.config`, `relup`.
    async fn keep(&self, root: &Path, version: &str, relup: &str) {
        let text_of = format!(
            "{LIBS} Own = filename:join([Root, \"releases\", filename:basename(Root)]),
            Kept = filename:join(Folder, Version),
            ok = filelib:ensure_dir(filename:join(Kept, \"x\")),
            Load = [{{apply, {{application, load, [Spec]}}}} || {{App, V}} <- Libs0,
                {{ok, [Spec]}} <- [file:consult(filename:join([Root, \"lib\", App ++ \"-\" ++ V, \"ebin\", App ++ \".app\"]))]],
            ok = file:write_file(filename:join(Kept, \"start.boot\"), term_to_binary({{script, {{\"shop\", Version}}, Load}})),
            {{ok, _}} = file:copy(filename:join(Own, \"sys.config\"), filename:join(Kept, \"sys.config\")),
            {{ok, [{{release, _, Erts, Libs1}}]}} = file:consult(filename:join(Own, \"shop.rel\")),
            ok = file:write_file(filename:join(Kept, \"shop.rel\"),
                io_lib:format(\"~tp.~n\", [{{release, {{\"shop\", Version}}, Erts, Libs1}}])),
            case Relup of <<>> -> ok; _ -> ok = file:write_file(filename:join(Kept, \"relup\"), Relup) end"
        );
        let variables = [("Relup", Term::binary(relup.to_owned()))];
        self.eval_with(&text_of, root, version, variables).await;
    }

    async fn eval(&self, text_of: &str, root: &Path, version: &str) {
        self.eval_with(text_of, root, version, []).await;
    }

    async fn eval_with<const N: usize>(
        &self,
        text_of: &str,
        root: &Path,
        version: &str,
        more: [(&str, Term); N],
    ) {
        let text = |path: &Path| Term::string(path.to_str().expect("the folders of tests are text"));
        let variables =
            [("Root", text(root)), ("Folder", text(&self.folder)), ("Version", Term::string(version))];
        eval_with(&self.node, text_of, variables.into_iter().chain(more)).await;
    }
}

/// The applications that are in a release's own `lib`, with their versions.
const LIBS: &str = "Libs0 = [begin [V | App] = lists:reverse(string:split(filename:basename(Each), \"-\", all)),
        {lists:flatten(lists:join(\"-\", lists:reverse(App))), V} end || Each <- filelib:wildcard(Root ++ \"/lib/*\")],";
