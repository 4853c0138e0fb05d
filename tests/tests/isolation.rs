//! What apps must not get, and who may read what.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use api::deployment::Phase;
use testkit::app::get;
use testkit::host::SECRET;
use testkit::{TempHost, processes};

use crate::faults::limits::{is_limited_to, of_group};

#[tokio::test]
async fn the_daemons_environment_reaches_nobody() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "replicas = 1");
    app.deploy("beacon-base", Phase::Committed).await;
    let daemon = host.daemon_pid().try_into().unwrap();
    assert!(processes::environment(daemon).contains(&SECRET.to_owned()), "the test itself works");
    let mut others = processes::below(host.root());
    others.retain(|process| process.pid != daemon);
    for program in ["bellrock-shim", "beam.smp", "erl_child_setup"] {
        assert!(others.iter().any(|process| process.command_line.contains(program)), "{program}: {others:?}");
    }
    let (name, value) = SECRET.split_once('=').unwrap();
    for process in others {
        let environment = processes::environment(process.pid);
        let leaked = environment.into_iter().find(|it| it.contains(name) || it.contains(value));
        assert_eq!(leaked, None, "{process:?}");
    }
    let (status, _) = get(app.port, &format!("/env?name={name}")).await.unwrap();
    assert_eq!(status, 404);
}

#[tokio::test]
async fn apps_run_as_their_own_user() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "replicas = 1");
    app.deploy("beacon-base", Phase::Committed).await;
    let own = rustix::process::geteuid();
    let wanted = if own.is_root() { nobody() } else { own.as_raw() };
    let pid = app.instance(1).await.pid.unwrap().try_into().unwrap();
    assert_eq!(processes::uid(pid), Some(wanted));
}

/// `app_user` of the tests' hosts.
fn nobody() -> u32 {
    let passwd = fs_err::read_to_string("/etc/passwd").unwrap();
    let line = passwd.lines().find_map(|line| line.strip_prefix("nobody:")).unwrap();
    line.split(':').nth(1).unwrap().parse().unwrap()
}

/// Regular files below a folder, links not followed.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .flat_map(|entry| match entry.file_type().unwrap() {
            kind if kind.is_dir() => files(&entry.path()),
            kind if kind.is_file() => vec![entry.path()],
            _ => Vec::new(),
        })
        .collect()
}

#[tokio::test]
async fn nobody_else_can_read_the_cookie() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "");
    app.deploy("beacon-base", Phase::Committed).await;
    let cookie = fs_err::read(host.path("var/lib/bellrock/cookies").join(&app.name)).unwrap();
    assert!(cookie.len() >= 20, "a cookie that cannot be guessed");
    let mut holders = files(host.root());
    holders.retain(|file| {
        let content = fs_err::read(file).unwrap_or_default();
        content.windows(cookie.len()).any(|window| window == cookie)
    });
    assert_eq!(
        holders.len(),
        3,
        "ours and one for each place's node, but none in a journal or a log: {holders:?}"
    );
    for file in holders {
        let metadata = fs_err::metadata(&file).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o077, 0, "{}", file.display());
    }
}

#[tokio::test]
async fn no_app_can_write_what_others_share() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "replicas = 1");
    app.deploy("beacon-base", Phase::Committed).await;
    let current = host.path("var/lib/bellrock/service").join(&app.name).join("1/current/");
    let shared: Vec<PathBuf> =
        files(&current).into_iter().filter(|file| fs_err::metadata(file).unwrap().nlink() > 1).collect();
    assert!(shared.iter().any(|file| file.extension().is_some_and(|it| it == "beam")), "{shared:?}");
    let user = processes::uid(app.instance(1).await.pid.unwrap().try_into().unwrap()).unwrap();
    for file in shared {
        let metadata = fs_err::metadata(&file).unwrap();
        let (mode, is_owner) = (metadata.permissions().mode(), metadata.uid() == user);
        assert_eq!(mode & 0o022, 0, "{} may be written by others", file.display());
        assert!(!is_owner || mode & 0o200 == 0, "{} may be written by the app", file.display());
    }
}

/// Either the limit is in the instance's own cgroup, or the deployment's log says why it is not.
#[tokio::test]
async fn a_limit_of_memory_holds_or_is_told_not_to() {
    let host = TempHost::start().await;
    let app = host.app("buoy", "replicas = 1\n[resources]\nmemory = '400 MB'\ncpu = 150");
    let detail = app.deploy("buoy-base", Phase::Committed).await;
    let said = testkit::app::log(&detail);
    if said.contains("; limits of resources do not hold: ") {
        let doctor = host.bellrock(&["doctor"]).await.stdout;
        assert!(doctor.contains(&app.name) || doctor.contains("instances get none"), "{doctor}");
        eprintln!("not tested: this host has no cgroup v2 controllers for us");
        return;
    }
    let pid = app.instance(1).await.pid.unwrap().try_into().unwrap();
    assert!(is_limited_to(pid, 400_000_000));
    assert_eq!(of_group(pid, "cpu.max"), "150000 100000");
}
