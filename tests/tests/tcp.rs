//! An app that speaks no HTTP: without our proxy, one place after another, checked by the daemon.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use api::deployment::Phase;
use testkit::TempHost;

/// Places; a place's second slot is so many ports higher.
const PLACES: u16 = 3;
/// Between the beginnings of two rounds.
const ROUND: Duration = Duration::from_millis(10);
/// An answer takes no longer on two busy cores.
const ANSWER: Duration = Duration::from_secs(10);

/// Whether an instance at that port sends back what it gets.
fn answers(port: u16) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), ANSWER)?;
        stream.set_read_timeout(Some(ANSWER))?;
        stream.write_all(b"ahoy\n")?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer)?;
        Ok(&answer == b"ahoy\n")
    };
    ask().unwrap_or(false)
}

/// Looks at all places every 10 ms until told to stop.
struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(usize, u32)>,
}

impl Watch {
    fn begin(port: u16) -> Watch {
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let thread = thread::spawn(move || {
            let (mut fewest, mut rounds) = (usize::MAX, 0);
            while !told.load(Ordering::Relaxed) {
                let next = Instant::now() + ROUND;
                let places = (port..port + PLACES).filter(|first| answers(*first) || answers(first + PLACES));
                fewest = fewest.min(places.count());
                rounds += 1;
                thread::sleep(next.saturating_duration_since(Instant::now()));
            }
            (fewest, rounds)
        });
        Watch { stop, thread }
    }

    /// The fewest places that answered in a round, and how many rounds there were.
    fn end(self) -> (usize, u32) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

#[tokio::test]
async fn two_of_three_places_listen_and_answer_at_every_moment() {
    let host = TempHost::start().await;
    let settings = format!(
        "strategy = 'rolling'\nreplicas = {PLACES}\nmax = {PLACES}\nproxy = false\nreadiness.kind = 'tcp'\n\
         health.kind = 'tcp'"
    );
    let app = host.app("echo", &settings);
    app.deploy("echo-base", Phase::Committed).await;
    let before = app.pids().await;
    let watch = Watch::begin(app.port);
    app.deploy("echo-module-changed", Phase::Committed).await;
    let deployed = app.pids().await;
    let granted = app.api.rollback(&app.name).await.unwrap();
    app.ends(granted, Phase::Committed).await;
    let granted = app.api.restart(&app.name, None).await.unwrap();
    app.ends(granted, Phase::Committed).await;
    let (fewest, rounds) = watch.end();
    assert!(fewest >= 2, "{fewest} of {PLACES} places answered in one of {rounds} rounds");
    assert!(rounds >= 50, "{rounds} rounds say little");
    assert!(deployed.iter().all(|pid| !before.contains(pid)), "{before:?} {deployed:?}");
    assert_eq!(app.state().await.version.as_deref(), Some("1.0.0"));
}
