//! The doctor as a whole: on a real root, and with checks that misbehave.

use super::*;

use host::Paths;
use host::certificates::Certificates;
use host::journal::Journal;
use host::proxy::Proxy;
use host::site::Site;
use model::app::App;
use model::settings::HostSettings;
use package::HostPlatform;
use wire::proxy::Front;

use crate::settings::SettingsFiles;

/// A root of its own with a journal and no files besides.
struct Place {
    _folder: tempfile::TempDir,
    paths: Paths,
    journal: Journal,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::new(folder.path());
        fs_err::create_dir_all(paths.state()).unwrap();
        let journal = Journal::open(&paths.database()).unwrap();
        Place { _folder: folder, paths, journal }
    }

    fn scene(&self, apps: Vec<Arc<App>>) -> Scene {
        let site = Site {
            paths: self.paths.clone(),
            settings: HostSettings::default(),
            platform: HostPlatform::detect(),
            node_host: "localhost".into(),
            certificates: Arc::new(Certificates::new(self.paths.clone(), "localhost")),
        };
        Scene {
            site: Arc::new(site),
            journal: self.journal.clone(),
            settings_files: SettingsFiles::new(&self.paths, None),
            proxy: Proxy::new(1, Front::default()),
            shim: self.paths.root().join("bellrock-shim"),
            apps,
        }
    }
}

fn fine(_: &Scene) -> Check {
    Findings::new("fine").or_fine("all right")
}

fn panics(_: &Scene) -> Check {
    panic!("a bug")
}

/// Held by the test as long as the check shall hang.
static HANGING: std::sync::Mutex<()> = std::sync::Mutex::new(());

fn hangs(_: &Scene) -> Check {
    drop(HANGING.lock());
    Findings::new("hangs").or_fine("too late")
}

#[tokio::test]
#[expect(clippy::await_holding_lock, reason = "the check on another thread shall wait for it")]
async fn a_check_that_panics_or_hangs_fails_alone() {
    let place = Place::new();
    let checks: [(&str, Look); 4] = [("hangs", hangs), ("first", fine), ("panics", panics), ("last", fine)];
    let hanging = HANGING.lock().unwrap();
    let running = begin(&checks, &Arc::new(place.scene(vec![])));
    // The deadline comes when all the others have ended, however long this machine takes for that.
    let late = Instant::now() + Duration::from_secs(30);
    while !running[1..].iter().all(|(_, task)| task.is_finished()) {
        assert!(Instant::now() < late, "the checks that do not hang take too long");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let made = gather(running, Instant::now(), Duration::from_millis(50)).await;
    drop(hanging);
    assert_eq!(made.iter().map(|check| check.ok).collect::<Vec<_>>(), [false, true, false, true]);
    assert!(made[0].detail.contains("no answer within 50 ms") && made[0].remedy.is_some());
    assert!(made[2].detail.contains("the check itself failed") && made[2].remedy.is_some());
}

#[tokio::test]
async fn on_a_new_root_every_check_is_made() {
    let place = Place::new();
    let made = examine(place.scene(vec![Arc::new(App::new("beacon".parse().unwrap()))])).await;
    let names: Vec<&str> = made.iter().map(|check| check.name.as_str()).collect();
    assert_eq!(names, CHECKS.map(|(name, _)| name));
    let of = |name: &str| made.iter().find(|check| check.name == name).unwrap();
    for name in [settings::NAME, modes::NAME, clock::NAME, platform::NAME, node_host::NAME, cookies::NAME]
        .into_iter()
        .chain([certificates::NAME, ports::NAME, shims::NAME, journal::NAME])
    {
        assert!(of(name).ok, "{:?}", of(name));
    }
    // An app that follows a store which is not there.
    assert!(!of(store::NAME).ok);
    assert!(of(store::NAME).remedy.as_ref().unwrap().starts_with("mount or make"));
    // There is no shim in this root.
    assert!(!of(shim_program::NAME).ok);
}

#[tokio::test]
async fn open_files_and_broken_settings_are_seen_on_a_real_root() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let database = place.paths.database();
    fs_err::set_permissions(&database, std::fs::Permissions::from_mode(0o644)).unwrap();
    let config = place.paths.config_file();
    fs_err::create_dir_all(config.parent().unwrap()).unwrap();
    fs_err::write(&config, "min_free_disk = \"many\"\n").unwrap();
    let made = examine(place.scene(vec![])).await;
    let failed = |name: &str| made.iter().find(|check| check.name == name && !check.ok);
    let modes = failed(modes::NAME).unwrap();
    assert_eq!(modes.remedy, Some(format!("chmod 0600 {}", database.display())));
    assert!(failed(settings::NAME).unwrap().detail.contains("min_free_disk"));
}
