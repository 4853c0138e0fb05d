//! A power cut, as far as a test can make one: the root is a file system in an image; the daemon dies at a point of its
//! journal, the image is copied as it is at that moment, without a sync, and the copy is what comes up again. Files that
//! were not made durable are empty or missing there.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use api::app::AppState;
use api::deployment::Phase;
use tempfile::TempDir;
use testkit::app::log;
use testkit::{HostPlan, TempHost, TestApp, processes};

use super::{left_over, over};

/// Where it dies: around each commit and each effect that writes files.
const POINTS: [&str; 10] = [
    "after-commit:deploy",
    "before-effect:stage",
    "after-effect:stage",
    "before-effect:create",
    "after-effect:create",
    "after-effect:launch",
    "after-effect:route",
    "after-effect:stop",
    "after-effect:remove",
    "after-effect:link",
];

/// A file system in a file, mounted somewhere; unmounted when it is dropped.
struct Disk {
    folder: TempDir,
    at: PathBuf,
    copies: u32,
}

impl Disk {
    /// In place of a folder, with what is in it; `None`: not possible here, which is said.
    fn under(at: &Path) -> Option<Disk> {
        let folder = TempDir::with_prefix_in("br-disk-", "/tmp").unwrap();
        let disk = Disk { folder, at: at.to_owned(), copies: 0 };
        let image = disk.image();
        fs_err::File::create(&image).unwrap().set_len(1 << 30).unwrap();
        let made = run("mkfs.ext4", |it| it.args(["-q", "-F", "-E", "lazy_itable_init=1"]).arg(&image));
        let before = disk.folder.path().join("before");
        if made.is_err() || run("cp", |it| it.arg("-a").arg(at).arg(&before)).is_err() {
            return None;
        }
        disk.mount().ok()?;
        run("cp", |it| it.arg("-a").arg(before.join(".")).arg(at)).unwrap();
        Some(disk)
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join(format!("image-{}", self.copies))
    }

    fn mount(&self) -> Result<(), String> {
        run("mount", |it| it.args(["-o", "loop"]).arg(self.image()).arg(&self.at))
    }

    fn unmount(&self) {
        // Lazily: what was just killed may hold it for a moment; nobody can write there any more.
        let _ = run("umount", |it| it.arg("--lazy").arg(&self.at));
    }

    /// What has reached the disk by now, as a copy that nothing reaches any more.
    fn freeze(&mut self) -> PathBuf {
        let (old, _) = (self.image(), self.copies += 1);
        run("cp", |it| it.arg("--sparse=always").arg(&old).arg(self.image())).unwrap();
        old
    }

    /// Goes on with the copy.
    fn come_up(&self, old: &Path) {
        self.unmount();
        fs_err::remove_file(old).unwrap();
        self.mount().unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.unmount();
    }
}

fn run(program: &str, with: impl FnOnce(&mut Command) -> &mut Command) -> Result<(), String> {
    let output = with(&mut Command::new(program)).output().map_err(|error| format!("{program}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{program}: {said}")) }
}

/// The power goes at a point of the deployment's way, and comes back; what was true before or after is true then.
async fn cut_at(point: &str, host: &TempHost, app: &TestApp<'_>, disk: &mut Disk, wanted: &Path) {
    let before = app.state().await.version.unwrap();
    let other = if before == "1.0.0" { "1.1.0" } else { "1.0.0" };
    fs_err::write(wanted, format!("kill {point}")).unwrap();
    let granted = app.api.activate(&app.name, other).await;
    host.daemon_ends().await;
    let old = disk.freeze();
    host.kill_daemon();
    let left = processes::end_all(host.root(), Duration::from_secs(20));
    assert!(left.is_empty(), "{left:?}");
    disk.come_up(&old);
    let run = host.path("run/bellrock");
    fs_err::remove_dir_all(&run).unwrap();
    fs_err::create_dir(&run).unwrap();
    host.start_daemon().await;
    // What was granted was durable. Where the answer did not come, it may have been.
    let id = match granted {
        Ok(granted) => granted.deployment,
        Err(_) => app.api.deployments(&app.name).await.unwrap().iter().map(|it| it.id).max(),
    };
    let ended = over(app, id.unwrap()).await;
    let version = match ended.deployment.phase {
        Phase::Committed => ended.deployment.to.clone().expect("it has a version"),
        _ => before,
    };
    eprintln!("{point}: {} → {version}", ended.deployment.phase.word());
    let state = left_over::settles(app, &version, 2).await;
    assert_eq!(state.state, AppState::Ready, "{}", log(&ended));
    assert!(app.api.ghosts(&app.name).await.unwrap().is_empty(), "{point}: it was not the version's fault");
}

#[tokio::test]
async fn half_written_files_of_a_power_cut_never_matter() {
    let all = std::env::var_os("BELLROCK_TEST_ALL").is_some_and(|value| value == "1");
    if !all || !rustix::process::geteuid().is_root() {
        eprintln!("not tested: it takes minutes (BELLROCK_TEST_ALL=1), and only root may mount an image");
        return;
    }
    let faults = TempDir::with_prefix_in("br-fault-", "/tmp").unwrap();
    let wanted = faults.path().join("wanted");
    let variable = format!("BELLROCK_FAULT={}", wanted.display());
    let wrapper = vec!["/usr/bin/env".to_owned(), variable];
    let host = HostPlan { wrapper, ..HostPlan::default() }.make().await;
    let Some(mut disk) = Disk::under(host.root()) else {
        eprintln!("not tested: no image can be made or mounted here");
        return;
    };
    host.start_daemon().await;
    let app = host.app("buoy", "watch_window = '1 s'");
    app.deploy("buoy-base", Phase::Committed).await;
    app.deploy("buoy-module-changed", Phase::Committed).await;
    for point in POINTS {
        cut_at(point, &host, &app, &mut disk, &wanted).await;
    }
}
