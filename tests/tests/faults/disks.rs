//! Full disks.

use std::path::{Path, PathBuf};

use api::deployment::Phase;
use api::event::Step;
use testkit::app::{get, log};
use testkit::wait::LONG;
use testkit::{ApiError, HostPlan, TempHost, wait_for};

use super::output::{flood, log_files};
use super::{SOON, back, exits, kill, left_over, lines, pid};

/// A small file system over a folder, gone with this.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn over(folder: &Path, size: &str) -> Self {
        fs_err::create_dir_all(folder).unwrap();
        let options = format!("size={size},mode=755");
        let status = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "bellrock-test"])
            .arg(folder)
            .status()
            .unwrap();
        assert!(status.success(), "mount: {status}");
        SmallDisk(folder.to_owned())
    }

    /// From now on it has so many files more than it has now, and no others.
    fn limit_files(&self, more: u64) {
        let room = rustix::fs::statvfs(&self.0).unwrap();
        let files = room.f_files - room.f_ffree + more;
        let options = format!("remount,nr_inodes={files}");
        let status =
            std::process::Command::new("mount").args(["-o", &options]).arg(&self.0).status().unwrap();
        assert!(status.success(), "mount: {status}");
    }

    /// Takes all the space that is left; the file to be removed for it.
    fn fill(&self) -> PathBuf {
        let filler = self.0.join("filler");
        let mut file = fs_err::File::create(&filler).unwrap();
        while std::io::Write::write_all(&mut file, &[0; 4096]).is_ok() {}
        filler
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a failing test's shims may still write there.
        let _ = std::process::Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[tokio::test]
async fn an_app_goes_on_while_its_log_disk_is_full_and_the_loss_is_told() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not tested: only root may mount a small disk");
        return;
    }
    let host = HostPlan::default().make().await;
    let disk = SmallDisk::over(&host.path("var/log/bellrock"), "4m");
    host.start_daemon().await;
    let app = host.app("beacon", "replicas = 1");
    app.deploy("beacon-base", Phase::Committed).await;
    let before = app.instance(1).await;
    let filler = disk.fill();
    assert!(flood(before.port, 5).await.contains("200"), "the app is not held up by the full disk");
    let (status, _) = get(before.port, "/health").await.unwrap();
    assert_eq!(status, 200);
    host.restart_daemon().await;
    assert_eq!(app.instance(1).await.pid, before.pid, "the daemon bears the full disk as well");
    fs_err::remove_file(filler).unwrap();
    wait_for("the loss is marked in the log", SOON, async || {
        let text = fs_err::read(log_files(&app, before.instance, "stdout").pop()?).ok()?;
        String::from_utf8_lossy(&text).contains("bytes of output were lost here]").then_some(())
    })
    .await;
    wait_for("the loss is told", SOON, async || {
        let told = lines(&app, Step::Told).await;
        told.iter().any(|line| line.contains("bytes of its output were dropped")).then_some(())
    })
    .await;
    let after = app.instance(1).await;
    assert_eq!((after.pid, after.crashes), (before.pid, 0));
    left_over::settles(&app, "1.0.0", 1).await;
}

#[tokio::test]
async fn no_deployment_begins_on_a_nearly_full_disk() {
    let host = TempHost::start().await;
    let app = host.app("buoy", "");
    app.deploy("buoy-base", Phase::Committed).await;
    let pids = app.pids().await;
    let config = host.path("etc/bellrock/config.toml");
    let text = fs_err::read_to_string(&config).unwrap();
    let (less, more) = ("min_free_disk = \"10 MB\"", "min_free_disk = \"900 TB\"");
    assert!(text.contains(less), "{text}");
    fs_err::write(&config, text.replace(less, more)).unwrap();
    host.restart_daemon().await;
    let refused = app.try_deploy("buoy-module-changed").await.unwrap_err().problem();
    assert_eq!(refused.slug(), "no-room");
    assert!(refused.detail.contains("min_free_disk"), "the setting is named: {}", refused.detail);
    let granted = app.api.restart(&app.name, None).await.unwrap();
    let ended = app.ends(granted, Phase::Failed).await;
    let reason = ended.deployment.reason.clone().unwrap();
    assert!(reason.contains("min_free_disk"), "the remedy is named: {reason}");
    assert!(ended.log.iter().all(|event| event.step != Step::Started), "{}", log(&ended));
    assert!(!ended.deployment.ghosted);
    assert_eq!(app.pids().await, pids);
    left_over::settles(&app, "1.0.0", 2).await;
    // With room again, the same version is welcome.
    fs_err::write(&config, text).unwrap();
    host.restart_daemon().await;
    app.deploy("buoy-module-changed", Phase::Committed).await;
    left_over::settles(&app, "1.1.0", 2).await;
}

#[tokio::test]
async fn a_package_whose_files_do_not_fit_is_refused_with_figures_before_it_is_unpacked() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not tested: only root may mount a small disk");
        return;
    }
    let host = HostPlan::default().make().await;
    // The first version's files fit, and the second's package, but not its files beside them.
    let _disk = SmallDisk::over(&host.path("var/lib/bellrock"), "46m");
    host.start_daemon().await;
    let app = host.app("beacon", "replicas = 1");
    app.deploy("beacon-base", Phase::Committed).await;
    let pids = app.pids().await;
    let refused = app.try_deploy("beacon-module-changed").await.unwrap_err().problem();
    assert_eq!(refused.slug(), "no-room", "{}", refused.detail);
    for said in ["are free on the disk of", "have to fit beside min_free_disk = 10.0 MB", "delete versions"] {
        assert!(refused.detail.contains(said), "{}", refused.detail);
    }
    assert_eq!(app.api.deployments(&app.name).await.unwrap().len(), 1, "no deployment began");
    assert_eq!(app.pids().await, pids);
}

#[tokio::test]
async fn apps_go_on_while_the_disk_of_the_state_is_full_and_wishes_are_refused() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not tested: only root may mount a small disk");
        return;
    }
    let host = HostPlan::default().make().await;
    let disk = SmallDisk::over(&host.path("var/lib/bellrock"), "120m");
    host.start_daemon().await;
    let app = host.app("beacon", "");
    app.deploy("beacon-base", Phase::Committed).await;
    let (first, second) = (app.instance(1).await, app.instance(2).await);
    let filler = disk.fill();
    // What is left of its own files is used up by and by.
    let refused = wait_for("a wish is refused", LONG, async || {
        for pinned in [true, false] {
            match app.api.pin(&app.name, "1.0.0", pinned).await {
                Ok(_) => {}
                Err(ApiError::Refused(problem)) => return Some(problem),
                Err(error) => panic!("{error}"),
            }
        }
        None
    })
    .await;
    assert!(refused.detail.contains("full"), "{refused:?}");
    // Nothing is started anew but by its shim, which needs no disk for it.
    kill(&host, pid(&first));
    wait_for("it runs again", LONG, async || {
        let (status, _) = get(first.port, "/health").await.ok()?;
        (status == 200 && !testkit::processes::is_alive(pid(&first))).then_some(())
    })
    .await;
    let (status, _) = get(second.port, "/health").await.unwrap();
    assert_eq!(status, 200);
    fs_err::remove_file(filler).unwrap();
    back(&app, 1, pid(&first)).await;
    assert_eq!(exits(&app).await.len(), 1, "it is taken in when there is room");
    app.deploy("beacon-module-changed", Phase::Committed).await;
    left_over::settles(&app, "1.1.0", 2).await;
}

#[tokio::test]
async fn a_disk_that_is_full_in_the_middle_of_unpacking_leaves_nothing_behind() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not tested: only root may mount a small disk");
        return;
    }
    let host = HostPlan::default().make().await;
    let disk = SmallDisk::over(&host.path("var/lib/bellrock"), "200m");
    host.start_daemon().await;
    let app = host.app("beacon", "replicas = 1");
    app.deploy("beacon-base", Phase::Committed).await;
    let before = app.instance(1).await;
    // Room enough by its bytes; some of its files fit.
    disk.limit_files(100);
    let refused = app.try_deploy("beacon-module-changed").await.unwrap_err().problem();
    assert!(refused.detail.contains("No space left on device"), "{refused:?}");
    let uploads = host.path("var/lib/bellrock/uploads");
    let left: Vec<_> = fs_err::read_dir(uploads).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(app.instance(1).await.pid, before.pid);
    disk.limit_files(100_000);
    app.deploy("beacon-module-changed", Phase::Committed).await;
    left_over::settles(&app, "1.1.0", 1).await;
}
