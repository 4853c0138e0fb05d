//! Ten thousand processes.

use beam::Term;

use crate::lab::{Lab, converted, hot};
use crate::plain::{COUNTER_1, COUNTER_2};

#[tokio::test]
async fn ten_thousand_processes_convert_their_state() {
    let lab = Lab::new("many", &[]).await;
    let one = lab.compile("1", &[("counter", COUNTER_1)]);
    let two = lab.compile("2", &[("counter", COUNTER_2)]);
    lab.load(&one).await;
    lab.eval(
        "persistent_term:put(them, [element(2, gen_server:start(counter, [], [])) || _ <- lists:seq(1, 10000)])",
    )
    .await;
    let mut up = lab.up("up", &one, &two).await;
    up.processes.push(converted("counter"));
    lab.installer.begin(&up, testkit::nodes::SOON).await.unwrap();
    let progress = lab.installer.wait("up", testkit::nodes::SOON).await.unwrap();
    let installed = hot(progress.outcome.unwrap());
    assert_eq!((installed.suspended, installed.converted), (10_000, 10_000));
    println!("10,000 processes stood still for {:?}; {:?}", installed.pause, progress.log);
    let told =
        lab.eval("lists:usort([gen_server:call(Each, add) || Each <- persistent_term:get(them)])").await;
    assert_eq!(told, Term::list([Term::tuple([Term::atom("v2"), Term::Integer(10)])]));
}
