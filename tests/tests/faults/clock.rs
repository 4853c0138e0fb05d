//! The wall's clock is set, forwards and backwards by hours, while a version is deployed, watched and drained: by a
//! library that stands before the C library's (`wall.c`), since the machine's own clock is everybody's.

use std::path::PathBuf;
use std::process::Command;

use api::deployment::Phase;
use testkit::app::log;
use testkit::load::{Load, Plan};
use testkit::{HostPlan, TempHost};

use super::{back, kill, left_over, over, pid, sees};

/// A clock that a daemon sees.
struct Wall {
    folder: tempfile::TempDir,
}

impl Wall {
    /// Right as yet; `None` where there is no C compiler.
    fn new() -> Option<Self> {
        let wall = Wall { folder: tempfile::TempDir::with_prefix_in("br-wall-", "/tmp").unwrap() };
        let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/faults/wall.c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o"]).arg(wall.library()).arg(source);
        if !compiler.status().ok()?.success() {
            return None;
        }
        // Apps run as another user, and must get through.
        let passable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs_err::set_permissions(wall.folder.path(), passable).unwrap();
        fs_err::write(wall.file(), 0_i64.to_ne_bytes()).unwrap();
        Some(wall)
    }

    fn library(&self) -> PathBuf {
        self.folder.path().join("wall.so")
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("set-by")
    }

    /// From now on it shows so many hours more than the right time.
    fn set_by(&self, hours: i64) {
        use std::os::unix::fs::FileExt;
        let file = fs_err::OpenOptions::new().write(true).open(self.file()).unwrap();
        // In place: it is mapped.
        file.file().write_all_at(&(hours * 3600).to_ne_bytes(), 0).unwrap();
    }

    /// Put before a daemon.
    fn wrapper(&self) -> Vec<String> {
        let (library, file) = (self.library(), self.file());
        [
            "/usr/bin/env".to_owned(),
            format!("LD_PRELOAD={}", library.display()),
            format!("WALL_SET_BY={}", file.display()),
        ]
        .into()
    }
}

fn load(host: &TempHost) -> Load {
    let plan = Plan::new(host.http(), 30, std::time::Duration::from_secs(600));
    let plan = Plan { kept_connections: 1_000, most_under_way: 2_000, ..plan };
    Load::start(Plan { app: Some("beacon".to_owned()), sse_clients: 1, web_sockets: 1, ..plan }).unwrap()
}

#[tokio::test]
async fn a_clock_that_is_set_by_hours_moves_no_deadline_and_loses_nothing() {
    let Some(wall) = Wall::new() else {
        println!("not tested: there is no C compiler (cc)");
        return;
    };
    let host = HostPlan { wrapper: wall.wrapper(), ..HostPlan::default() }.start().await;
    let settings = "strategy = 'parallel'\nwatch_window = '3 s'\n[variables]\nWARMUP_MS = '2500'";
    let app = host.app("beacon", settings);
    app.deploy("beacon-base", Phase::Committed).await;
    let load = load(&host);
    // Forwards while the new ones are not ready yet: nobody takes them for too late, and what drains keeps its time.
    let id = app.try_deploy("beacon-module-changed").await.unwrap().deployment.unwrap();
    assert_eq!(sees(&app, id, Phase::Replacing).await, Phase::Replacing);
    wall.set_by(5);
    assert_eq!(sees(&app, id, Phase::Watching).await, Phase::Watching);
    // Backwards in the watch window, which lasts as long as it should.
    wall.set_by(-5);
    let ended = over(&app, id).await;
    assert_eq!(ended.deployment.phase, Phase::Committed, "{}", log(&ended));
    let watched = ended.deployment.ended_at.unwrap().duration_since(ended.deployment.serving_at.unwrap());
    assert!((3..60).contains(&watched.as_secs()), "{watched}");
    let doctor = host.bellrock(&["doctor"]).await.stdout;
    assert!(doctor.contains("the newest event was journalled at"), "{doctor}");
    // A daemon that is started with a clock that was set back does not wait for the hours that it has lost.
    let id = app.try_deploy("beacon-module-added").await.unwrap().deployment.unwrap();
    assert_eq!(sees(&app, id, Phase::Watching).await, Phase::Watching);
    wall.set_by(-20);
    host.restart_daemon().await;
    let ended = over(&app, id).await;
    assert_eq!(ended.deployment.phase, Phase::Committed, "{}", log(&ended));
    load.end().await.assert_nothing_lost();
    // One that is started with a clock that was set forwards takes nobody for too late.
    let before = app.instance(1).await;
    kill(&host, pid(&before));
    app.wait_for("it starts again", |state| state.ready == 1).await;
    wall.set_by(20);
    host.restart_daemon().await;
    let after = back(&app, 1, pid(&before)).await;
    assert_eq!(after.instance, before.instance, "it was waited for");
    left_over::settles(&app, "1.2.0", 2).await;
}
