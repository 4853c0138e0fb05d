//! Processes that are not found, that do not stand still, and that do not convert what they keep.

use std::time::Duration;

use hot::{Cause, Outcome};

use super::{TILL_1, TILL_2, TILL_A, called, release};
use crate::lab::Beside;

/// 5.4
#[tokio::test]
async fn a_process_without_a_supervisor_keeps_its_old_state() {
    let releases = [("1", TILL_1), ("2", TILL_2)].map(|(vsn, till)| release(vsn, &[("till", till)], TILL_A));
    let beside = Beside::new(&releases).await;
    beside.both("{ok, _} = gen_server:start({local, alone}, till, [], []), ok").await;
    let calls = format!("[{}, {}]", called("a"), called("alone"));

    beside.offer_equal(1).await;
    beside.handler.installs("2").await;
    assert_eq!(beside.naive.text(&calls).await, "[{2,euro},{crashed,function_clause}]");

    assert_eq!(beside.ours.becomes_hot(&beside.way(1)).await.converted, 2);
    assert_eq!(beside.ours.text(&calls).await, "[{2,euro},{2,euro}]");
}

/// 5.3
#[tokio::test]
async fn a_busy_process_is_passed_over_and_crashes_later() {
    let releases = [("1", TILL_1), ("2", TILL_2)].map(|(vsn, till)| release(vsn, &[("till", till)], TILL_A));
    let beside = Beside::new(&releases).await;
    let before = beside.both("gen_server:cast(a, busy), is_process_alive(whereis(a))").await;
    assert_eq!(before, "true");

    beside.offer_equal(1).await;
    let (said, _) = beside.handler.install("2", "[{suspend_timeout, 300}, {code_change_timeout, 300}]").await;
    assert!(dist::shown(&said).starts_with("{ok,"), "{}", dist::shown(&said));
    assert_eq!(beside.naive.text(&format!("a ! go, {}", called("a"))).await, "{crashed,function_clause}");

    let mut way = beside.way(1);
    way.instructions.bounds.patience = Duration::from_millis(300);
    assert_eq!(beside.ours.looked(&way).await[0], "BR-H062");
    let Outcome::Refused(why) = beside.ours.install(&way.instructions).await else { panic!("it is busy") };
    assert_eq!((why[0].cause, why[0].module.as_deref()), (Cause::Unresponsive, Some("till")));
    assert_eq!(beside.ours.text(&format!("a ! go, {}", called("a"))).await, "2");
    // and when it is no longer busy
    way.instructions.id = "again".to_owned();
    beside.ours.becomes_hot(&way).await;
    assert_eq!(beside.ours.text(&called("a")).await, "{3,euro}");
}

/// As `use GenServer` and the appup generators have it: there is a `code_change/3`, so it is called.
const SUSPENDED: &str = "[{load_object_code, {shop, \"2\", [till]}}, point_of_no_return, {suspend, [till]},
    {load, {till, brutal_purge, brutal_purge}}, {code_change, up, [{till, []}]}, {resume, [till]}]";

/// 2e
#[tokio::test]
async fn a_code_change_that_does_nothing_leaves_the_old_shape() {
    let default =
        TILL_2.split("code_change(").next().unwrap().to_owned() + "code_change(_, S, _) -> {ok, S}.";
    let releases =
        [("1", TILL_1), ("2", &*default)].map(|(vsn, till)| release(vsn, &[("till", till)], TILL_A));
    let beside = Beside::new(&releases).await;

    beside.offer(1, SUSPENDED).await;
    beside.handler.installs("2").await;
    assert_eq!(beside.naive.text(&called("a")).await, "{crashed,function_clause}");

    let way = beside.way(1);
    assert_eq!(way.blocks(), ["BR-H020"]);
    assert_eq!(beside.ours.text(&called("a")).await, "2", "nobody has touched it");
}
