//! `--check`: boots each sample, uses its pages, and stops it, or sees it fail as it should.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::catalog::{Behaves, Sample};
use super::http::Connection;
use super::in_parallel;
use super::instance::{self, Instance, PLACE};
use super::shelf::Shelf;
use super::web_socket::WebSocket;

/// What samples wait at most for requests in flight.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

pub(crate) fn all(samples: &[&Sample], shelf: &Shelf) -> Result<()> {
    in_parallel(samples, |sample| {
        let started = Instant::now();
        one(sample, shelf)?;
        println!("  {:24} checked {:5.1} s", sample.name, started.elapsed().as_secs_f32());
        Ok(())
    })
}

fn one(sample: &Sample, shelf: &Shelf) -> Result<()> {
    booted(sample, shelf)?;
    if sample.behaves == Behaves::Good && sample.app == "beacon" {
        ends_by(sample, shelf, "/exit?status=3", 3)?;
        ends_by(sample, shelf, "/crash", 1)?;
        migration(sample, shelf)?;
    }
    Ok(())
}

fn booted(sample: &Sample, shelf: &Shelf) -> Result<()> {
    let mut instance = Instance::start(sample, shelf)?;
    let outcome = match sample.behaves {
        Behaves::Good => good(sample, &mut instance),
        Behaves::BrokenBoot => broken_boot(&mut instance),
        Behaves::NeverReady => never_ready(&mut instance),
        Behaves::Unhealthy => unhealthy(&mut instance),
        Behaves::CrashLoop => crash_loop(&mut instance),
    };
    outcome.with_context(|| {
        format!("sample {} failed, its output:\n{}", sample.name, instance.output().unwrap_or_default())
    })
}

fn good(sample: &Sample, instance: &mut Instance) -> Result<()> {
    if sample.app == "echo" {
        echo(sample, instance)?;
    } else {
        ensure!(instance.first_answer("/health")?.status == 200, "/health is not 200");
        shared_pages(sample, instance)?;
        if sample.app == "beacon" {
            beacon_pages(instance)?;
        }
    }
    stop(sample, instance)
}

fn echo(sample: &Sample, instance: &mut Instance) -> Result<()> {
    let port = instance.port;
    let mut stream = instance.wait_for("its port", |_| Ok(TcpStream::connect(("127.0.0.1", port)).ok()))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let question = b"version\n";
    let answer = if sample.version == "1.0.0" { "version\n" } else { "1.1.0\n" };
    stream.write_all(question)?;
    let mut bytes = vec![0; answer.len()];
    stream.read_exact(&mut bytes)?;
    ensure!(bytes == answer.as_bytes(), "echo said {:?}", String::from_utf8_lossy(&bytes));
    Ok(())
}

/// All over one connection: that keep-alive works is part of it.
fn shared_pages(sample: &Sample, instance: &Instance) -> Result<()> {
    let mut http = Connection::open(instance.port)?;
    let front = http.get("/")?.json()?;
    ensure!(front["version"] == sample.version.as_str(), "/ says {front}");
    ensure!(front["app"] == sample.app.as_str() && front["place"] == PLACE, "/ says {front}");
    ensure!(front["pid"].as_u64() == Some(instance.id().into()), "/ says {front}");
    ensure!(http.get("/slow?ms=30")?.status == 200, "/slow is not 200");
    ensure!(http.get("/stream?chunks=3&ms=1")?.text() == "chunk 1\nchunk 2\nchunk 3\n", "/stream differs");
    ensure!(http.get("/env?name=BELLROCK_PLACE")?.text() == PLACE, "/env differs");
    ensure!(http.get("/env?name=NO_SUCH_VARIABLE")?.status == 404, "/env of an unset variable is not 404");
    ensure!(http.get("/no-such-page")?.status == 404, "an unknown page is not 404");
    http.get("/state?incr=5")?;
    http.send("POST /state HTTP/1.1\r\ncontent-length: 0\r\n\r\n", b"")?;
    ensure!(http.read_response()?.json()?["count"] == 6, "/state lost count");
    crash_of_a_process(&mut http, instance.port)
}

/// The request fails with 500, the rest lives on, the counter starts anew.
fn crash_of_a_process(http: &mut Connection, port: u16) -> Result<()> {
    ensure!(http.get("/crash?how=process")?.status == 500, "/crash?how=process is not 500");
    let mut http = Connection::open(port)?;
    ensure!(http.get("/state")?.json()?["count"] == 0, "/state survived its process");
    Ok(())
}

fn beacon_pages(instance: &Instance) -> Result<()> {
    let mut http = Connection::open(instance.port)?;
    uploads(&mut http)?;
    let events = http.get("/sse?events=2&ms=1")?;
    ensure!(events.header("content-type") == Some("text/event-stream"), "/sse is no event stream");
    ensure!(events.text().matches("event: beam\n").count() == 2, "/sse sent {:?}", events.text());
    ensure!(http.get("/leak?mb=1")?.status == 200, "/leak is not 200");
    ensure!(http.get("/flood?mb=1")?.status == 200, "/flood is not 200");
    ensure!(http.get("/binary")?.status == 200, "/binary is not 200");
    WebSocket::open(Connection::open(instance.port)?)?.use_it()
}

/// A body by length after 100-continue, and one in chunks with another request pipelined behind it.
fn uploads(http: &mut Connection) -> Result<()> {
    let body: Vec<u8> = (0..100_000_u32).map(|n| (n % 251) as u8).collect();
    let sha256: String = Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect();
    let expected = json!({ "bytes": body.len(), "sha256": sha256 });

    http.send("POST /upload HTTP/1.1\r\ncontent-length: 100000\r\nexpect: 100-continue\r\n\r\n", b"")?;
    ensure!(http.read_head()?.status == 100, "no 100 Continue");
    http.send("", &body)?;
    ensure!(http.read_response()?.json()? == expected, "/upload by length differs");

    let mut chunked = Vec::new();
    for chunk in body.chunks(7_001) {
        write!(chunked, "{:x}\r\n", chunk.len())?;
        chunked.extend([chunk, b"\r\n"].concat());
    }
    chunked.extend(b"0\r\n\r\nGET /health HTTP/1.1\r\n\r\n");
    http.send("PUT /upload HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n", &chunked)?;
    ensure!(http.read_response()?.json()? == expected, "/upload in chunks differs");
    ensure!(http.read_response()?.text() == "ready\n", "the request behind an upload was lost");
    Ok(())
}

/// SIGTERM: the exit status is 0.
fn stop(sample: &Sample, instance: &mut Instance) -> Result<()> {
    match sample.app.as_str() {
        // Gleam's launcher and a plain server know no drain
        "echo" | "lantern" => instance.terminate()?,
        app => drain(app, instance)?,
    }
    let status = instance.exit_status()?;
    ensure!(status.success(), "after SIGTERM it ended with {status}");
    Ok(())
}

/// What is in flight is finished, what has no end is ended properly, what waits for nothing is closed.
fn drain(app: &str, instance: &mut Instance) -> Result<()> {
    let mut idle = Connection::open(instance.port)?;
    ensure!(idle.get("/health")?.status == 200, "/health is not 200");
    let mut stream = streaming(instance.port, "/stream?chunks=4&ms=100")?;
    let mut endless = None;
    if app == "beacon" {
        let events = streaming(instance.port, "/sse?ms=60000")?;
        endless = Some((events, WebSocket::open(Connection::open(instance.port)?)?));
    }
    let started = Instant::now();
    instance.terminate()?;
    if let Some((mut events, mut web_socket)) = endless {
        events.read_chunks().context("the event stream did not end properly")?;
        web_socket.expect_close(1001)?;
    }
    let text = String::from_utf8_lossy(&stream.read_chunks()?).into_owned();
    ensure!(text.ends_with("chunk 4\n"), "a stream in flight ended with {text:?}");
    instance.exit_status()?;
    ensure!(started.elapsed() < DRAIN_LIMIT, "it waited for an idle connection");
    Ok(())
}

/// A connection whose answer has begun.
fn streaming(port: u16, target: &str) -> Result<Connection> {
    let mut http = Connection::open(port)?;
    http.send(&format!("GET {target} HTTP/1.1\r\n\r\n"), b"")?;
    ensure!(http.read_head()?.status == 200, "{target} is not 200");
    Ok(http)
}

fn broken_boot(instance: &mut Instance) -> Result<()> {
    let status = instance.exit_status()?;
    ensure!(status.code() == Some(1), "it ended with {status}");
    Ok(())
}

fn never_ready(instance: &mut Instance) -> Result<()> {
    ensure!(instance.first_answer("/health")?.status == 503, "/health is not 503");
    ensure!(instance.first_answer("/")?.status == 200, "/ is not 200");
    Ok(())
}

fn unhealthy(instance: &mut Instance) -> Result<()> {
    ensure!(instance.first_answer("/health")?.status == 200, "/health is not 200 at first");
    instance.wait_for("its health to fail", |instance| {
        Ok((instance.first_answer("/health")?.status == 503).then_some(()))
    })
}

fn crash_loop(instance: &mut Instance) -> Result<()> {
    ensure!(instance.first_answer("/health")?.status == 200, "/health is not 200 at first");
    let status = instance.exit_status()?;
    ensure!(status.code() == Some(1), "it ended with {status}");
    Ok(())
}

/// A page that ends the app with this status.
fn ends_by(sample: &Sample, shelf: &Shelf, target: &str, expected: i32) -> Result<()> {
    let mut instance = Instance::start(sample, shelf)?;
    ensure!(instance.first_answer(target)?.status == 200, "{target} is not 200");
    let status = instance.exit_status()?;
    ensure!(status.code() == Some(expected), "{target} ended it with {status}");
    Ok(())
}

fn migration(sample: &Sample, shelf: &Shelf) -> Result<()> {
    let migrated = instance::eval(sample, shelf, "Beacon.Migrator.migrate", &[])?;
    ensure!(migrated.status.success(), "the migration ended with {}", migrated.status);
    ensure!(migrated.log.trim_end().ends_with(&sample.version), "the migration wrote {:?}", migrated.log);
    let failed = instance::eval(sample, shelf, "Beacon.Migrator.migrate", &[("MIGRATION_FAIL", "1")])?;
    ensure!(failed.status.code() == Some(1), "the failing migration ended with {}", failed.status);
    ensure!(failed.log.lines().count() == 1, "the failing migration wrote {:?}", failed.log);
    Ok(())
}
