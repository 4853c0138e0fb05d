//! Clients that are slow or greedy hurt themselves only: a bystander asks on and on, and loses nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use wire::proxy::Table;

use crate::client::Client;
use crate::daemon::Daemon;
use crate::instance::{Instance, Then};
use crate::rig::{DEADLINE, Rig, eventually, front, route};

/// Answers `/big` with more than any buffer holds, everything else with its path.
fn instance() -> Instance {
    Instance::raw(|served, request| {
        if request.path() != "/big" {
            let _ = served.read_body(&request);
            return served.answer(request.path());
        }
        served.send("HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n");
        let chunk = vec![b'x'; 1 << 20];
        while served.client.stream.write_all(&chunk).is_ok() {}
        Then::Close
    })
}

/// Limits that make a test short.
fn rig(instance: &Instance) -> Rig {
    let mut rig = Rig::serving(&[instance.address]);
    rig.table.front = front(|front| front.header_timeout_ms = 800);
    rig.change(|route| {
        route.limits.body_timeout_ms = 600;
        route.limits.write_timeout_ms = 800;
        route.limits.max_body_bytes = 100_000;
    });
    rig
}

/// Asks on and on, on one connection and on new ones.
struct Bystander {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Bystander {
    fn start(address: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let stop = stop.clone();
            move || {
                let (mut kept, mut asked) = (Client::connect(address), 0);
                while asked < 20 || !stop.load(Ordering::Relaxed) {
                    assert_eq!(kept.get("/kept").text(), "/kept");
                    assert_eq!(Client::connect(address).get("/new").text(), "/new");
                    asked += 2;
                    thread::sleep(Duration::from_millis(2));
                }
            }
        });
        Self { stop, thread }
    }

    /// It has lost nothing.
    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("no request is lost");
    }
}

#[test]
fn slow_headers() {
    let instance = instance();
    let rig = rig(&instance);
    let bystander = Bystander::start(rig.address);
    let began = Instant::now();
    let slow: Vec<_> = (0..20)
        .map(|_| {
            let mut client = rig.client();
            thread::spawn(move || {
                client.send("GET /slow HTTP/1.1\r\n");
                // one byte at a time, for longer than is allowed
                while began.elapsed() < Duration::from_millis(2_000) && client.stream.write_all(b"x").is_ok()
                {
                    thread::sleep(Duration::from_millis(50));
                }
                client.reply()
            })
        })
        .collect();
    for slow in slow {
        let reply = slow.join().unwrap();
        assert_eq!((reply.status, reply.error()), (408, "slow-header"));
        assert_eq!(reply.header("connection"), Some("close"));
    }
    bystander.end();
    assert!(instance.requests().iter().all(|request| request.path() != "/slow"));
}

#[test]
fn connections_that_say_nothing() {
    let instance = instance();
    let rig = rig(&instance);
    let bystander = Bystander::start(rig.address);
    let mut silent = rig.client();
    assert!(silent.is_at_end(), "closed without a word");
    bystander.end();
}

#[test]
fn slow_bodies() {
    let instance = instance();
    let mut rig = rig(&instance);
    let bystander = Bystander::start(rig.address);
    for lines in ["content-length: 1000", "transfer-encoding: chunked"] {
        let mut client = rig.client();
        client.send(&format!("POST /slow HTTP/1.1\r\nhost: a.test\r\n{lines}\r\n\r\n1\r\na\r\n"));
        let reply = client.reply();
        assert_eq!((reply.status, reply.error()), (408, "slow-body"), "{lines}");
        assert!(client.is_at_end(), "and closed");
    }
    // slow, but within the limit
    let mut client = rig.client();
    client.send("POST /steady HTTP/1.1\r\nhost: a.test\r\ncontent-length: 10\r\n\r\n");
    for _ in 0..10 {
        thread::sleep(Duration::from_millis(150));
        client.send("x");
    }
    assert_eq!(client.reply().text(), "/steady");
    bystander.end();
    eventually("nothing is in flight", || rig.backend(1).in_flight == 0);
}

#[test]
fn clients_that_never_read() {
    let instance = instance();
    let mut rig = rig(&instance);
    let bystander = Bystander::start(rig.address);
    let mut greedy: Vec<Client> = (0..10).map(|_| rig.client()).collect();
    for client in &mut greedy {
        client.send("GET /big HTTP/1.1\r\nhost: a.test\r\n\r\n");
    }
    eventually("they are being answered", || rig.backend(1).in_flight >= 10);
    let before = rss_kib("/proc/self/status");
    eventually("they are given up", || rig.backend(1).in_flight < 10);
    eventually("all of them", || rig.backend(1).in_flight <= 1);
    let grown = rss_kib("/proc/self/status").saturating_sub(before);
    assert!(grown < 50_000, "{grown} KiB for answers that nobody reads");
    bystander.end();
}

#[test]
fn an_instance_that_is_late_once_does_not_spoil_the_connection() {
    let instance = Instance::raw(|served, request| {
        if request.path() == "/late" {
            thread::sleep(Duration::from_millis(1_500));
        }
        served.answer(request.path())
    });
    let mut rig = rig(&instance);
    rig.change(|route| route.limits.response_timeout_ms = 400);
    let mut client = rig.client();
    for _ in 0..2 {
        let late = client.get("/late");
        assert_eq!((late.status, late.error()), (504, "upstream-timeout"));
        assert_eq!(client.get("/in-time").text(), "/in-time");
    }
}

#[test]
fn bodies_that_are_too_large() {
    let instance = instance();
    let rig = rig(&instance);
    let bystander = Bystander::start(rig.address);
    let mut client = rig.client();
    client.send("POST /large HTTP/1.1\r\nhost: a.test\r\ncontent-length: 100001\r\n\r\n");
    let reply = client.reply();
    assert_eq!((reply.status, reply.error()), (413, "too-large"), "told before it is sent");
    assert!(client.is_at_end());

    let mut client = rig.client();
    client.send("POST /large HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n");
    let chunk = format!("2710\r\n{}\r\n", "z".repeat(10_000));
    // it may stop taking them any time after the limit
    for _ in 0..30 {
        if client.stream.write_all(chunk.as_bytes()).is_err() {
            break;
        }
    }
    let reply = client.reply();
    assert_eq!((reply.status, reply.error()), (413, "too-large"));
    bystander.end();
}

/// The proxy as a process of its own: each end of a connection needs a descriptor of its process.
struct Process {
    child: Child,
    address: SocketAddr,
    daemon: Daemon,
    _folder: TempDir,
}

impl Process {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_bellrock-proxy"))
            .args(["--http", "127.0.0.1:0", "--cores", "2", "--run"])
            .arg(folder.path())
            .arg("--state")
            .arg(folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines.find_map(|line| {
            let line = line.unwrap();
            line.strip_prefix("address=")?.strip_suffix(" listening")?.parse().ok()
        });
        thread::spawn(move || lines.for_each(drop));
        let daemon = Daemon::connect(folder.path(), 1);
        Self { child, address: address.unwrap(), daemon, _folder: folder }
    }

    fn rss_bytes(&self) -> u64 {
        rss_kib(&format!("/proc/{}/status", self.child.id())) * 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn ten_thousand_idle_connections() {
    let number = connections_that_fit(10_000);
    let instance = instance();
    let mut proxy = Process::start();
    let front = front(|front| front.header_timeout_ms = 120_000);
    let routes = vec![route(&[instance.address])];
    proxy.daemon.set_table(&Table { revision: 1, epoch: 1, front, routes }).unwrap();
    let bystander = Bystander::start(proxy.address);
    let before = proxy.rss_bytes();
    let mut idle: Vec<TcpStream> = Vec::with_capacity(number);
    for nth in 0..number {
        let mut stream = TcpStream::connect(proxy.address).unwrap();
        if nth % 2 == 0 {
            // one half has been of use
            stream.write_all(b"GET /used HTTP/1.1\r\nhost: a.test\r\n\r\n").unwrap();
            let mut head = [0; 15];
            stream.set_read_timeout(Some(DEADLINE)).unwrap();
            stream.read_exact(&mut head).unwrap();
            assert_eq!(&head, b"HTTP/1.1 200 OK");
        }
        idle.push(stream);
    }
    eventually("all are open", || proxy.daemon.report().connections.open >= number as u64);
    let per_connection = || proxy.rss_bytes().saturating_sub(before) / number as u64;
    // what rests for 2 s gives its buffers back, but the allocator keeps pages that are not empty
    eventually("they cost little", || per_connection() < 16 * 1024);
    println!("{number} idle connections, {} bytes each", per_connection());
    let began = Instant::now();
    assert_eq!(Client::connect(proxy.address).get("/one-more").text(), "/one-more");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    for stream in idle.into_iter().skip(1).step_by(100) {
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        assert_eq!(Client::over(stream).get("/at-last").text(), "/at-last");
    }
    bystander.end();
}

/// Memory of a process, by its status file.
fn rss_kib(status: &str) -> u64 {
    let status = fs_err::read_to_string(status).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Raises the limit of open files as far as we may, and says how many connections of those wanted the proxy, which has
/// the same limit, lets in: it keeps a third of its descriptors for instances, and a few for itself.
fn connections_that_fit(wanted: usize) -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let enough = Some(2 * wanted as u64);
    if setrlimit(Resource::Nofile, Rlimit { current: enough, maximum: enough }).is_err() {
        let maximum = getrlimit(Resource::Nofile).maximum;
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    }
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    wanted.min(usize::try_from(limit / 5 * 3).unwrap())
}
