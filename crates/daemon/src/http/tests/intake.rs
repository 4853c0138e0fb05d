//! Taking packages, many at a time and against all odds.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use host::site::SiteError;
use model::VersionLabel;
use model::app::{App, Refused, Target};
use tempfile::TempPath;

use super::package::{digest, digest_at, release};
use super::world::{Life, World, name, operator};
use crate::control::{Accepted, Arrival, Control, WishError};
use crate::intake::sweep_all;

fn arrival(world: &World, bytes: &[u8]) -> Arrival {
    let file = tempfile::Builder::new().prefix("upload-").tempfile_in(world.control.paths.uploads()).unwrap();
    let package: TempPath = file.into_temp_path();
    fs_err::write(&package, bytes).unwrap();
    Arrival {
        package,
        file_name: None,
        settings: None,
        meta: Default::default(),
        build_log: None,
        wish: Default::default(),
    }
}

fn take(
    world: &World,
    app: &str,
    bytes: &[u8],
    settings: Option<&str>,
) -> impl Future<Output = Result<Accepted, WishError>> + Send + 'static {
    let arrival = Arrival { settings: settings.map(Into::into), ..arrival(world, bytes) };
    let (control, app): (Arc<Control>, _) = (world.control.clone(), name(app));
    async move { control.take_package(&app, arrival, operator()).await }
}

fn label(text: &str) -> VersionLabel {
    text.parse().unwrap()
}

/// Versions of which there is an unpacked folder, or a package.
fn kept(world: &World, app: &str) -> BTreeSet<String> {
    let paths = &world.control.paths;
    let folders = [paths.versions(&name(app)), paths.all_papers(&name(app))];
    let entries = folders.iter().flat_map(|folder| fs_err::read_dir(folder).into_iter().flatten().flatten());
    // What is being removed has a name that begins with a dot.
    entries
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| !name.starts_with('.'))
        .collect()
}

/// What is registered under a label is what lies on the disk.
fn assert_agree(world: &World, app: &App, version: &str) {
    let registered = &app.version_called(&label(version)).expect("it is registered").digest;
    let paths = &world.control.paths;
    let unpacked = package::tree::open_version(&paths.version(&app.name, &label(version))).unwrap();
    assert_eq!(*registered, unpacked.digest.to_string());
    assert_eq!(*registered, digest_at(&paths.package(&app.name, &label(version))));
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap_or_else(|_| panic!("never: {what}"));
}

/// An app whose deployment is being watched.
async fn watched(world: &World) {
    let mut life = Life::begin(world, "beacon").await;
    life.deploy_watched("1.0.0").await;
    world.control.start_app(life.app, Vec::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_first_packages_of_one_version_leave_one() {
    let world = World::new().await;
    let packages: Vec<Vec<u8>> = (0..6).map(|nth| release("beacon", "1.0.0", &nth.to_string())).collect();
    let taking: Vec<_> =
        packages.iter().map(|bytes| tokio::spawn(take(&world, "beacon", bytes, None))).collect();
    let mut granted = 0;
    for task in taking {
        match task.await.unwrap() {
            Ok(_) => granted += 1,
            Err(WishError::Refused(Refused::OtherPackage { .. })) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(granted, 1);
    assert_agree(&world, &world.control.app(&name("beacon")).unwrap(), "1.0.0");
    assert_eq!(fs_err::read_dir(world.control.paths.uploads()).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_first_packages_of_one_app_are_both_taken() {
    let world = World::new().await;
    let versions = ["1.0.0", "1.1.0", "1.2.0"];
    let packages = versions.map(|version| release("beacon", version, ""));
    let taking: Vec<_> =
        packages.iter().map(|bytes| tokio::spawn(take(&world, "beacon", bytes, None))).collect();
    for task in taking {
        task.await.unwrap().unwrap();
    }
    let app = world.control.app(&name("beacon")).unwrap();
    let registered = versions.iter().filter(|version| app.version_called(&label(version)).is_some());
    for version in registered {
        assert_agree(&world, &app, version);
    }
}

#[tokio::test]
async fn a_queued_version_keeps_its_files() {
    let world = World::new().await;
    watched(&world).await;
    let package = release("beacon", "2.0.0", "");
    take(&world, "beacon", &package, None).await.unwrap();
    assert!(kept(&world, "beacon").contains("2.0.0"));

    let bad = take(&world, "beacon", &package, Some("replicas = 0")).await.unwrap_err();
    assert!(matches!(bad, WishError::Settings(_)), "{bad:?}");
    let other = take(&world, "beacon", &release("beacon", "2.0.0", "other"), None).await.unwrap_err();
    assert!(matches!(other, WishError::Refused(Refused::OtherPackage { .. })), "{other:?}");
    assert!(kept(&world, "beacon").contains("2.0.0"));
    let paths = &world.control.paths;
    assert_eq!(digest_at(&paths.package(&name("beacon"), &label("2.0.0"))), digest(&package));

    take(&world, "beacon", &release("beacon", "3.0.0", ""), None).await.unwrap();
    assert!(kept(&world, "beacon").contains("3.0.0"));
    assert!(!kept(&world, "beacon").contains("2.0.0"), "what a newer one replaced in the queue is gone");
    let queued = world.control.app(&name("beacon")).unwrap().queued.clone().unwrap();
    let cancel = |_| model::app::Command::Cancel { deployment: queued.deployment };
    world.control.ask(&name("beacon"), operator(), cancel).await.unwrap();
    until("what was taken from the queue is gone", || !kept(&world, "beacon").contains("3.0.0")).await;
}

#[tokio::test]
async fn a_package_is_taken_to_its_end_when_the_sender_goes_away() {
    let world = World::new().await;
    let taking = take(&world, "beacon", &release("beacon", "1.0.0", ""), None);
    let gone = tokio::time::timeout(Duration::ZERO, taking).await;
    assert!(gone.is_err(), "nobody unpacks in no time");
    let registered = || {
        let app = world.control.app(&name("beacon"));
        app.is_ok_and(|app| app.version_called(&label("1.0.0")).is_some())
    };
    until("it is registered", registered).await;
    let empty = || fs_err::read_dir(world.control.paths.uploads()).unwrap().count() == 0;
    until("nothing is left of the upload", empty).await;
    take(&world, "beacon", &release("beacon", "1.1.0", ""), None).await.unwrap();
}

#[tokio::test]
async fn a_whole_version_stays_as_it_is() {
    use std::os::unix::fs::MetadataExt;
    let world = World::new().await;
    let package = release("beacon", "1.0.0", "");
    let app = take(&world, "beacon", &package, None).await.unwrap().app;
    let folder = world.control.paths.version(&app.name, &label("1.0.0"));
    let before = fs_err::metadata(&folder).unwrap().ino();
    // Granted or refused: nothing happens to the folder.
    let _ = take(&world, "beacon", &package, None).await;
    assert_eq!(fs_err::metadata(&folder).unwrap().ino(), before);

    let target: Target = app.version_called(&label("1.0.0")).unwrap().target();
    world.control.site.unpacked(&app, target).unwrap();
    let mut other = (*app).clone();
    other.versions[0].digest = "0".repeat(64);
    let refused = world.control.site.unpacked(&other, target).unwrap_err();
    assert!(matches!(refused, SiteError::OtherPackage { .. }), "{refused:?}");
}

#[tokio::test]
async fn folders_of_no_version_are_swept() {
    let world = World::new().await;
    watched(&world).await;
    take(&world, "beacon", &release("beacon", "2.0.0", ""), None).await.unwrap();
    let paths = &world.control.paths;
    let stray = [("beacon", "0.9.0"), ("never", "1.0.0")];
    for (app, version) in stray {
        fs_err::create_dir_all(paths.version(&name(app), &label(version)).join("tree")).unwrap();
        fs_err::create_dir_all(paths.papers(&name(app), &label(version))).unwrap();
    }
    sweep_all(paths, &world.control.apps());
    for (app, version) in stray {
        assert!(!kept(&world, app).contains(version), "{app} {version}");
    }
    assert!(kept(&world, "beacon").contains("2.0.0"), "what waits in the queue is kept");
}

#[tokio::test]
async fn ports_of_whatever_is_about_to_run_are_taken() {
    let world = World::new().await;
    watched(&world).await;
    // 1.0.0 is not committed yet; it has the default ports.
    let same = take(&world, "buoy", &release("buoy", "1.0.0", ""), None).await.unwrap_err();
    assert!(matches!(&same, WishError::Settings(text) if text.contains("\"beacon\"")), "{same:?}");
    let queued = take(&world, "beacon", &release("beacon", "2.0.0", ""), Some("port = 20000")).await;
    queued.unwrap();
    let waiting =
        take(&world, "buoy", &release("buoy", "1.0.0", ""), Some("port = 20000")).await.unwrap_err();
    assert!(matches!(&waiting, WishError::Settings(text) if text.contains("\"beacon\"")), "{waiting:?}");
    take(&world, "buoy", &release("buoy", "1.0.0", ""), Some("port = 21000")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_apps_that_want_one_port_one_gets_it() {
    let world = World::new().await;
    let apps = ["aft", "fore", "raft"];
    let taking: Vec<_> = apps
        .iter()
        .map(|app| tokio::spawn(take(&world, app, &release(app, "1.0.0", ""), Some("port = 20000"))))
        .collect();
    let mut refused = 0;
    for task in taking {
        match task.await.unwrap() {
            Ok(_) => {}
            Err(WishError::Settings(_)) => refused += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    // A first deployment that has failed holds nothing any more.
    let holding = world.control.apps().iter().filter(|app| app.deployment.is_some()).count();
    assert!(holding <= 1 && refused < apps.len(), "{holding} hold it, {refused} were refused");
}
