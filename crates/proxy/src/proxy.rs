//! The whole proxy: its threads, from start to end.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::runtime::{Builder, LocalRuntime};
use tokio::sync::{mpsc, watch};
use wire::proxy::{CERTIFICATES_FILE, ListenerReport, SetCertificates, TABLE_FILE, Table};

use crate::acceptor::{Acceptor, Listener};
use crate::access_log::{Lines, Writer};
use crate::control::{self, Control, Parts, SocketError};
use crate::core::{Core, Fact, Message, Shared};
use crate::log;
use crate::request_id::RequestIds;
use crate::saved::{self, SavedError};
use crate::serving::{Registry, Serving};
use crate::tls::{Tls, TlsSetupError};

/// What the proxy is started with.
#[derive(Debug)]
pub struct Options {
    /// Folder of the control socket.
    pub run: PathBuf,
    /// Folder of the saved table.
    pub state: PathBuf,
    /// Sockets to serve.
    pub listeners: Vec<Listener>,
    /// Threads that serve requests; 0: one per processor.
    pub cores: usize,
}

/// Why the proxy did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The control socket could not be bound.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// A thread or its runtime could not be made.
    #[error("could not start the thread {name}")]
    Thread {
        /// Its name.
        name: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No pipe for our own use.
    #[error("could not make a pipe")]
    Pipe(#[source] rustix::io::Errno),
    /// A listening socket is none.
    #[error("a listening socket cannot be used")]
    Listener(#[source] io::Error),
    /// TLS is not possible.
    #[error("could not set up TLS")]
    Tls(#[from] TlsSetupError),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Random(#[source] getrandom::Error),
}

/// A running proxy. When it is dropped its threads go on until the process ends; see [`Proxy::shut_down`].
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    cores: Vec<mpsc::UnboundedSender<Message>>,
    addresses: Vec<SocketAddr>,
    /// Closed to stop it.
    stop_accepting: OwnedFd,
    stop_control: watch::Sender<bool>,
    acceptor: Option<JoinHandle<()>>,
    threads: Vec<JoinHandle<()>>,
}

/// Facts that wait for the control thread; what does not fit is found out again.
const FACTS: usize = 1024;
/// While the proxy ends, connections are counted this often.
const LOOK: Duration = Duration::from_millis(5);
/// Most threads of a core that wait for a disk at a time; what comes while all do waits for them.
const MAX_READERS: usize = 4;

impl Proxy {
    /// Loads the saved table, starts all threads, then accepts.
    pub fn start(options: Options) -> Result<Self, StartError> {
        let cores = if options.cores == 0 { available() } else { options.cores };
        let mut registry = Registry::new(cores);
        let serving = Arc::new(load(&options, &mut registry));
        let addresses: Vec<SocketAddr> = options
            .listeners
            .iter()
            .map(|listener| listener.socket.local_addr())
            .collect::<Result<_, _>>()
            .map_err(StartError::Listener)?;
        let reports = addresses
            .iter()
            .zip(&options.listeners)
            .map(|(address, listener)| ListenerReport { address: address.to_string(), tls: listener.tls });
        let reports = reports.collect();
        let shared = Arc::new(Shared::new(cores, tls(&options)?));
        let (facts, facts_inbox) = mpsc::channel(FACTS);
        let log_settings = Arc::new(Mutex::new(serving.access_log()));
        let (lines, writer) = Writer::new(log_settings.clone());
        let (stop_accepting, stopped_accepting) = rustix::pipe::pipe().map_err(StartError::Pipe)?;
        let mut proxy = Self {
            shared: shared.clone(),
            cores: Vec::with_capacity(cores),
            addresses,
            stop_accepting,
            stop_control: watch::Sender::new(false),
            acceptor: None,
            threads: Vec::new(),
        };
        for index in 0..cores {
            proxy.start_core(index, &serving, &facts, &lines)?;
        }
        // the writer ends with the last core
        drop(lines);
        proxy.start_thread("access-log", move || writer.run())?;
        let parts = Parts {
            cores: proxy.cores.clone(),
            shared,
            registry,
            serving,
            log_settings,
            state: options.state,
            listeners: reports,
            incarnation: getrandom::u64().map_err(StartError::Random)?,
        };
        proxy.start_control(&options.run, parts, facts_inbox)?;
        proxy.start_acceptor(options.listeners, stopped_accepting)?;
        Ok(proxy)
    }

    fn start_core(
        &mut self,
        index: usize,
        serving: &Arc<Serving>,
        facts: &mpsc::Sender<Fact>,
        lines: &Lines,
    ) -> Result<(), StartError> {
        let (sender, inbox) = mpsc::unbounded_channel();
        let (shared, serving, facts) = (self.shared.clone(), serving.clone(), facts.clone());
        let lines = lines.clone();
        let ids = RequestIds::new().map_err(StartError::Random)?;
        self.cores.push(sender);
        self.spawn(format!("core-{index}"), move |runtime| {
            runtime.block_on(async { Core::new(index, shared, serving, facts, lines, ids).run(inbox).await });
        })
    }

    fn start_control(
        &mut self,
        run: &std::path::Path,
        parts: Parts,
        facts: mpsc::Receiver<Fact>,
    ) -> Result<(), StartError> {
        let (bound, wait_for_bound) = std::sync::mpsc::channel();
        let (run, stop) = (run.to_owned(), self.stop_control.subscribe());
        self.spawn("control".to_owned(), move |runtime| {
            runtime.block_on(async {
                let listener = match control::bind(&run) {
                    Ok(listener) => listener,
                    // the receiver waits just below
                    Err(error) => return drop(bound.send(Err(error))),
                };
                let _ = bound.send(Ok(()));
                Control::new(parts).run(listener, facts, stop).await;
            });
        })?;
        match wait_for_bound.recv() {
            Ok(bound) => Ok(bound?),
            Err(_) => Err(StartError::Thread {
                name: "control".to_owned(),
                source: io::Error::other("it ended before it had begun"),
            }),
        }
    }

    fn start_acceptor(&mut self, listeners: Vec<Listener>, stop: OwnedFd) -> Result<(), StartError> {
        let acceptor = Acceptor::new(self.shared.clone(), self.cores.clone(), listeners);
        let acceptor = acceptor.map_err(StartError::Listener)?;
        let thread = thread::Builder::new().name("acceptor".to_owned()).spawn(move || acceptor.run(&stop));
        let thread = thread.map_err(|source| StartError::Thread { name: "acceptor".to_owned(), source })?;
        self.acceptor = Some(thread);
        Ok(())
    }

    fn start_thread(&mut self, name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), StartError> {
        let thread = thread::Builder::new().name(name.to_owned()).spawn(run);
        let thread = thread.map_err(|source| StartError::Thread { name: name.to_owned(), source })?;
        self.threads.push(thread);
        Ok(())
    }

    fn spawn(
        &mut self,
        name: String,
        run: impl FnOnce(LocalRuntime) + Send + 'static,
    ) -> Result<(), StartError> {
        let (ready, wait_for_ready) = std::sync::mpsc::channel();
        let mut builder = Builder::new_current_thread();
        builder.enable_all().max_blocking_threads(MAX_READERS);
        let start = move || match builder.build_local(Default::default()) {
            Ok(runtime) => {
                // the receiver waits just below
                let _ = ready.send(Ok(()));
                run(runtime);
            }
            Err(error) => drop(ready.send(Err(error))),
        };
        let failed = |source| StartError::Thread { name: name.clone(), source };
        let thread = thread::Builder::new().name(name.clone()).spawn(start).map_err(failed)?;
        let made = wait_for_ready.recv().unwrap_or_else(|_| Err(io::Error::other("it ended at once")));
        made.map_err(failed)?;
        self.threads.push(thread);
        Ok(())
    }

    /// Addresses of the listening sockets, in their order.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Accepts nothing more, lets what is in flight end for at most `grace`, and ends all threads. A client that asks
    /// again on a connection gets its answer, which says that it was the last one there; connections at rest are closed
    /// after a while, WebSockets and endless answers as at a drain.
    pub fn shut_down(mut self, grace: Duration) {
        let until = Instant::now() + grace;
        self.shared.stopping.store(true, Ordering::Relaxed);
        drop(self.stop_accepting);
        // it counts the last connection that it has taken; a panic of it has been printed
        let _ = self.acceptor.take().map(JoinHandle::join);
        for core in &self.cores {
            // a core that has ended has nothing to finish
            let _ = core.send(Message::Stop(grace));
        }
        while self.shared.open() > 0 && Instant::now() < until {
            thread::sleep(LOOK);
        }
        self.stop_control.send_replace(true);
        self.cores.clear();
        for thread in self.threads.drain(..) {
            // a panic of a thread has been printed
            let _ = thread.join();
        }
    }
}

fn available() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// What was saved, or nothing: a proxy without a table answers 503 until the daemon sends one, which it always does.
fn load(options: &Options, registry: &mut Registry) -> Serving {
    let table = saved::load::<Table>(&options.state.join(TABLE_FILE)).unwrap_or_else(|error: SavedError| {
        log::line(format_args!("error: {error}"));
        None
    });
    let Some(table) = table else { return Serving::nothing() };
    let revision = table.revision;
    match registry.compile(table) {
        Ok(serving) => {
            log::line(format_args!("revision={revision} routes={} loaded", serving.routes.len()));
            serving
        }
        Err(error) => {
            log::line(format_args!("error: the saved table cannot be served: {error}"));
            Serving::nothing()
        }
    }
}

/// TLS with the saved certificates, or without any: then the daemon sends some, as it always does.
fn tls(options: &Options) -> Result<Tls, TlsSetupError> {
    let tls = Tls::new()?;
    let saved = saved::load::<SetCertificates>(&options.state.join(CERTIFICATES_FILE));
    match saved {
        Ok(None) => {}
        Ok(Some(message)) => match tls.read(&message) {
            Ok(certificates) => {
                log::line(format_args!("certificates={} loaded", certificates.len()));
                tls.replace(certificates);
            }
            Err(error) => {
                let why = log::with_causes(&error);
                log::line(format_args!("error: the saved certificates cannot be used: {why}"));
            }
        },
        Err(error) => log::line(format_args!("error: {}", log::with_causes(&error))),
    }
    Ok(tls)
}
