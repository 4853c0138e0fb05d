//! The doctor as a whole: on a real root, and with checks that misbehave.

use super::*;

use host::Paths;
use model::settings::HostSettings;
use package::HostPlatform;

struct Place {
    _folder: tempfile::TempDir,
    site: Site,
    journal: Journal,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let paths = Paths::new(folder.path());
        fs_err::create_dir_all(paths.state()).unwrap();
        let journal = Journal::open(&paths.database()).unwrap();
        let site = Site {
            paths,
            settings: HostSettings::default(),
            platform: HostPlatform::detect(),
            node_host: "localhost".into(),
        };
        Place { _folder: folder, site, journal }
    }

    fn scene(&self) -> Arc<Scene> {
        Arc::new(Scene::new(&self.site, &self.journal, &[]))
    }
}

fn fine(_: &Scene) -> Check {
    Findings::new("fine").or_fine("all right")
}

fn panics(_: &Scene) -> Check {
    panic!("a bug")
}

fn hangs(_: &Scene) -> Check {
    std::thread::sleep(Duration::from_millis(500));
    Findings::new("hangs").or_fine("too late")
}

#[tokio::test]
async fn a_check_that_panics_or_hangs_fails_alone() {
    let place = Place::new();
    let checks: [(&str, Look); 4] = [("hangs", hangs), ("first", fine), ("panics", panics), ("last", fine)];
    let made = run(&checks, place.scene(), Duration::from_millis(50)).await;
    assert_eq!(made.iter().map(|check| check.ok).collect::<Vec<_>>(), [false, true, false, true]);
    assert!(made[0].detail.contains("no answer within 50 ms") && made[0].remedy.is_some());
    assert!(made[2].detail.contains("the check itself failed") && made[2].remedy.is_some());
}

#[tokio::test]
async fn on_a_new_root_every_check_is_made() {
    let place = Place::new();
    let made = examine(&place.site, &place.journal, &[Arc::new(App::new("beacon".parse().unwrap()))]).await;
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
    // Tests run without a shim beside them.
    assert!(!of(shim_program::NAME).ok);
}

#[tokio::test]
async fn open_files_and_broken_settings_are_seen_on_a_real_root() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let database = place.site.paths.database();
    fs_err::set_permissions(&database, std::fs::Permissions::from_mode(0o644)).unwrap();
    let config = place.site.paths.config_file();
    fs_err::create_dir_all(config.parent().unwrap()).unwrap();
    fs_err::write(&config, "min_free_disk = \"many\"\n").unwrap();
    let made = examine(&place.site, &place.journal, &[]).await;
    let failed = |name: &str| made.iter().find(|check| check.name == name && !check.ok);
    let modes = failed(modes::NAME).unwrap();
    assert_eq!(modes.remedy, Some(format!("chmod 0600 {}", database.display())));
    assert!(failed(settings::NAME).unwrap().detail.contains("min_free_disk"));
}
