//! Everything at once: there and back, and what is left when it fails at each of its steps.

use std::time::Duration;

use beam::Term;
use beam::term::Atom;
use hot::{HotError, Outcome, Progress, Step, Undo};
use testkit::nodes::{SOON, eval};
use testkit::wait_for;

use crate::lab::{hot, whole};
use crate::shop::Shop;

#[tokio::test]
async fn everything_changes_and_back() {
    let shop = Shop::new("everything").await;
    let pids = "[whereis(Each) || Each <- [shop_sup, a, d]]";
    let before = shop.lab.eval(pids).await;
    hot(shop.lab.install(&shop.up("up").await).await);
    shop.assert_is_two().await;
    hot(shop.lab.install(&shop.down("down").await).await);
    let text = "{lists:sort([Id || {Id, Pid, _, _} <- supervisor:which_children(shop_sup), is_pid(Pid)]), gen_server:call(a, add),
        gen_server:call(b, add), price:it(), old:it(), [erlang:module_loaded(M) || M <- [added, extra]],
        lists:sort(application:get_all_env(shop)), application:get_key(extra, vsn), application:get_key(shop, vsn),
        os:getenv(\"RELEASE_VSN\"), persistent_term:get(told), element(6, sys:get_state(shop_sup))}";
    assert_eq!(
        shop.lab.text(text).await,
        "{[a,b,d],3,2,1,gone,[false,false],[{colour,red},{gone,1},{own,kept},{size,1}],undefined,{ok,\"1\"},\"1\",\
         {[{colour,red}],[{gone,1}],[taste]},1}"
    );
    assert_eq!(shop.lab.eval(pids).await, before, "nobody was restarted");
    hot(shop.lab.install(&shop.up("again").await).await);
}

/// Until the install holds.
async fn held(shop: &Shop, id: &str, step: Step) {
    let is_there = async || {
        let progress = shop.lab.installer.progress(SOON).await.unwrap().unwrap();
        assert_eq!((&*progress.id, progress.outcome), (id, None));
        (progress.step == Some(step)).then_some(())
    };
    wait_for("it holds", SOON, is_there).await;
}

/// The process that does the steps: it is spawned by the one with the name.
const EVALUATOR: &str =
    "{monitors, [{process, Evaluator}]} = process_info(whereis(bellrock_upgrade), monitors)";

#[tokio::test]
async fn whoever_is_killed_at_whichever_step_the_node_is_whole() {
    let shop = Shop::new("killed").await;
    let before = shop.all().await;
    for step in Step::ALL.into_iter().filter(|step| *step <= Step::Resume) {
        let id = format!("killed at {step}");
        let mut up = shop.up(&id).await;
        up.hold = Some(step);
        shop.lab.installer.begin(&up, SOON).await.unwrap();
        held(&shop, &id, step).await;
        shop.lab.eval(&format!("{EVALUATOR}, exit(Evaluator, kill)")).await;
        let outcome = shop.lab.installer.wait(&id, SOON).await.unwrap().outcome.unwrap();
        let Outcome::Undone(failure) = outcome else { panic!("{step}: {outcome:?}") };
        assert_eq!((failure.step, &*failure.why), (step, "{evaluator_died,killed}"));
        shop.lab.installer.acknowledge(&id, SOON).await.unwrap();
        assert_eq!(shop.all().await, before, "{step}");
    }
    // from now on there is no way back, but everybody goes on
    let mut up = shop.up("killed when all go on").await;
    up.hold = Some(Step::AddApplications);
    shop.lab.installer.begin(&up, SOON).await.unwrap();
    held(&shop, &up.id, Step::AddApplications).await;
    shop.lab.eval(&format!("{EVALUATOR}, exit(Evaluator, kill)")).await;
    let outcome = shop.lab.installer.wait(&up.id, SOON).await.unwrap().outcome.unwrap();
    let Outcome::Installed(installed) = outcome else { panic!("{outcome:?}") };
    assert_eq!(installed.failure.unwrap().step, Step::AddApplications);
    assert!(matches!(installed.undo, Undo::Full(_)));
    assert_eq!(shop.lab.text("{gen_server:call(a, add), price:it()}").await, "{{2,euro},2}");
}

#[tokio::test]
async fn when_the_keeper_is_killed_the_evaluator_goes_on_and_takes_its_place() {
    let shop = Shop::new("unkept").await;
    for step in [Step::Ready, Step::Suspend, Step::Load, Step::Resume, Step::Test] {
        let id = format!("unkept at {step}");
        let mut up = shop.up(&id).await;
        up.hold = Some(step);
        shop.lab.installer.begin(&up, SOON).await.unwrap();
        held(&shop, &id, step).await;
        shop.lab.eval("exit(whereis(bellrock_upgrade), kill)").await;
        // nobody else can begin meanwhile
        if step <= Step::Resume {
            wait_for("it takes over", SOON, async || {
                let free = shop.lab.eval("whereis(bellrock_upgrade) =:= undefined").await;
                (free == Term::atom("false")).then_some(())
            })
            .await;
        }
        let over = async || {
            let progress: Option<Progress> = shop.lab.installer.progress(SOON).await.unwrap();
            progress.and_then(|progress| progress.outcome)
        };
        hot(wait_for("it ends", SOON, over).await);
        shop.lab.installer.acknowledge(&id, SOON).await.unwrap();
        if step == Step::Ready {
            shop.assert_is_two().await;
        }
        hot(shop.lab.install(&shop.down(&format!("{id} and back")).await).await);
    }
}

#[tokio::test]
async fn when_its_deadline_is_over_all_is_undone() {
    let shop = Shop::new("late").await;
    let before = shop.all().await;
    for step in [Step::Find, Step::Environment, Step::Convert, Step::Resume] {
        let id = format!("late at {step}");
        let mut up = shop.up(&id).await;
        up.hold = Some(step);
        up.bounds.deadline = Duration::from_secs(3);
        shop.lab.installer.begin(&up, SOON).await.unwrap();
        let outcome = shop.lab.installer.wait(&id, SOON).await.unwrap().outcome.unwrap();
        let Outcome::Undone(failure) = outcome else { panic!("{step}: {outcome:?}") };
        assert_eq!(failure.why, "its deadline was over");
        shop.lab.installer.acknowledge(&id, SOON).await.unwrap();
        assert_eq!(shop.all().await, before, "{step}");
    }
}

#[tokio::test]
async fn a_conversion_that_raises_or_hangs_is_undone() {
    let shop = Shop::new("raises").await;
    for trap in ["raise", "hang"] {
        shop.lab.eval(&format!("application:set_env(shop, trap, {trap})")).await;
        let before = shop.all().await;
        let mut up = shop.up(trap).await;
        up.bounds.convert = Duration::from_secs(2);
        let outcome = shop.lab.install(&up).await;
        if trap == "raise" {
            let Outcome::Undone(failure) = outcome else { panic!("{outcome:?}") };
            assert_eq!(failure.step, Step::Convert);
            assert!(failure.why.contains("till,{'EXIT',{no,"), "{}", failure.why);
            assert_eq!(shop.all().await, before);
        } else {
            // the process is still at it, in code that cannot go
            assert!(matches!(outcome, Outcome::NeedsFull { .. }), "{outcome:?}");
        }
    }
}

#[tokio::test]
async fn a_lost_connection_makes_no_difference() {
    let shop = Shop::new("cut").await;
    for step in Step::ALL {
        let id = format!("cut at {step}");
        let mut up = shop.up(&id).await;
        up.hold = Some(step);
        let (node, installer) = shop.lab.other().await;
        installer.begin(&up, SOON).await.unwrap();
        held(&shop, &id, step).await;
        let name = testkit::nodes::up(&node).await.own_name.clone();
        drop((node, installer));
        wait_for("it is gone", SOON, async || {
            let nodes = eval(&shop.lab.node, &format!("lists:member('{name}', nodes(connected))")).await;
            (nodes == Term::atom("false")).then_some(())
        })
        .await;
        // who comes is told how far it is, and that it need not begin again
        shop.lab.installer.begin(&up, SOON).await.unwrap();
        let mut other = up.clone();
        other.id = "another".to_owned();
        let busy = shop.lab.installer.begin(&other, SOON).await.unwrap_err();
        assert!(matches!(busy, HotError::Busy { id: ref by, is_over: false } if *by == id), "{busy:?}");
        assert!(matches!(shop.lab.installer.acknowledge(&id, SOON).await, Err(HotError::NotOver(_))));
        shop.lab.installer.proceed(&id, SOON).await.unwrap();
        let progress = shop.lab.installer.wait(&id, SOON).await.unwrap();
        assert_eq!(progress.log.iter().map(|(step, _)| *step).collect::<Vec<_>>(), Step::ALL);
        hot(progress.outcome.unwrap());
        let busy = shop.lab.installer.begin(&other, SOON).await.unwrap_err();
        assert!(matches!(busy, HotError::Busy { id: ref by, is_over: true } if *by == id), "{busy:?}");
        // back, in its place
        let mut down = shop.down(&format!("{id} and back")).await;
        down.after = Some(id);
        hot(shop.lab.install(&down).await);
    }
}

#[tokio::test]
async fn what_fails_when_all_go_on_is_told() {
    let shop = Shop::new("failing").await;
    let mut up = shop.up("up").await;
    up.calls.push(hot::Apply {
        module: Atom::new("price"),
        function: Atom::new("none"),
        arguments: Vec::new(),
    });
    let Outcome::Installed(installed) = shop.lab.install(&up).await else { panic!("it is installed") };
    let failure = installed.failure.unwrap();
    assert_eq!(failure.step, Step::Calls);
    assert!(failure.why.contains("undef"), "{}", failure.why);
    assert_eq!(shop.lab.text("{price:it(), os:getenv(\"RELEASE_VSN\"), old:it()}").await, "{2,\"2\",gone}");
    let mut down = shop.down("down").await;
    // it was not reached
    down.modules.retain(|module| &*module.name != "old");
    whole(shop.lab.install(&down).await);
}
