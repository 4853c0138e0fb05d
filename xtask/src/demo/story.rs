//! The story: a first version, a second one, a third that becomes ready and then fails, and back to the first.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use fs_err as fs;
use serde_json::Value;

use super::bellrock::Bellrock;
use super::daemon;
use super::folder::Folder;
use super::load::{Load, RATE};
use super::ports;
use super::report::{Report, Row};

pub(crate) const APP: &str = "beacon";
const REPLICAS: u16 = 3;
const FIRST: &str = "1.0.0";
const SECOND: &str = "1.1.0";
const FAILING: &str = "1.4.2-unhealthy";

/// One act: what is run, and how its deployment shall end.
struct Act<'a> {
    what: &'a str,
    command: Vec<&'a str>,
    ends: &'static str,
}

/// What the story is played with.
pub(crate) struct Things<'a> {
    /// Folder of Bellrock's programs.
    pub(crate) programs: &'a Path,
    /// Folder of the sample packages.
    pub(crate) samples: &'a Path,
    /// The load generator.
    pub(crate) load: &'a Path,
}

/// The ports that are the demo's.
#[derive(Debug, Clone, Copy)]
struct Ports {
    /// Where the proxy speaks HTTP.
    http: u16,
    /// Of place 1 in slot a.
    first: u16,
}

impl Ports {
    /// One for the proxy, two slots for each place.
    fn free() -> Result<Ports> {
        let http = ports::free_range(1 + 2 * REPLICAS)?;
        Ok(Ports { http, first: http + 1 })
    }

    fn http_address(self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.http))
    }
}

pub(crate) fn play(folder: &Folder, things: &Things<'_>) -> Result<()> {
    let began = Instant::now();
    let programs = things.programs;
    let package =
        |version: &str| things.samples.join(format!("{APP}-{version}.tar.gz")).display().to_string();
    let packages = [FIRST, SECOND, FAILING].map(package);
    folder.begin()?;
    let ports = Ports::free()?;
    write_settings(folder, ports)?;
    let bellrock = Bellrock::new(programs, folder.path());
    daemon::start(folder, programs, &bellrock)?;

    let deploy = |what, package| Act {
        what,
        command: vec!["deploy", APP, package, "--wait=committed"],
        ends: "committed",
    };
    let mut rows = vec![deploy("deploy 1.0.0", &packages[0]).play(&bellrock, None)?];
    let http = ports.http_address();
    let mut load = Load::start(things.load, http)?;
    println!("From now on {RATE} requests a second go to the proxy at {http}: pages, uploads, streams,");
    println!("events and WebSockets. Each is accounted for.\n");
    rows.push(deploy("deploy 1.1.0", &packages[1]).play(&bellrock, Some(&mut load))?);
    let failing = Act { ends: "rolled_back", ..deploy("deploy 1.4.2-unhealthy", &packages[2]) };
    rows.push(failing.play(&bellrock, Some(&mut load))?);
    let activate = Act {
        what: "activate 1.0.0",
        command: vec!["activate", APP, FIRST, "--wait=committed"],
        ends: "committed",
    };
    let mut last = activate.play(&bellrock, Some(&mut load))?;
    let end = load.end()?;
    last.counts = last.counts.map(|counts| counts.plus(end.counts));
    rows.push(last);

    check_the_end(&bellrock)?;
    let phases = phases(&bellrock)?;
    let report = Report {
        rows,
        deployments: phases.len(),
        rolled_back: phases.iter().filter(|phase| *phase == "rolled_back").count(),
        took: began.elapsed(),
    };
    print!("{}", report.table());
    for loss in &end.losses {
        println!("lost  {loss}");
    }
    println!("{}", next_commands(&bellrock, ports));
    println!("{}", report.last_line());
    Ok(())
}

impl Act<'_> {
    fn play(&self, bellrock: &Bellrock, load: Option<&mut Load>) -> Result<Row> {
        let before = phases(bellrock)?.len();
        let began = Instant::now();
        let succeeded = bellrock.show(&self.command)?;
        let took = began.elapsed();
        println!();
        let counts = load.map(Load::take);
        let phases = phases(bellrock)?;
        ensure!(phases.len() > before, "{}: no deployment came of it", self.what);
        let phase = phases.last().cloned().unwrap_or_default();
        ensure!(
            phase == self.ends && succeeded == (self.ends == "committed"),
            "{}: it should have ended {}, but is {phase}; what runs is left running: {} deployments",
            self.what,
            self.ends,
            bellrock.by_hand()
        );
        let outcome = match self.ends {
            "rolled_back" => "rolled back, ghosted",
            ends => ends,
        };
        Ok(Row { what: self.what.to_owned(), outcome: outcome.to_owned(), took, counts })
    }
}

fn write_settings(folder: &Folder, ports: Ports) -> Result<()> {
    let etc = folder.path().join("etc/bellrock");
    fs::create_dir_all(etc.join("apps"))?;
    fs::write(etc.join("config.toml"), host_settings(ports))?;
    fs::write(etc.join("apps").join(format!("{APP}.toml")), settings(ports))?;
    Ok(())
}

fn host_settings(ports: Ports) -> String {
    let by_root = rustix::process::geteuid().is_root();
    let user = if by_root { "# The demo was run by root.\napp_user = \"root\"\n\n" } else { "" };
    format!("{user}[proxy]\nhttp = [\"{}\"]\n", ports.http_address())
}

/// The app's settings. The failing version becomes ready, and answers its health check for nine seconds: long
/// enough to take all places, short enough to fail within the watch window.
fn settings(Ports { first, .. }: Ports) -> String {
    format!(
        "\
replicas = {REPLICAS}
max = {REPLICAS}
port = {first}
watch_window = \"9 s\"

[readiness]
kind = \"http_get\"
path = \"/health\"
retry_period = \"1 s\"

[health]
interval = \"1 s\"
failures = 2

[variables]
GREETING = \"hello from the demo\"
FAIL_HEALTH_AFTER_MS = \"9000\"
"
    )
}

/// The phases of all deployments, oldest first.
fn phases(bellrock: &Bellrock) -> Result<Vec<String>> {
    let deployments = bellrock.json(&["deployments"])?;
    let mut all: Vec<(u64, String)> = deployments
        .as_array()
        .context("bellrock deployments --json printed no list")?
        .iter()
        .filter_map(|it| Some((it["id"].as_u64()?, it["phase"].as_str()?.to_owned())))
        .collect();
    all.sort_unstable();
    Ok(all.into_iter().map(|(_, phase)| phase).collect())
}

/// The first version runs in all places, and the failing one is ghosted.
fn check_the_end(bellrock: &Bellrock) -> Result<()> {
    let status = bellrock.json(&["status", APP])?;
    if status["version"] != FIRST || status["ready"] != u64::from(REPLICAS) {
        bail!("the end should be {REPLICAS} places ready with {FIRST}, but the status is {status}");
    }
    let ghosts = bellrock.json(&["ghosts", APP])?;
    let is_ghosted =
        |ghosts: &Value| ghosts.as_array().is_some_and(|all| all.iter().any(|it| it["version"] == FAILING));
    ensure!(is_ghosted(&ghosts), "{FAILING} should be ghosted, but the ghosts are {ghosts}");
    Ok(())
}

fn next_commands(bellrock: &Bellrock, ports: Ports) -> String {
    format!(
        "
Beacon goes on running. To look around:

    alias bellrock='{}'
    bellrock status
    bellrock deployments show 3          # why the third version was rolled back
    bellrock logs {APP} 1 -f
    bellrock env {APP} set GREETING=ahoy   # a rolling restart
    bellrock ghosts {APP} clear {FAILING}
    bellrock routes                      # what is served where
    curl {}/

To end it: make demo-stop
",
        bellrock.by_hand(),
        ports.http_address()
    )
}
