//! Applications that need each other, restarted in a node.

use std::path::Path;
use std::process::Command;

use host::lowering::{Told, Version, lower};
use hot::{Installer, Outcome};
use probe::Probe;
use testkit::nodes::{SOON, World, eval};
use upgrade::inventory::{Configuration, Kind, Release, Runtime, StartType};
use upgrade::plan::{Direction, Verdict};
use upgrade::policy::Policy;
use upgrade::survey;

/// An application whose one server keeps a tuple of so many elements, and that tells when it starts and stops.
fn application(
    root: &Path,
    name: &str,
    needs: &str,
    version: u32,
    state: &str,
) -> upgrade::inventory::Application {
    let folder = format!("lib/{name}-{version}");
    let ebin = root.join(&folder).join("ebin");
    fs_err::create_dir_all(&ebin).unwrap();
    let modules = [
        (
            format!("{name}_app"),
            format!(
                "-behaviour(application).\n-export([start/2, stop/1]).\n\
                start(_, _) -> told ! {{start, {name}}}, {name}_server:start_link().\n\
                stop(_) -> told ! {{stop, {name}}}.\n"
            ),
        ),
        (
            format!("{name}_server"),
            format!(
                "-behaviour(gen_server).\n-export([start_link/0, init/1, handle_call/3, handle_cast/2]).\n\
                start_link() -> gen_server:start_link({{local, ?MODULE}}, ?MODULE, [], []).\n\
                init(_) -> {{ok, {state}}}.\n\
                handle_call(get, _, {state} = State) -> {{reply, State, State}}.\n\
                handle_cast(_, State) -> {{noreply, State}}.\n"
            ),
        ),
    ];
    for (module, text) in &modules {
        let source = root.join(format!("{module}.erl"));
        fs_err::write(&source, format!("-module({module}).\n{text}")).unwrap();
        let status = Command::new("erlc").arg("-o").arg(&ebin).arg(&source).status().unwrap();
        assert!(status.success());
    }
    let text = format!(
        "{{application, {name}, [{{vsn, \"{version}\"}}, {{mod, {{{name}_app, []}}}}, \
        {{modules, [{name}_app, {name}_server]}}, {{applications, [kernel, stdlib{needs}]}}]}}.\n"
    );
    fs_err::write(ebin.join(format!("{name}.app")), &text).unwrap();
    let app = beam::app::parse(text.as_bytes()).unwrap();
    let mut application = survey::application(app, &folder, StartType::Permanent);
    for (module, _) in modules {
        let bytes = fs_err::read(ebin.join(format!("{module}.beam"))).unwrap();
        application.modules.insert(module, survey::module(&bytes).unwrap().1);
    }
    application
}

/// `cart` needs `till`, and stands before it by its name and in the release.
fn release(root: &Path, version: u32, state: &str) -> Release {
    let cart = application(root, "cart", ", till", version, state);
    let till = application(root, "till", "", version, state);
    Release {
        name: "shop".to_owned(),
        version: version.to_string(),
        kind: Kind::Gleam,
        runtime: Runtime::default(),
        applications: [("cart".to_owned(), cart), ("till".to_owned(), till)].into(),
        start_order: vec!["cart".to_owned(), "till".to_owned()],
        protocols: Default::default(),
        configuration: Configuration::default(),
    }
}

#[tokio::test]
async fn applications_stop_before_those_that_they_need_and_start_after_them() {
    let folder = tempfile::tempdir().unwrap();
    let roots = ["1", "2"].map(|name| folder.path().join(name));
    let old = release(&roots[0], 1, "{state, 0}");
    let new = release(&roots[1], 2, "{state, 0, none}");
    let policy = Policy { restarted: ["cart".to_owned(), "till".to_owned()].into(), ..Policy::default() };
    let plan = upgrade::plan(&old, &new, &policy);
    assert_eq!(
        (plan.verdict, plan.steps.direction()),
        (Verdict::Care, Direction::Up),
        "{:#?}",
        plan.findings
    );
    assert_eq!(plan.steps.applications.restarted, ["till", "cart"]);

    let world = World::new().await;
    let paths = ["cart", "till"].map(|name| roots[0].join(format!("lib/{name}-1/ebin")));
    let paths = paths.each_ref().map(|path| path.to_str().unwrap());
    let (_running, node) = world.connected("shop", &["-pa", paths[0], paths[1]]).await;
    let begun = "register(told, spawn(fun() -> (fun Keep(All) -> receive
            {get, From} -> From ! {told, lists:reverse(All)}, Keep(All);
            One -> Keep([One | All])
        end end)([]) end)),
        {ok, [till, cart]} = application:ensure_all_started(cart), gen_server:call(cart_server, get)";
    assert_eq!(dist::shown(&eval(&node, begun).await), "{state,0}");
    let version = |index: usize, release| Version { release, root: &roots[index] };
    let instructions = lower("up", &plan, version(0, &old), version(1, &new), &Told::default()).unwrap();
    let installer = Installer::new(Probe::new(node.clone()));
    installer.begin(&instructions, SOON).await.unwrap();
    let outcome = installer.wait("up", SOON).await.unwrap().outcome.unwrap();
    let Outcome::Installed(installed) = outcome else { panic!("{outcome:?}") };
    assert_eq!((&installed.failure, &installed.complaints[..]), (&None, &[][..]));
    let told = "told ! {get, self()}, receive {told, All} -> {All, gen_server:call(cart_server, get)} end";
    let order = "{start,till},{start,cart},{stop,cart},{stop,till},{start,till},{start,cart}";
    assert_eq!(dist::shown(&eval(&node, told).await), format!("{{[{order}],{{state,0,none}}}}"));
}
