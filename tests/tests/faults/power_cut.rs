//! A power cut, as far as a test can make one: the state folder is a file system in an image; the daemon dies at a point
//! of its journal, everything else stands still, and the image is copied as it is at that moment, without a sync. The copy
//! is what comes up again: what was not made durable is empty or missing there.

use std::path::PathBuf;
use std::process::Command;

use api::app::AppState;
use api::deployment::Phase;
use rustix::process::Signal;
use tempfile::TempDir;
use testkit::app::log;
use testkit::wanted::fault_points;
use testkit::{HostPlan, TempHost, TestApp, processes, wait_for};

use super::reboot::goes_down;
use super::{SOON, all, left_over, over};

/// Where it dies: around commits, and after each effect that writes files. The first two are in every run.
const POINTS: [&str; 12] = [
    "after-commit:command-activate",
    "after-effect:create",
    "before-commit:command-activate",
    "before-effect:stage",
    "after-effect:stage",
    "before-effect:create",
    "after-commit:done-create",
    "after-effect:launch",
    "after-effect:route",
    "after-effect:stop",
    "after-effect:remove",
    "after-effect:link",
];

/// What is on a disk, and may be gone when the power is cut.
struct Disk {
    /// Where it is seen.
    at: PathBuf,
    folder: TempDir,
    kind: DiskKind,
    /// How often it was copied.
    copies: u32,
}

#[derive(Clone, Copy, PartialEq)]
enum DiskKind {
    /// A file system in an image.
    Mounted,
    /// A plain folder, of which nothing is lost.
    Folder,
}

impl Disk {
    /// Over a folder that is not there yet.
    fn over(at: PathBuf) -> Disk {
        fs_err::create_dir_all(&at).unwrap();
        let folder = TempDir::with_prefix_in("br-disk-", "/tmp").unwrap();
        let mut disk = Disk { at, folder, kind: DiskKind::Mounted, copies: 0 };
        if let Err(why) = disk.make_image().and_then(|()| disk.mount()) {
            println!("no image can be mounted here, so that nothing is lost in the copy: {why}");
            disk.kind = DiskKind::Folder;
        }
        disk
    }

    fn make_image(&self) -> Result<(), String> {
        fs_err::File::create(self.copy()).unwrap().set_len(512 << 20).unwrap();
        run("mkfs.ext4", |it| it.args(["-q", "-F", "-E", "lazy_itable_init=1"]).arg(self.copy()))
    }

    /// The image, or the copied folder.
    fn copy(&self) -> PathBuf {
        self.folder.path().join(format!("copy-{}", self.copies))
    }

    fn mount(&self) -> Result<(), String> {
        // Nothing becomes durable by the passing of time, only where somebody asks for it.
        run("mount", |it| it.args(["-o", "loop,commit=600"]).arg(self.copy()).arg(&self.at))
    }

    /// Copies what has reached the disk by now; what happens from now on is not in the copy.
    fn cut(&mut self) {
        let from = if self.kind == DiskKind::Mounted { self.copy() } else { self.at.clone() };
        self.copies += 1;
        run("cp", |it| it.args(["-a", "--sparse=always"]).arg(&from).arg(self.copy())).unwrap();
    }

    /// What was copied is there, and nothing else.
    async fn come_up(&self) {
        match self.kind {
            DiskKind::Mounted => {
                // What was killed lets go of its files only at the very end of its end.
                let unmount = async || run("umount", |it| it.arg(&self.at)).ok();
                wait_for("nobody has files on the disk any more", SOON, unmount).await;
                fs_err::remove_file(self.folder.path().join(format!("copy-{}", self.copies - 1))).unwrap();
                self.mount().unwrap();
            }
            DiskKind::Folder => {
                // Unpacked versions are read-only, which only root ignores.
                run("chmod", |it| it.args(["-R", "u+w"]).arg(&self.at)).unwrap();
                fs_err::remove_dir_all(&self.at).unwrap();
                run("cp", |it| it.arg("-a").arg(self.copy()).arg(&self.at)).unwrap();
            }
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.kind == DiskKind::Mounted {
            // Lazily: a failing test's shims may still write there.
            let _ = run("umount", |it| it.arg("--lazy").arg(&self.at));
        } else {
            let _ = run("chmod", |it| it.args(["-R", "u+w"]).arg(self.folder.path()));
        }
    }
}

fn run(program: &str, with: impl FnOnce(&mut Command) -> &mut Command) -> Result<(), String> {
    let output = with(&mut Command::new(program)).output().map_err(|error| format!("{program}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("{program}: {}", said.trim())) }
}

/// The power goes at a point of the way to the other version, and comes back.
async fn cut_at(point: &str, app: &TestApp<'_>, disk: &mut Disk) {
    let host = app.host;
    let before = app.state().await.version.unwrap();
    let other = if before == "1.0.0" { "1.1.0" } else { "1.0.0" };
    host.want_faults(&[format!("kill {point}")]);
    let granted = app.api.activate(&app.name, other).await;
    host.daemon_ends().await;
    for process in processes::below(host.root()) {
        processes::signal(process.pid, host.root(), Signal::STOP);
    }
    disk.cut();
    goes_down(host);
    disk.come_up().await;
    host.start_daemon().await;
    // What was granted is durable. Where no answer came, it may be.
    let newest = async || app.api.deployments(&app.name).await.unwrap().iter().map(|it| it.id).max().unwrap();
    let id = match granted {
        Ok(granted) => granted.deployment.unwrap(),
        Err(_) => newest().await,
    };
    let ended = over(app, id).await;
    let version = match ended.deployment.phase {
        Phase::Committed => ended.deployment.to.clone().unwrap(),
        _ => before,
    };
    println!("{point}: {}, so it is {version}", ended.deployment.phase.word());
    let state = left_over::settles(app, &version, 2).await;
    assert_eq!(state.state, AppState::Ready, "{}", log(&ended));
    assert!(app.api.ghosts(&app.name).await.unwrap().is_empty(), "{point}: it was not the version's fault");
}

#[tokio::test]
async fn half_written_files_of_a_power_cut_never_matter() {
    let known = fault_points();
    assert!(POINTS.iter().all(|point| known.iter().any(|it| it == point)), "{known:?}");
    let host = HostPlan::default().make().await;
    let mut disk = Disk::over(host.path("var/lib/bellrock"));
    host.start_daemon().await;
    let app = host.app("buoy", "");
    app.deploy("buoy-base", Phase::Committed).await;
    app.deploy("buoy-module-changed", Phase::Committed).await;
    let points = if all() { &POINTS[..] } else { &POINTS[..2] };
    for point in points {
        cut_at(point, &app, &mut disk).await;
    }
    // What lies there is whole: each version can be started from it.
    for version in ["1.0.0", "1.1.0"] {
        if app.state().await.version.as_deref() != Some(version) {
            let granted = app.api.activate(&app.name, version).await.unwrap();
            app.ends(granted, Phase::Committed).await;
        }
    }
    end(host, disk).await;
}

/// Nothing runs there any more when it is unmounted.
async fn end(host: TempHost, disk: Disk) {
    goes_down(&host);
    drop(disk);
}
