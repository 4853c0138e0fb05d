//! A steady load on the app, sent straight to the ports of its places.
//!
//! There is no proxy yet, so the client does what one would do: it asks which port serves each place, and when a
//! request gets no whole answer there, it tries the place's other port, then another place. Each is tried once; lost
//! is what then still has no whole answer.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::Value;

use super::bellrock::Bellrock;
use crate::samples::http::Connection;

/// Clients, and how often each sends a request.
const CLIENTS: usize = 4;
const EVERY: Duration = Duration::from_millis(20);

/// How often the places' ports are asked for.
const FOLLOW_EVERY: Duration = Duration::from_millis(200);

/// Requests counted since the last look.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) sent: u64,
    /// Answered at the second or third try.
    pub(crate) retried: u64,
    pub(crate) lost: u64,
}

impl Counts {
    pub(crate) fn plus(self, other: Counts) -> Counts {
        Counts {
            sent: self.sent + other.sent,
            retried: self.retried + other.retried,
            lost: self.lost + other.lost,
        }
    }
}

/// The load; it ends when this is dropped.
pub(crate) struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    stop: AtomicBool,
    ports: Ports,
    /// The port that serves each place.
    serving: Mutex<BTreeMap<u16, u16>>,
    counts: Mutex<Counts>,
}

/// The ports of the places' two slots.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    /// Of place 1 in slot a.
    pub(crate) first: u16,
    /// Between a place's slots.
    pub(crate) max: u16,
}

impl Ports {
    /// The port of a place's other slot.
    fn other(self, place: u16, port: u16) -> u16 {
        let a = self.first + place - 1;
        if port == a { a + self.max } else { a }
    }
}

impl Load {
    pub(crate) fn start(bellrock: Bellrock, app: &'static str, ports: Ports) -> Result<Load> {
        let serving = serving_ports(&bellrock.json(&["status", app])?);
        if serving.is_empty() {
            bail!("no place of {app} has a ready instance");
        }
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            ports,
            serving: Mutex::new(serving),
            counts: Mutex::default(),
        });
        let mut threads: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let shared = shared.clone();
                thread::spawn(move || shared.send_steadily(number))
            })
            .collect();
        threads.push(thread::spawn({
            let shared = shared.clone();
            move || shared.follow(&bellrock, app)
        }));
        Ok(Load { shared, threads })
    }

    /// What was counted since the last look.
    pub(crate) fn take(&self) -> Counts {
        std::mem::take(&mut locked(&self.shared.counts))
    }

    /// Ends it, once the requests under way have ended; what was counted since the last look.
    pub(crate) fn end(mut self) -> Counts {
        self.stop();
        self.take()
    }

    fn stop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // a client that panicked has said so
            let _ = thread.join();
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn send_steadily(&self, number: usize) {
        let mut next = Instant::now();
        for turn in number.. {
            if self.is_over() {
                return;
            }
            self.send(turn);
            next += EVERY;
            // behind the beat after a slow answer: no burst to catch up
            next = next.max(Instant::now());
            thread::sleep(next.saturating_duration_since(Instant::now()));
        }
    }

    fn send(&self, turn: usize) {
        let answered = self.candidates(turn).into_iter().position(|port| ask(port).is_ok());
        let mut counts = locked(&self.counts);
        counts.sent += 1;
        counts.retried += u64::from(answered.is_some_and(|tries| tries > 0));
        counts.lost += u64::from(answered.is_none());
    }

    /// The ports to try: that of a place, its other one, that of the next place.
    fn candidates(&self, turn: usize) -> Vec<u16> {
        let serving = locked(&self.serving);
        let mut places = serving.iter().cycle().skip(turn % serving.len().max(1)).take(serving.len().min(2));
        let first = places.next().map(|(place, port)| [*port, self.ports.other(*place, *port)]);
        first.into_iter().flatten().chain(places.map(|(_, port)| *port)).collect()
    }

    fn follow(&self, bellrock: &Bellrock, app: &str) {
        while !self.is_over() {
            // a daemon that does not answer, and an app without a ready place, leave what was known
            let now =
                bellrock.json(&["status", app]).map(|status| serving_ports(&status)).unwrap_or_default();
            if !now.is_empty() {
                *locked(&self.serving) = now;
            }
            thread::sleep(FOLLOW_EVERY);
        }
    }
}

/// One request: a whole answer by the app, or why not.
fn ask(port: u16) -> Result<()> {
    let response = Connection::open(port)?.get("/")?;
    let body = response.json()?;
    if response.status != 200 || body["version"].is_null() {
        bail!("status {}", response.status);
    }
    Ok(())
}

/// The port of each place's ready instance; of two, that which became ready last.
fn serving_ports(status: &Value) -> BTreeMap<u16, u16> {
    let mut ready: Vec<(&str, u16, u16)> = status["instances"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|instance| instance["state"] == "ready")
        .filter_map(|instance| {
            let number = |key: &str| instance[key].as_u64().and_then(|number| u16::try_from(number).ok());
            Some((instance["ready_at"].as_str().unwrap_or_default(), number("place")?, number("port")?))
        })
        .collect();
    ready.sort_unstable();
    ready.into_iter().map(|(_, place, port)| (place, port)).collect()
}

/// A poisoned lock means that a client panicked: its count is whole nevertheless.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;

    use serde_json::json;

    use super::*;

    fn instance(place: u16, port: u16, state: &str, ready_at: &str) -> Value {
        json!({"place": place, "port": port, "state": state, "ready_at": ready_at})
    }

    #[test]
    fn a_place_is_served_by_the_instance_that_became_ready_last() {
        let status = json!({"instances": [
            instance(1, 4003, "ready", "2026-11-21T10:00:09Z"),
            instance(1, 4000, "ready", "2026-11-21T10:00:01Z"),
            instance(2, 4001, "ready", "2026-11-21T10:00:02Z"),
            instance(2, 4004, "starting", ""),
            instance(3, 4002, "unhealthy", "2026-11-21T10:00:03Z"),
        ]});
        assert_eq!(serving_ports(&status), [(1, 4003), (2, 4001)].into());
    }

    #[test]
    fn a_place_has_two_ports() {
        let ports = Ports { first: 4000, max: 3 };
        assert_eq!((ports.other(2, 4001), ports.other(2, 4004)), (4004, 4001));
    }

    fn shared(first: u16, max: u16) -> Shared {
        Shared {
            stop: AtomicBool::new(false),
            ports: Ports { first, max },
            serving: Mutex::new([(1, first)].into()),
            counts: Mutex::default(),
        }
    }

    /// A server that gives each connection the same bytes and closes it.
    fn server(answer: &'static str) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut reader = BufReader::new(stream);
                let mut line = String::new();
                while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                    line.clear();
                }
                reader.into_inner().write_all(answer.as_bytes()).unwrap();
            }
        });
        port
    }

    const WHOLE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 17\r\n\r\n{\"version\":\"1.0\"}";
    const TORN: &str = "HTTP/1.1 200 OK\r\ncontent-length: 17\r\n\r\n{\"vers";

    #[test]
    fn a_whole_answer_counts_as_one_and_a_torn_one_twice_over_as_lost() {
        let whole = shared(server(WHOLE), 0);
        whole.send(0);
        assert_eq!(*locked(&whole.counts), Counts { sent: 1, retried: 0, lost: 0 });
        let torn = shared(server(TORN), 0);
        torn.send(0);
        assert_eq!(*locked(&torn.counts), Counts { sent: 1, retried: 0, lost: 1 });
    }

    #[test]
    fn the_other_port_is_tried_when_the_first_gives_no_whole_answer() {
        let ports = [server(WHOLE), server(TORN)];
        let (low, high) = (ports[0].min(ports[1]), ports[0].max(ports[1]));
        let shared = shared(low, high - low);
        locked(&shared.serving).insert(1, ports[1]);
        shared.send(0);
        assert_eq!(*locked(&shared.counts), Counts { sent: 1, retried: 1, lost: 0 });
    }

    #[test]
    fn another_place_is_tried_last() {
        let shared = shared(4000, 3);
        assert_eq!(shared.candidates(7), [4000, 4003]);
        *locked(&shared.serving) = [(1, 4003), (3, 4002)].into();
        assert_eq!(shared.candidates(0), [4003, 4000, 4002]);
        assert_eq!(shared.candidates(1), [4002, 4005, 4003]);
        locked(&shared.serving).clear();
        assert!(shared.candidates(0).is_empty());
    }
}
