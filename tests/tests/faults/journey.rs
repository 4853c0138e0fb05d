//! The daemon is killed at random moments of a journey through deployments, rollbacks and crashes.

use std::time::Duration;

use api::deployment::Phase;
use testkit::app::{get, log};
use testkit::{TempHost, TestApp, wait_for};

use super::{SOON, crashes, exits, left_over, over, pid};

/// Kills of the daemon in one journey.
const KILLS: u32 = 20;

/// Where the random numbers begin: `BELLROCK_SEED`, else the time.
fn seed() -> u64 {
    let said =
        std::env::var("BELLROCK_SEED").ok().map(|seed| seed.parse().expect("BELLROCK_SEED is a number"));
    said.unwrap_or_else(|| std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64)
}

/// SplitMix64: small, and good enough to choose moments.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

/// One app on its way, and what must be true of it.
struct Journey<'h> {
    app: TestApp<'h>,
    random: Random,
    /// The daemon was killed so often.
    kills: u32,
    /// Instances were made to exit so often.
    crashes: u64,
    /// The last committed version's number: `0.N.0`.
    version: u32,
    /// Versions whose pre-command has run, in this order.
    migrated: Vec<String>,
}

impl<'h> Journey<'h> {
    async fn begin(host: &'h TempHost, seed: u64) -> Self {
        let app = host.app("lantern", "");
        let mut journey =
            Journey { app, random: Random(seed), kills: 0, crashes: 0, version: 0, migrated: Vec::new() };
        journey.deploy(&[]).await;
        journey
    }

    /// Settings whose pre-command leaves the version in a file, which it takes some time for.
    fn write_settings(&self, version: &str) {
        let file = super::migration_log(self.app.host);
        let append = format!(
            "timer:sleep(300), ok = file:write_file(\"{}\", \"{version}\\n\", [append])",
            file.display()
        );
        self.app.write_settings(&format!(
            "runtime = '/usr/lib/erlang'\npre_commands = ['eval {append}']\nwatch_window = '1 s'"
        ));
    }

    /// Kills the daemon that many milliseconds after each other, and starts it again each time.
    async fn kill_daemon_after(&mut self, moments: &[u64]) {
        for moment in moments {
            // Not to wait for something, but to be anywhere: the moment is what is random.
            tokio::time::sleep(Duration::from_millis(*moment)).await;
            self.app.host.restart_daemon().await;
            self.kills += 1;
        }
    }

    fn moments(&mut self, count: u64, limit_ms: u64) -> Vec<u64> {
        (0..count).map(|_| self.random.below(limit_ms)).collect()
    }

    /// Deploys the next version, which is committed whatever happens to the daemon.
    async fn deploy(&mut self, moments: &[u64]) {
        self.version += 1;
        let version = format!("0.{}.0", self.version);
        self.write_settings(&version);
        let sample = format!("lantern-{}", self.version);
        let id = self.app.try_deploy(&sample).await.unwrap().deployment.unwrap();
        self.kill_daemon_after(moments).await;
        let ended = over(&self.app, id).await;
        assert_eq!(ended.deployment.phase, Phase::Committed, "{}", log(&ended));
        self.migrated.push(version);
    }

    /// Deploys the next version and rolls it back by hand as soon as it is watched.
    async fn roll_back(&mut self, moments: &[u64]) {
        let next = self.version + 1;
        let version = format!("0.{next}.0");
        self.write_settings(&version);
        let detail = self.app.deploy(&format!("lantern-{next}"), Phase::Watching).await;
        self.migrated.push(version.clone());
        self.app.api.rollback(&self.app.name).await.unwrap();
        self.kill_daemon_after(moments).await;
        let ended = over(&self.app, detail.deployment.id).await;
        assert_eq!(ended.deployment.phase, Phase::RolledBack, "{}", log(&ended));
        assert!(ended.deployment.ghosted);
        self.app.api.clear_ghost(&self.app.name, &version).await.unwrap();
    }

    /// Makes an instance exit while the daemon comes and goes.
    async fn crash(&mut self, moments: &[u64]) {
        let place = u16::try_from(1 + self.random.below(2)).unwrap();
        let (one, other) = (self.app.instance(place).await, self.app.instance(3 - place).await);
        let away = self.random.below(2) == 0;
        if away {
            self.app.host.kill_daemon();
        }
        get(one.port, "/exit?status=9").await.unwrap();
        if away {
            let (before, port) = (pid(&one).to_string(), one.port);
            wait_for("its shim has restarted it", SOON, async || {
                let (_, body) = get(port, "/").await.ok()?;
                (!body.contains(&before)).then_some(())
            })
            .await;
            self.app.host.start_daemon().await;
            self.kills += 1;
        }
        self.kill_daemon_after(moments).await;
        self.crashes += 1;
        super::back(&self.app, place, pid(&one)).await;
        assert_eq!(self.app.instance(3 - place).await.pid, other.pid, "the other one is untouched");
    }

    /// Kills the idle daemon: nothing changes.
    async fn idle(&mut self, moments: &[u64]) {
        let before = self.app.pids().await;
        self.kill_daemon_after(moments).await;
        assert_eq!(self.app.pids().await, before);
    }

    /// All that must be true after each step.
    async fn check(&self) {
        left_over::settles(&self.app, &format!("0.{}.0", self.version), 2).await;
        let text = fs_err::read_to_string(super::migration_log(self.app.host)).unwrap();
        assert_eq!(text.lines().collect::<Vec<_>>(), self.migrated, "each pre-command ran once");
        let exits = exits(&self.app).await;
        assert_eq!(exits.len() as u64, self.crashes, "{exits:#?}");
        assert_eq!(crashes(&self.app).await, self.crashes);
    }
}

#[tokio::test]
async fn the_daemon_is_killed_at_twenty_random_moments() {
    let seed = seed();
    eprintln!("BELLROCK_SEED={seed}");
    let host = TempHost::start().await;
    let mut journey = Journey::begin(&host, seed).await;
    while journey.kills < KILLS {
        let count = 1 + journey.random.below(3);
        // Each deployment brings fresh instances, so that crashes never add up to a back-off.
        let moments = journey.moments(count, 1_200);
        journey.deploy(&moments).await;
        journey.check().await;
        let moments = journey.moments(1, 400);
        match journey.random.below(4) {
            0 => journey.idle(&moments).await,
            1 => journey.roll_back(&moments).await,
            _ => journey.crash(&moments).await,
        }
        journey.check().await;
        assert!(journey.version < 12, "there are 14 samples");
    }
}
