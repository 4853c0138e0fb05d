//! Children of supervisors.

use super::{TILL_1, TILL_A, release};
use crate::lab::Beside;

/// 2d and 5.5
#[tokio::test]
async fn new_children_are_not_started_and_removed_ones_run_on() {
    let child = |id: &str| format!("#{{id => {id}, start => {{till, start_link, [{id}]}}}}");
    let (first, second) = (format!("{TILL_A}, {}", child("b")), format!("{TILL_A}, {}", child("c")));
    let releases = [("1", first), ("2", second)].map(|(vsn, kids)| release(vsn, &[("till", TILL_1)], &kids));
    let beside = Beside::new(&releases).await;
    // one that has ended and is not to be started by an upgrade, one that a program has added, and one that is restarted
    let more = "{ok, _} = supervisor:start_child(shop_sup, #{id => d, start => {till, start_link, [d]}}),
        {ok, _} = supervisor:start_child(shop_sup, #{id => done, restart => temporary, start => {till, start_link, [done]}}),
        ok";
    beside.both(more).await;
    let children =
        "{lists:sort([{Id, is_pid(Pid)} || {Id, Pid, _, _} <- supervisor:which_children(shop_sup)]),
        [is_pid(whereis(Id)) || Id <- [a, b, c, d]]}";

    beside.offer_equal(1).await;
    beside.handler.installs("2").await;
    let told = "{[{a,true},{b,true},{c,false},{d,true},{done,true}],[true,true,false,true]}";
    assert_eq!(beside.naive.text(children).await, told);

    let before = beside.ours.text("[whereis(Id) || Id <- [shop_sup, a, d, done]]").await;
    beside.ours.becomes_hot(&beside.way(1)).await;
    let told = "{[{a,true},{c,true},{d,true},{done,true}],[true,false,true,true]}";
    assert_eq!(beside.ours.text(children).await, told);
    assert_eq!(beside.ours.text("[whereis(Id) || Id <- [shop_sup, a, d, done]]").await, before);
}
