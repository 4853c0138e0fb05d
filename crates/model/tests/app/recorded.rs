//! States as an older bellrockd wrote them: a newer one reads them and goes on.

use std::collections::BTreeMap;

use model::app::{App, Event};

use crate::world::World;

/// Written by bellrockd when the schema was 1, of the states of the same names in `states`.
const SCHEMA_1: &str = include_str!("recorded/schema-1.json");

#[test]
fn states_of_schema_1_go_on() {
    let recorded: BTreeMap<String, App> = serde_json::from_str(SCHEMA_1).expect("they are read");
    assert_eq!(recorded.len(), 5);
    for (name, app) in recorded {
        assert_eq!(app.routing, model::app::Routing::default(), "{name}: nothing was asked of a proxy");
        let mut world = World::new();
        world.resume(app);
        let alive = world.app.instances.values().filter(|it| it.is_launched()).map(|it| it.id).collect();
        world.event(Event::Adopted { alive, unknown: vec![] }).expect("adoption is taken");
        world.pass(3600);
        assert!(world.app.deployment.is_none(), "{name}: its deployment ends\n{}", world.story());
        assert!(world.app.outbox.is_empty(), "{name}: its effects end");
        let ready = world.ready();
        assert_eq!(world.offered(), ready, "{name}: what is ready gets traffic through the proxy");
        assert!(ready >= 1, "{name}: it serves\n{}", world.story());
    }
}
