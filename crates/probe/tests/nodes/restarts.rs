//! Applications that are stopped and started again.

use dist::{Node, Status};
use probe::{Probe, Restarted};
use testkit::nodes::{SOON, World, eval};
use testkit::wait_for;

use crate::shop::{self, ELIXIR};

/// Starts both, the first one so; at its next start it does not come up.
async fn start(node: &Node, kind: &str) {
    eval(node, &format!("ok = application:start(shop, {kind}), ok = application:start(sasl)")).await;
    eval(node, "application:set_env(shop, refuses, true)").await;
}

async fn running(node: &Node) -> String {
    let text =
        "[Name || {Name, _, _} <- application:which_applications(), Name =:= shop orelse Name =:= sasl]";
    format!("{:?}", eval(node, text).await.as_list().unwrap())
}

#[tokio::test]
async fn one_that_does_not_come_up_is_told_with_what_comes_of_it() {
    let world = World::new().await;
    let (_running, node) = world.connected("restarts", &ELIXIR).await;
    let probe = Probe::new(node.clone());
    let names = ["shop".to_owned(), "sasl".to_owned()];
    shop::load(&node, "").await;
    start(&node, "temporary").await;
    let failed = probe.restart(&names, SOON, SOON).await.unwrap();
    let Restarted::Failed { application, why, stopped, ends_node } = failed else { panic!("{failed:?}") };
    assert_eq!((&*application, &stopped[..], ends_node), ("shop", &names[..], false));
    assert!(why.contains("{badmatch,{ok,true}}"), "{why}");
    assert_eq!(running(&node).await, "[]", "the node runs on, and neither of them");

    eval(&node, "application:unset_env(shop, refuses)").await;
    start(&node, "permanent").await;
    let failed = probe.restart(&names, SOON, SOON).await.unwrap();
    assert!(matches!(failed, Restarted::Failed { ends_node: true, .. }), "{failed:?}");
    let is_down = async || (!matches!(&*node.status().borrow(), Status::Up(_))).then_some(());
    wait_for("the node has ended", SOON, is_down).await;
}
