//! Changed configuration in a running node.

use std::time::Duration;

use beam::Term;
use probe::{Before, Config, Probe, ReloadPlan, Told};
use testkit::nodes::{SOON, World, eval};

use crate::shop::{self, ELIXIR};

fn config(text: &str) -> Config {
    Config::parse(text.as_bytes()).unwrap()
}

fn plan(before: Option<&Config>) -> ReloadPlan<'_> {
    ReloadPlan { before: Before::Known(before), dry_run: false, patience: SOON }
}

async fn env(probe: &Probe, key: &str) -> String {
    let text = format!("lists:flatten(io_lib:format(\"~0tp\", [application:get_env(shop, {key})]))");
    eval(probe.node(), &text).await.as_text().unwrap()
}

#[tokio::test]
async fn changed_terms_are_set_and_told() {
    let world = World::new().await;
    let (_running, node) = world.connected("config", &ELIXIR).await;
    let probe = Probe::new(node.clone());
    shop::load(&node, "{changed, 1}, {same, 1}, {gone, 1}, {at_runtime, 1}").await;
    shop::start(&node, 0).await;
    eval(&node, "application:set_env(shop, at_runtime, 2)").await;
    let wanted =
        config("[{shop, [{changed, 2}, {same, 1}, {new, \"text\"}]}, {stdlib, [{x, 1}]}, {elsewhere, []}].");
    let before = config("[{shop, [{changed, 1}, {gone, 1}]}].");
    let reload = probe.reload_config(&wanted, plan(Some(&before)), SOON).await.unwrap();
    assert_eq!(reload.not_loaded, ["elsewhere"]);
    let [shop, stdlib] = &reload.changed[..] else { panic!("{reload:?}") };
    assert_eq!((&*shop.application, &shop.told), ("shop", &Told::Ok));
    assert_eq!((&shop.changed[..], &shop.new[..]), (&["changed".to_owned()][..], &["new".to_owned()][..]));
    assert_eq!(shop.removed, ["gone"]);
    assert_eq!((&*stdlib.application, &stdlib.told), ("stdlib", &Told::NotImplemented));
    for (key, value) in
        [("changed", "{ok,2}"), ("new", "{ok,\"text\"}"), ("gone", "undefined"), ("at_runtime", "{ok,2}")]
    {
        assert_eq!(env(&probe, key).await, value, "{key}");
    }
    let told = eval(&node, "persistent_term:get(told) =:= {[{changed, 2}], [{new, \"text\"}], [gone]}").await;
    assert_eq!(told, Term::atom("true"));
    // nothing has changed: nobody is told
    let again = probe.reload_config(&wanted, plan(Some(&wanted)), SOON).await.unwrap();
    assert!(again.changed.is_empty(), "{again:?}");
    // what was set lasts when the application is started again
    eval(&node, "ok = application:stop(shop), ok = application:start(shop)").await;
    assert_eq!(env(&probe, "changed").await, "{ok,2}");
}

#[tokio::test]
async fn an_application_that_fails_or_hangs_is_named() {
    let world = World::new().await;
    let (_running, node) = world.connected("unwilling", &ELIXIR).await;
    let probe = Probe::new(node.clone());
    shop::load(&node, "{fail, 1}, {hang, 1}").await;
    let told = async |text: &str, patience| {
        let plan = ReloadPlan { patience, ..plan(None) };
        let reload = probe.reload_config(&config(text), plan, SOON).await.unwrap();
        reload.changed[0].told.clone()
    };
    assert_eq!(told("[{shop, [{other, 1}]}].", SOON).await, Told::NotRunning);
    shop::start(&node, 0).await;
    assert_eq!(told("[{shop, [{fail, 2}]}].", SOON).await, Told::Failed("{error,\"not this\"}".to_owned()));
    assert_eq!(told("[{shop, [{hang, 2}]}].", Duration::from_millis(100)).await, Told::Late);
    // the application controller still answers
    assert_eq!(told("[{shop, [{other, 2}]}].", SOON).await, Told::Ok);
}

#[tokio::test]
async fn what_the_node_holds_is_taken_back_and_what_its_command_line_says_stays() {
    let world = World::new().await;
    let (_running, node) = world.connected("held", &ELIXIR).await;
    let probe = Probe::new(node.clone());
    shop::load(&node, "{own, 1}").await;
    shop::start(&node, 0).await;
    eval(&node, "[application:set_env(shop, K, 1, [{persistent, true}]) || K <- [gone, closed]]").await;
    eval(&node, "application:set_env(shop, by_hand, 1)").await;
    // the tests' nodes are started with -kernel dist_auto_connect and such
    let said = eval(&node, "{ok, [[Key | _] | _]} = init:get_argument(kernel), list_to_atom(Key)").await;
    let said = said.as_atom().unwrap().to_owned();
    let wanted = config(&format!("[{{shop, [{{own, 2}}]}}, {{kernel, [{{'{said}', not_this}}]}}]."));
    let wanted = wanted.with_elsewhere(vec![("shop".to_owned(), vec!["closed".to_owned()])]);
    let plan = ReloadPlan { before: Before::Held, dry_run: true, patience: SOON };
    let dry = probe.reload_config(&wanted, plan, SOON).await.unwrap();
    let shop = dry.changed.iter().find(|it| it.application == "shop").unwrap().clone();
    assert_eq!((&shop.changed[..], &shop.removed[..]), (&["own".to_owned()][..], &["gone".to_owned()][..]));
    assert_eq!(shop.told, Told::Would);
    assert!(dry.changed.iter().all(|it| it.application != "kernel"), "{dry:?}");
    assert_eq!(env(&probe, "own").await, "{ok,1}", "nothing was changed");
    let done = probe.reload_config(&wanted, ReloadPlan { dry_run: false, ..plan }, SOON).await.unwrap();
    assert!(done.changed.contains(&probe::Changed { told: Told::Ok, ..shop }), "{done:?}");
    for (key, value) in
        [("own", "{ok,2}"), ("gone", "undefined"), ("closed", "{ok,1}"), ("by_hand", "{ok,1}")]
    {
        assert_eq!(env(&probe, key).await, value, "{key}");
    }
    let again = probe.reload_config(&wanted, plan, SOON).await.unwrap();
    assert!(again.changed.is_empty(), "{again:?}");
}
