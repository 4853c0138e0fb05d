//! What is configured.

use super::{TILL_1, TILL_A, release};
use crate::lab::Beside;

/// 5.6
#[tokio::test]
async fn an_upgrade_of_one_application_loses_what_configures_it() {
    let fixed = TILL_1.replace("N + 1, {till", "N + 2, {till");
    let config = "[{shop, [{colour, red}]}]";
    let releases = [("1", TILL_1), ("2", &*fixed)].map(|(vsn, till)| {
        let mut release = release(vsn, &[("till", till)], TILL_A).config(config);
        release.applications[0].env = format!("[{{size, {vsn}}}]");
        release
    });
    let beside = Beside::new(&releases).await;
    let env = "{lists:sort(application:get_all_env(shop)), gen_server:call(a, add)}";
    assert_eq!(beside.both(env).await, "{[{colour,red},{size,1}],2}");

    let folder = beside.releases[1].root.join("lib/shop-2");
    let appup = r#"{"2", [{"1", [{load_module, till}]}], []}."#;
    fs_err::write(folder.join("ebin/shop.appup"), appup).unwrap();
    let upgrade = format!("element(1, release_handler:upgrade_app(shop, {:?}))", folder.to_str().unwrap());
    assert_eq!(beside.naive.text(&upgrade).await, "ok");
    assert_eq!(beside.naive.text(env).await, "{[{size,2}],4}");

    beside.ours.becomes_hot(&beside.way(1)).await;
    assert_eq!(beside.ours.text(env).await, "{[{colour,red},{size,2}],4}");
}
