//! Random walks: whatever the order of things, the invariants hold and everything comes to an end.

use proptest::prelude::*;

use crate::walk::{Act, Choice, Walk, Weather};

fn choices(most: usize) -> impl Strategy<Value = Vec<Choice>> {
    let act = prop_oneof![
        12 => Just(Act::End),
        6 => Just(Act::Shim),
        6 => Just(Act::Check),
        3 => Just(Act::Command),
        2 => Just(Act::Time),
        1 => Just(Act::NewDaemon),
        1 => Just(Act::Rest),
    ];
    let choice = (act, 0..60usize, any::<u8>()).prop_map(|(act, pick, how)| Choice { act, pick, how });
    prop::collection::vec(choice, 0..most)
}

fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, max_shrink_iters: 4_000, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    /// Everything may fail, die, be unknown, come twice or late; daemons come and go.
    #[test]
    fn storm(choices in choices(120)) {
        let mut walk = Walk::new(Weather::Storm);
        choices.into_iter().for_each(|choice| walk.step(choice));
        walk.come_to_rest();
    }

    /// While what is ready stays well, deployments of good and bad versions, their ends and their giving way to
    /// each other leave three instances ready at every moment.
    #[test]
    fn nobody_notices(choices in choices(120)) {
        let mut walk = Walk::new(Weather::Calm);
        choices.into_iter().for_each(|choice| walk.step(choice));
        walk.come_to_rest();
    }
}
