//! Following the store.

use std::sync::Arc;
use std::time::Duration;

use model::app::Command;
use model::settings::HostConfig;
use serde_json::json;

use super::package::{digest, release, release_with};
use super::world::{World, name, operator};
use crate::store_poll::StorePoll;
use crate::store_poll::follower::Follower;

/// The store of a world, and its settings.
struct Store<'a> {
    world: &'a World,
}

impl Store<'_> {
    fn put(&self, app: &str, version: &str, bytes: &[u8]) {
        let folder = self.world.control.paths.store().join("dist").join(app);
        write(&folder.join(format!("{app}-{version}.tar.gz")), bytes);
    }

    fn name(&self, app: &str, version: &str, hash: Option<&str>) {
        let folder = self.world.control.paths.store().join("versions").join(app).join("production");
        let current = json!({ "version": version, "hash": hash, "pre_commands": [] });
        write(&folder.join("current.json"), current.to_string().as_bytes());
    }

    fn settings(&self, app: &str, text: &str) -> Arc<HostConfig> {
        write(&self.world.control.paths.app_settings().join(format!("{app}.toml")), text.as_bytes());
        self.config()
    }

    fn config(&self) -> Arc<HostConfig> {
        Arc::new(self.world.control.settings_files.load().unwrap())
    }

    fn follower(&self, app: &str) -> Follower {
        Follower::new(self.world.control.clone(), name(app))
    }

    fn knows(&self, app: &str, version: &str) -> bool {
        let app = self.world.control.app(&name(app));
        app.is_ok_and(|app| app.version_called(&version.parse().unwrap()).is_some())
    }
}

fn write(path: &std::path::Path, bytes: &[u8]) {
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    fs_err::write(path, bytes).unwrap();
}

#[tokio::test]
async fn what_was_refused_is_copied_again_only_when_it_is_another_package() {
    let world = World::new().await;
    let store = Store { world: &world };
    store.put("beacon", "1.0.0", b"half of a pack");
    store.name("beacon", "1.0.0", None);
    let mut follower = store.follower("beacon");
    for _ in 0..3 {
        assert_eq!(follower.poll(store.config()).await, 1);
    }
    assert!(!store.knows("beacon", "1.0.0"));
    store.put("beacon", "1.0.0", &release("beacon", "1.0.0", ""));
    assert_eq!(follower.poll(store.config()).await, 2);
    assert!(store.knows("beacon", "1.0.0"));
}

#[tokio::test]
async fn corrected_settings_are_seen_while_the_store_says_the_same() {
    let world = World::new().await;
    let store = Store { world: &world };
    let wrong = store.settings("beacon", "max = 4");
    store.put("beacon", "1.0.0", &release_with("beacon", "1.0.0", "replicas = 5"));
    store.name("beacon", "1.0.0", None);
    let mut follower = store.follower("beacon");
    for _ in 0..3 {
        assert_eq!(follower.poll(wrong.clone()).await, 1);
    }
    assert!(!store.knows("beacon", "1.0.0"));
    follower.poll(store.settings("beacon", "max = 5")).await;
    assert!(store.knows("beacon", "1.0.0"));
}

#[tokio::test]
async fn ports_that_become_free_are_seen() {
    let world = World::new().await.with_app("buoy", &["1.0.0"]).await;
    let store = Store { world: &world };
    store.put("beacon", "1.0.0", &release("beacon", "1.0.0", ""));
    store.name("beacon", "1.0.0", None);
    let mut follower = store.follower("beacon");
    for _ in 0..3 {
        assert_eq!(follower.poll(store.config()).await, 1, "buoy has the default ports");
    }
    follower.poll(store.settings("beacon", "port = 20000")).await;
    assert!(store.knows("beacon", "1.0.0"));
}

#[tokio::test]
async fn a_version_whose_name_is_taken_is_not_even_copied() {
    let world = World::new().await.with_app("beacon", &["1.0.0", "1.1.0"]).await;
    world.control.ask(&name("beacon"), operator(), |_| Command::Follow).await.unwrap();
    let store = Store { world: &world };
    let package = release("beacon", "1.0.0", "");
    store.put("beacon", "1.0.0", &package);
    store.name("beacon", "1.0.0", Some(&digest(&package)));
    let mut follower = store.follower("beacon");
    assert_eq!(follower.poll(store.config()).await, 0);
    store.name("beacon", "1.0.0", None);
    for _ in 0..3 {
        assert_eq!(follower.poll(store.config()).await, 1, "without a digest it has to be looked at, once");
    }
}

#[tokio::test]
async fn a_follower_that_is_busy_delays_nobody_else() {
    let world = World::new().await;
    let store = Store { world: &world };
    for (app, port) in [("beacon", 20000), ("settings", 21000)] {
        store.settings(app, &format!("port = {port}"));
        store.put(app, "1.0.0", &release(app, "1.0.0", ""));
        store.name(app, "1.0.0", None);
    }
    let mut poll = StorePoll::new(world.control.clone());
    let busy = poll.follower(name("beacon")).lock_owned().await;
    poll.poll(&world.stop);
    until_known(&store, "settings").await;
    assert!(!store.knows("beacon", "1.0.0"));
    drop(busy);
    poll.poll(&world.stop);
    until_known(&store, "beacon").await;
}

async fn until_known(store: &Store<'_>, app: &str) {
    let waiting = async {
        while !store.knows(app, "1.0.0") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(20), waiting).await;
    waited.unwrap_or_else(|_| panic!("{app} is never taken"));
}
