//! What is told before anything is done.

use std::time::Duration;

use hot::{Affected, Cause, Finding, KnownChild};
use testkit::nodes::SOON;

use crate::lab::whole;
use crate::shop::Shop;

fn causes(findings: &[Finding]) -> Vec<(Cause, Option<&str>, Option<&str>)> {
    findings.iter().map(|each| (each.cause, each.module.as_deref(), each.pid.as_deref())).collect()
}

#[tokio::test]
async fn a_preflight_tells_all_and_changes_nothing() {
    let shop = Shop::new("preflight").await;
    let lab = &shop.lab;
    lab.eval("{ok, Alone} = till:start_link(alone), unlink(Alone)").await;
    let before = shop.all().await;
    let up = shop.up("up").await;
    let preflight = lab.installer.preflight(&up, SOON).await.unwrap();
    assert_eq!((&preflight.in_the_way[..], &preflight.care[..]), (&[][..], &[][..]));
    // a, b, d and one without a supervisor; and their supervisor
    let till = Affected { module: "till".to_owned(), processes: 4, unsupervised: 1 };
    assert_eq!(preflight.processes, [till]);
    assert_eq!((preflight.suspended, preflight.converted), (5, 4));
    assert!(preflight.converted_bytes > 0 && preflight.total_bytes > preflight.converted_bytes);
    let [supervised] = &preflight.supervisors[..] else { panic!("{preflight:?}") };
    assert_eq!(supervised.pid, lab.text("whereis(shop_sup)").await);
    let ids: Vec<_> = supervised.children.iter().map(|child| (&*child.id, child.is_running)).collect();
    assert_eq!((&*supervised.module, supervised.known), ("shop_sup", 4));
    assert_eq!(ids, [("d", true), ("done", false), ("b", true), ("a", true)]);
    assert!(preflight.not_loaded.is_empty());
    assert!(preflight.estimated_pause() > Duration::ZERO);

    // what is in the way, and what is a matter of care
    let others = "Waits = spawn(fun() -> register(waits, self()), lists:foreach(fun price:wait/1, [1]) end),
        (fun Wait() -> case whereis(waits) of undefined -> Wait(); _ -> ok end end)(),
        persistent_term:put(shelf, {x, price:stored()}), ok = sys:suspend(b), Waits";
    let waits = dist::shown(&lab.eval(others).await);
    let preflight = lab.installer.preflight(&up, SOON).await.unwrap();
    assert_eq!(
        causes(&preflight.care),
        [(Cause::Waits, Some("price"), Some(&*waits)), (Cause::StoredFunction, Some("price"), None)]
    );
    assert!(preflight.in_the_way.is_empty(), "one that is suspended answers");
    lab.eval("sys:resume(b), persistent_term:erase(shelf)").await;
    assert_eq!(shop.all().await, before);
    whole(lab.install(&up).await);
    let preflight = lab.installer.preflight(&shop.down("down").await, SOON).await.unwrap();
    assert_eq!(causes(&preflight.in_the_way), [(Cause::OldCode, Some("price"), Some(&*waits))]);
    let child = KnownChild { id: "c".to_owned(), is_running: true };
    assert!(preflight.supervisors[0].children.contains(&child), "{preflight:?}");
}

#[tokio::test]
async fn a_process_that_does_not_answer_is_told() {
    let shop = Shop::new("silent").await;
    let b = shop.lab.text("whereis(b)").await;
    // for as long as the process that has it suspended lives
    let suspend =
        "Me = self(), spawn(fun() -> Me ! erlang:suspend_process(whereis(b)), receive stop -> ok end end),
        receive true -> ok end";
    shop.lab.eval(suspend).await;
    let mut up = shop.up("up").await;
    up.bounds.patience = Duration::from_secs(1);
    let preflight = shop.lab.installer.preflight(&up, SOON).await.unwrap();
    assert_eq!(causes(&preflight.in_the_way), [(Cause::Unresponsive, Some("till"), Some(&*b))]);
}

#[tokio::test]
async fn a_process_that_sleeps_and_is_no_server_is_not_asked() {
    let shop = Shop::new("sleeps").await;
    // as the runtime's own purger does between two purges
    let sleeps = "Sleeps = spawn(erlang, hibernate, [persistent_term, put, [woken, yes]]),
        (fun Wait() -> case process_info(Sleeps, current_function) of {_, {erlang, hibernate, _}} -> ok; _ -> Wait() end end)()";
    shop.lab.eval(sleeps).await;
    shop.lab.installer.preflight(&shop.up("up").await, SOON).await.unwrap();
    assert_eq!(shop.lab.text("persistent_term:get(woken, no)").await, "no");
}
