//! Old code that somebody uses, and code that cannot be loaded.

use hot::{Cause, Outcome, Undo};
use testkit::nodes::{SOON, eval};
use testkit::{made, wait_for};

use super::release;
use crate::lab::Beside;

/// Waits in itself.
fn waiting(version: u8) -> String {
    format!(
        "start() -> spawn(fun() -> loop() end).
        loop() -> receive {{ask, From}} -> From ! {version}, loop() end.
        it() -> {version}.
        stored() -> fun(X) -> {{X, {version}}} end."
    )
}

/// Three versions of it, of which the third is configured otherwise.
fn three() -> [made::Release; 3] {
    ["1", "2", "3"].map(|version| {
        let waits = waiting(version.parse().unwrap());
        let colour = if version == "3" { "blue" } else { "red" };
        release(version, &[("waits", &waits)], "").config(&format!("[{{shop, [{{colour, {colour}}}]}}]"))
    })
}

/// The code that runs, the version and the environment.
const STATE: &str = "{waits:it(), application:get_key(shop, vsn), application:get_env(shop, colour)}";

fn load(version: &str, purge: &str) -> String {
    format!(
        "[{{load_object_code, {{shop, \"{version}\", [waits]}}}}, point_of_no_return, {{load, {{waits, {purge}, {purge}}}}}]"
    )
}

/// 5.1
#[tokio::test]
async fn a_refused_install_leaves_environment_and_version_of_the_new_release() {
    let beside = Beside::new(&three()).await;
    beside.both("register(idle, waits:start())").await;

    for to in [1, 2] {
        beside.offer(to, &load(&(to + 1).to_string(), "soft_purge")).await;
    }
    beside.handler.installs("2").await;
    let (said, _) = beside.handler.install("3", "[]").await;
    assert_eq!(dist::shown(&said), "{error,{old_processes,waits}}");
    assert_eq!(beside.naive.text(STATE).await, "{2,{ok,\"3\"},{ok,blue}}");

    beside.ours.becomes(&beside.way(1)).await;
    let way = beside.way(2);
    assert!(beside.ours.looked(&way).await.contains(&"BR-H061".to_owned()));
    let Outcome::Refused(why) = beside.ours.install(&way.instructions).await else { panic!("it waits") };
    assert_eq!((why[0].cause, why[0].module.as_deref()), (Cause::OldCode, Some("waits")));
    assert_eq!(why[0].pid, Some(beside.ours.text("whereis(idle)").await));
    assert_eq!(beside.ours.text(STATE).await, "{2,{ok,\"2\"},{ok,red}}");
}

/// 5.8
#[tokio::test]
async fn the_second_upgrade_kills_who_waits_in_a_module() {
    let beside = Beside::new(&three()).await;
    beside.both("persistent_term:put(idle, [waits:start() || _ <- lists:seq(1, 20)])").await;
    let alive = "length([Pid || Pid <- persistent_term:get(idle), is_process_alive(Pid)])";

    for to in [1, 2] {
        beside.offer(to, &load(&(to + 1).to_string(), "brutal_purge")).await;
    }
    beside.handler.installs("2").await;
    beside.handler.installs("3").await;
    assert_eq!(beside.naive.text(alive).await, "0");

    let installed = beside.ours.becomes(&beside.way(1)).await;
    assert!(matches!(installed.undo, Undo::Full(why) if why.len() == 20));
    let way = beside.way(2);
    let looked = beside.ours.looked(&way).await;
    assert_eq!(looked.iter().filter(|code| *code == "BR-H061").count(), 20);
    assert!(matches!(beside.ours.install(&way.instructions).await, Outcome::Refused(_)));
    assert_eq!(beside.ours.text(alive).await, "20");
    // they answer as ever
    let asked = "[begin Pid ! {ask, self()}, receive 1 -> ok end end || Pid <- persistent_term:get(idle)], waits:it()";
    assert_eq!(beside.ours.text(asked).await, "2");
}

/// 5.7 and 3c
#[tokio::test]
async fn a_stored_function_is_lost_at_once() {
    let beside = Beside::new(&three()).await;
    beside.both("persistent_term:put(shelf, #{f => waits:stored()})").await;
    let call = "#{f := F} = persistent_term:get(shelf), try F(x) catch error:{Why, _} -> Why end";
    assert_eq!(beside.both(call).await, "{x,1}");

    // without a word, though it is told to purge nothing that is in use
    beside.offer(1, &load("2", "soft_purge")).await;
    beside.handler.installs("2").await;
    assert_eq!(beside.naive.text(call).await, "badfun");

    let installed = beside.ours.becomes(&beside.way(1)).await;
    assert!(matches!(installed.undo, Undo::Full(_)));
    assert_eq!(beside.ours.text(call).await, "{x,1}");
    let way = beside.way(2);
    assert_eq!(beside.ours.looked(&way).await, ["BR-H064"]);
    let Outcome::Refused(why) = beside.ours.install(&way.instructions).await else { panic!("it is stored") };
    assert_eq!((why[0].cause, why[0].module.as_deref()), (Cause::OldFunction, Some("waits")));
    assert_eq!(beside.ours.text(call).await, "{x,1}");
}

/// Can be loaded once, as a module of a native library that has no upgrade callback.
fn once(version: u8) -> String {
    format!(
        "-on_load(load/0).
        load() -> case persistent_term:get(library, none) of none -> persistent_term:put(library, loaded); _ -> {{error, upgrade}} end.
        it() -> {version}."
    )
}

/// 5.9
#[tokio::test]
async fn a_module_that_cannot_be_loaded_again_restarts_the_node() {
    let releases = [1, 2].map(|vsn| release(&vsn.to_string(), &[("waits", &once(vsn))], ""));
    let beside = Beside::new(&releases).await;
    assert_eq!(beside.both("{waits:it(), persistent_term:get(library)}").await, "{1,loaded}");

    beside.offer(1, &load("2", "soft_purge")).await;
    eval(&beside.naive.node, "spawn(fun() -> release_handler:install_release(\"2\", []) end), ok").await;
    wait_for("the node begins anew", SOON, async || {
        let node = &beside.naive.node;
        let prepared = node.prepare("persistent_term:get(library, none)", SOON).await.ok()?;
        let told = node.eval(&prepared, [], SOON).await.ok()?;
        (told.as_atom() == Some("none")).then_some(())
    })
    .await;

    let way = beside.way(1);
    assert_eq!(way.blocks(), ["BR-H033"]);
    // forced, it is refused before anything is done
    let Outcome::Refused(why) = beside.ours.install(&way.instructions).await else {
        panic!("it has on_load")
    };
    assert_eq!((why[0].cause, why[0].module.as_deref()), (Cause::NotLoadable, Some("waits")));
    assert_eq!(beside.ours.text("{waits:it(), application:get_key(shop, vsn)}").await, "{1,{ok,\"1\"}}");
}

/// 5.10
#[tokio::test]
async fn other_content_under_the_same_version_is_not_seen() {
    let releases = ["1", "2"].map(|version| {
        let library =
            made::Application::new("rope", "1", None, &[("waits", &waiting(version.parse().unwrap()))]);
        let mut release = release(version, &[], "");
        release.applications.push(library);
        release
    });
    let beside = Beside::new(&releases).await;
    let (one, two) = (&beside.releases[0].root, &beside.releases[1].root);

    // what OTP's own tools make of them
    let empty = r#"{"2", [{"1", []}], []}."#;
    fs_err::write(two.join("lib/shop-2/ebin/shop.appup"), empty).unwrap();
    let made = format!(
        "Sasl = code:lib_dir(sasl), true = is_list(Sasl),
        {{ok, {{_, [{{_, _, Script}}], _}}, _, _}} = systools:make_relup({:?}, [{:?}], [], [noexec, silent, {{path, [{:?}, {:?}]}}]),
        Script",
        two.join("releases/2/shop").to_str().unwrap(),
        one.join("releases/1/shop").to_str().unwrap(),
        two.join("lib/*/ebin").to_str().unwrap(),
        one.join("lib/*/ebin").to_str().unwrap(),
    );
    let script = beside.naive.text(&made).await;
    assert_eq!(script, "[point_of_no_return]");
    beside.offer(1, &script).await;
    beside.handler.installs("2").await;
    assert_eq!(beside.naive.text("waits:it()").await, "1");

    beside.ours.becomes_hot(&beside.way(1)).await;
    assert_eq!(beside.ours.text("waits:it()").await, "2");
}
