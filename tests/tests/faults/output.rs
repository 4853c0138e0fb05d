//! Output that comes in floods, in binary, or while daemons come and go.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use api::deployment::Phase;
use testkit::app::get;
use testkit::{TempHost, TestApp, wait_for};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{SOON, left_over};

/// Log files of an instance, rotated ones included; the index files beside them not.
pub(super) fn log_files(app: &TestApp<'_>, instance: u64, stream: &str) -> Vec<PathBuf> {
    let folder = app.host.path("var/log/bellrock").join(&app.name);
    let name = format!("-i{instance}-{stream}.log");
    let entries = fs_err::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.to_string_lossy().contains(&name) && !path.to_string_lossy().ends_with(".idx"))
        .collect();
    files.sort();
    files
}

/// Asks an app to write so many megabytes and waits until it has.
pub(super) async fn flood(port: u16, megabytes: u32) -> String {
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!("GET /flood?mb={megabytes} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(Duration::from_secs(120), stream.read_to_string(&mut answer))
        .await
        .unwrap()
        .unwrap();
    answer
}

#[tokio::test]
async fn an_app_answers_while_it_floods_its_log_which_stays_bounded() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "replicas = 1\n[log]\nmax_size = '2 MB'\nkeep = 2");
    app.deploy("beacon-base", Phase::Committed).await;
    let before = app.instance(1).await;
    let flooding = tokio::spawn(flood(before.port, 100));
    let mut answers = 0;
    while !flooding.is_finished() {
        let (status, _) = get(before.port, "/health").await.expect("it answers while it floods");
        assert_eq!(status, 200);
        answers += 1;
        let sizes: Vec<u64> = log_files(&app, before.instance, "stdout")
            .iter()
            .filter_map(|path| fs_err::metadata(path).ok().map(|it| it.size()))
            .collect();
        assert!(sizes.len() <= 4 && sizes.iter().sum::<u64>() < 3 * 2_100_000, "{sizes:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(flooding.await.unwrap().contains("200"), "the flood ended");
    assert!(answers > 3, "{answers} answers");
    let last = wait_for("the last line is in the log", SOON, async || {
        let path = log_files(&app, before.instance, "stdout")
            .into_iter()
            .find(|it| it.ends_with(newest(&app, before.instance)))?;
        let text = fs_err::read_to_string(path).ok()?;
        text.lines().last().map(str::to_owned).filter(|line| line.contains("flood of 100 MB done"))
    })
    .await;
    assert_eq!(last, "flood of 100 MB done");
    let after = app.instance(1).await;
    assert_eq!((after.pid, after.crashes), (before.pid, 0));
    left_over::settles(&app, "1.0.0", 1).await;
}

fn newest(app: &TestApp<'_>, instance: u64) -> String {
    format!("{}-1-i{instance}-stdout.log", app.name)
}

#[tokio::test]
async fn binary_output_is_kept_byte_for_byte() {
    let host = TempHost::start().await;
    let app = host.app("beacon", "replicas = 1");
    app.deploy("beacon-base", Phase::Committed).await;
    let instance = app.instance(1).await;
    get(instance.port, "/binary").await.unwrap();
    let all: Vec<u8> = (0..=255).collect();
    let log = host.path("var/log/bellrock").join(&app.name).join(format!("{}-1-stdout.log", app.name));
    wait_for("all 256 byte values are in the log", SOON, async || {
        let bytes = fs_err::read(&log).ok()?;
        bytes.windows(all.len()).any(|window| window == all).then_some(())
    })
    .await;
    // Whatever shows the log to a person can read it too.
    let shown = host.bellrock(&["logs", &app.name]).await;
    assert_eq!(shown.code, 0, "{shown:?}");
    let (status, _) = get(instance.port, "/health").await.unwrap();
    assert_eq!(status, 200);
}
