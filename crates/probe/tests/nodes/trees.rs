//! Supervision trees.

use std::time::Duration;

use beam::Term;
use probe::{Below, Child, ChildState, Probe, ProbeError, TreePlan};
use testkit::nodes::{SOON, World, eval};

use crate::shop::{self, ELIXIR};

fn shop_plan() -> TreePlan {
    TreePlan { application: Some("shop".to_owned()), looking: SOON, patience: SOON, ..TreePlan::default() }
}

/// Ids with what is below each, in the order in which they were started.
fn shown(below: &Below) -> String {
    match below {
        Below::Nothing => String::new(),
        Below::Children { children, more } => {
            let each = |child: &Child| format!("{}{}", child.id, shown(&child.below));
            let mut each: Vec<String> = children.iter().rev().map(each).collect();
            if *more > 0 {
                each.push(format!("+{more}"));
            }
            format!("[{}]", each.join(" "))
        }
        other => format!(" {other:?}"),
    }
}

async fn shown_with(probe: &Probe, plan: &TreePlan) -> String {
    let trees = probe.tree(plan, SOON).await.unwrap();
    assert_eq!(trees.len(), 1, "{trees:?}");
    shown(&trees[0].below)
}

#[tokio::test]
async fn trees_are_told_within_their_limits() {
    let world = World::new().await;
    let (_running, node) = world.connected("tree", &ELIXIR).await;
    let probe = Probe::new(node.clone());
    shop::load(&node, "").await;
    shop::start(&node, 3).await;
    let whole = shown_with(&probe, &shop_plan()).await;
    let below = "hung_sup[worker] many_sup[undefined undefined undefined] dynamic_sup[undefined]";
    assert_eq!(whole, format!("[worker {{odd,id}} {below}]"));
    let flat = shown_with(&probe, &TreePlan { deep: 1, ..shop_plan() }).await;
    assert_eq!(flat, "[worker {odd,id} hung_sup Deeper many_sup Deeper dynamic_sup Deeper]");
    // children are told the newest first
    let narrow = shown_with(&probe, &TreePlan { wide: 2, ..shop_plan() }).await;
    assert_eq!(narrow, "[many_sup[undefined undefined +1] dynamic_sup[undefined] +3]");
    let few = shown_with(&probe, &TreePlan { most: 6, ..shop_plan() }).await;
    assert_eq!(few, "[worker {odd,id} hung_sup[+1] many_sup[+3] dynamic_sup[undefined]]");
    eval(&node, "[supervisor:start_child(many_sup, []) || _ <- lists:seq(1, 20)]").await;
    let many = shown_with(&probe, &TreePlan { wide: 2, ..shop_plan() }).await;
    assert_eq!(many, "[many_sup Many(23) dynamic_sup[undefined] +3]");
    let trees = probe.tree(&TreePlan { application: None, ..shop_plan() }, SOON).await.unwrap();
    let names: Vec<_> = trees.iter().map(|tree| (&*tree.application, tree.name.as_deref())).collect();
    let expected = [("elixir", Some("elixir_sup")), ("kernel", Some("kernel_sup"))];
    assert!(names.starts_with(&[("compiler", None)]) || names.starts_with(&expected), "{names:?}");
    assert!(names.contains(&("shop", Some("shop_sup"))) && names.contains(&("stdlib", None)), "{names:?}");
    let unknown = TreePlan { application: Some("no_such_application".to_owned()), ..shop_plan() };
    let unknown = probe.tree(&unknown, SOON).await.unwrap_err();
    assert!(matches!(unknown, ProbeError::NoApplication(_)), "{unknown:?}");
    let no_atom = "try binary_to_existing_atom(<<\"no_such_application\">>) catch error:badarg -> none end";
    assert_eq!(eval(&node, no_atom).await, Term::atom("none"), "asking makes no atom");
}

#[tokio::test]
async fn a_supervisor_that_hangs_is_shown_as_such() {
    let world = World::new().await;
    let (_running, node) = world.connected("hung", &ELIXIR).await;
    let probe = Probe::new(node.clone());
    shop::load(&node, "").await;
    shop::start(&node, 1).await;
    eval(&node, "sys:suspend(hung_sup)").await;
    let plan = TreePlan { patience: Duration::from_millis(200), ..shop_plan() };
    // a busy machine may make others late too, but not always
    testkit::wait_for("only one hangs", SOON, async || {
        let tree = shown_with(&probe, &plan).await;
        assert!(tree.contains("hung_sup Late"), "{tree}");
        (tree == "[worker {odd,id} hung_sup Late many_sup[undefined] dynamic_sup[undefined]]").then_some(())
    })
    .await;
    eval(&node, "sys:resume(hung_sup)").await;
    assert!(shown_with(&probe, &shop_plan()).await.contains("hung_sup[worker]"));
    eval(&node, "supervisor:terminate_child(shop_sup, worker)").await;
    let trees = probe.tree(&shop_plan(), SOON).await.unwrap();
    let Below::Children { children, .. } = &trees[0].below else { panic!("{trees:?}") };
    let states: Vec<_> = children.iter().map(|child| (child.state, child.pid.is_some())).collect();
    assert_eq!(states.last(), Some(&(ChildState::Stopped, false)), "{states:?}");
    assert!(states[..4].iter().all(|state| *state == (ChildState::Running, true)), "{states:?}");
}

#[tokio::test]
async fn who_is_no_supervisor_is_not_asked() {
    let world = World::new().await;
    let (_running, node) = world.connected("plain", &[]).await;
    let probe = Probe::new(node.clone());
    shop::load(&node, "").await;
    eval(&node, "application:unload(shop), application:load({application, shop, [{vsn, \"1\"}, {mod, {shop, plain}}]}),
        application:start(shop)").await;
    let trees = probe.tree(&shop_plan(), SOON).await.unwrap();
    assert_eq!(trees[0].below, Below::Nothing);
    let pid = trees[0].pid.clone().unwrap();
    let waiting = eval(&node, &format!("process_info(list_to_pid(\"{pid}\"), message_queue_len)")).await;
    assert_eq!(waiting, Term::tuple([Term::atom("message_queue_len"), Term::Integer(0)]));
}
