//! One instance watched: readiness until a verdict, health for ever.

use std::sync::Arc;

use model::app::{CheckWanted, Event, Verdict};
use model::settings::{AppSettings, CheckKind};
use model::{AppName, InstanceId};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::super::watcher::Watch;
use super::server::{Answer, Server};
use super::*;
use crate::tell::{Tell, Untold};

/// Keeps what it is told.
pub(super) struct Told(pub(super) mpsc::UnboundedSender<Event>);

impl Tell for Told {
    async fn tell(&self, _: &AppName, event: Event) -> Result<(), Untold> {
        self.0.send(event).map_err(|_| Untold::GoingDown)
    }
}

struct Watched {
    verdicts: mpsc::UnboundedReceiver<Event>,
    task: AbortOnDropHandle<()>,
}

impl Watched {
    fn start(settings: AppSettings, target: ProbeTarget, readiness: bool) -> Self {
        let (tell, verdicts) = mpsc::unbounded_channel();
        let watch = Watch {
            app: "beacon".parse().unwrap(),
            wanted: CheckWanted { instance: InstanceId(4), run: 2, readiness },
            settings: settings.into(),
            logs: (target.tree.join("stdout.log"), target.tree.join("stderr.log")),
            target,
            healthy: true,
            probe: super::probe(),
            tell: Arc::new(Told(tell)),
        };
        Watched { verdicts, task: AbortOnDropHandle::new(tokio::spawn(watch.run())) }
    }

    async fn verdict(&mut self) -> Verdict {
        let event = timeout(SOON, self.verdicts.recv()).await.expect("a verdict comes").unwrap();
        let Event::Check { instance: InstanceId(4), run: 2, verdict } = event else { panic!("{event:?}") };
        verdict
    }
}

fn settings() -> AppSettings {
    let mut settings = AppSettings::default();
    settings.readiness.kind = CheckKind::HttpGet;
    settings.readiness.path = "/health".into();
    settings.readiness.within = Duration::from_secs(5);
    settings.readiness.retry_period = Duration::from_millis(60);
    settings.readiness.failure_timeout = SOON;
    settings.health.interval = Duration::from_millis(5);
    settings
}

fn of(server: &Server) -> ProbeTarget {
    target(server.port, Path::new("/nowhere"))
}

#[tokio::test]
async fn ready_when_it_says_so_asked_at_the_retry_period() {
    let server = Server::start([Answer::Status(503), Answer::Status(503), Answer::Status(200)]).await;
    let mut watched = Watched::start(settings(), of(&server), true);
    assert_eq!(watched.verdict().await, Verdict::Ready);
    timeout(SOON, &mut watched.task).await.expect("it ends with its verdict").unwrap();
    let asked = server.asked();
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|(_, path)| path == "/health"));
    for pair in asked.windows(2) {
        assert!(pair[1].0 - pair[0].0 >= Duration::from_millis(60));
    }
}

#[tokio::test]
async fn found_soon_after_it_listens() {
    let port = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap().port();
    let mut settings = settings();
    settings.readiness.retry_period = Duration::from_secs(3600);
    let mut watched = Watched::start(settings, target(port, Path::new("/nowhere")), true);
    assert!(timeout(Duration::from_millis(100), watched.verdicts.recv()).await.is_err(), "nobody listens");
    let begun = Instant::now();
    let _server = Server::on(TcpListener::bind(("127.0.0.1", port)).await.unwrap(), [Answer::Status(200)]);
    assert_eq!(watched.verdict().await, Verdict::Ready);
    assert!(begun.elapsed() < Duration::from_secs(3), "not at the retry period: {:?}", begun.elapsed());
}

#[tokio::test]
async fn never_ready_after_the_failure_timeout_with_what_was_said_last() {
    let server = Server::start([Answer::Status(503)]).await;
    let tree = tempfile::tempdir().unwrap();
    fs_err::write(tree.path().join("stderr.log"), "no database\n").unwrap();
    let mut settings = settings();
    settings.readiness.failure_timeout = Duration::from_millis(200);
    let begun = Instant::now();
    let mut watched = Watched::start(settings, target(server.port, tree.path()), true);
    let Verdict::NeverReady { why, tail } = watched.verdict().await else { panic!("it is not ready") };
    assert!(begun.elapsed() >= Duration::from_millis(190), "up_since is counted in");
    assert!(why.contains("503"), "{why}");
    assert_eq!(tail.as_deref(), Some("no database"));
}

#[tokio::test]
async fn an_attempt_does_not_outlast_the_failure_timeout() {
    let server = Server::start([Answer::Status(503), Answer::Silence]).await;
    let mut settings = settings();
    settings.readiness.within = Duration::from_secs(3600);
    settings.readiness.failure_timeout = Duration::from_millis(300);
    let mut watched = Watched::start(settings, of(&server), true);
    let Verdict::NeverReady { why, .. } = watched.verdict().await else { panic!("it is not ready") };
    assert!(why.contains("503"), "the attempt that was cut short says less: {why}");
}

/// The daemon was away for longer than the failure timeout; the instance became ready meanwhile.
#[tokio::test]
async fn an_instance_is_asked_once_at_least() {
    let server = Server::start([Answer::Status(200)]).await;
    let mut late = of(&server);
    late.up_since = Instant::now() - Duration::from_secs(3600);
    let mut watched = Watched::start(settings(), late.clone(), true);
    assert_eq!(watched.verdict().await, Verdict::Ready);
    server.answer(Answer::Status(500));
    let mut watched = Watched::start(settings(), late, true);
    assert!(matches!(watched.verdict().await, Verdict::NeverReady { .. }));
}

#[tokio::test(start_paused = true)]
async fn five_minutes_are_five_minutes() {
    let mut settings = AppSettings::default();
    settings.readiness.kind = CheckKind::RunsFor;
    settings.readiness.runs_for = Duration::from_secs(3600);
    let begun = Instant::now();
    let mut watched = Watched::start(settings, target(0, Path::new("/nowhere")), true);
    let verdict = watched.verdicts.recv().await;
    assert!(matches!(verdict, Some(Event::Check { verdict: Verdict::NeverReady { .. }, .. })));
    let took = begun.elapsed();
    assert!((299..=301).contains(&took.as_secs()), "{took:?}");
}

#[tokio::test]
async fn unhealthy_after_failures_in_a_row_and_healthy_after_successes() {
    use Answer::Status;
    // Two bad ones are not enough; then three are.
    let script = [Status(200), Status(500), Status(500), Status(200), Status(500), Status(500), Status(500)];
    let server = Server::start(script).await;
    let mut settings = settings();
    (settings.health.failures, settings.health.successes) = (3, 2);
    let mut watched = Watched::start(settings, of(&server), false);
    let Verdict::Unhealthy { why, .. } = watched.verdict().await else { panic!("it is unhealthy") };
    assert!(why.contains("500") && why.ends_with("(3 times in a row)"), "{why}");
    assert!(server.asked().len() >= 7);
    server.answer(Status(200));
    let before = server.asked().len();
    assert_eq!(watched.verdict().await, Verdict::Healthy);
    assert!(server.asked().len() >= before + 2, "one good answer is not two");
    server.answer(Status(500));
    assert!(matches!(watched.verdict().await, Verdict::Unhealthy { .. }), "watched for as long as it runs");
}

#[tokio::test]
async fn what_is_unhealthy_is_told_once() {
    let server = Server::start([Answer::Status(500)]).await;
    let mut watched = Watched::start(settings(), of(&server), false);
    assert!(matches!(watched.verdict().await, Verdict::Unhealthy { .. }));
    let asked = server.asked().len();
    let more = async {
        while server.asked().len() < asked + 10 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, more).await.expect("it is asked on");
    assert!(watched.verdicts.try_recv().is_err());
}
