//! `bellrock-proxy`: started by its shim, which holds the listening sockets; or by hand, with sockets of its own.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::{FromRawFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use proxy::{Listener, Options, Proxy};
use tokio::signal::unix::{SignalKind, signal};

/// Serves HTTP from a table of routes
#[derive(Debug, Parser)]
#[command(name = "bellrock-proxy", version)]
struct Arguments {
    /// Folder of the control socket
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    /// Folder of the saved table
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// Which of the inherited sockets speak TLS, counted from 0
    #[arg(long, value_name = "INDEX", num_args = 0..)]
    listen_tls: Vec<usize>,
    /// An address to serve besides the inherited sockets
    #[arg(long, value_name = "ADDRESS")]
    http: Vec<SocketAddr>,
    /// The same with TLS
    #[arg(long, value_name = "ADDRESS")]
    https: Vec<SocketAddr>,
    /// Threads that serve requests [default: one per processor]
    #[arg(long, value_name = "NUMBER", default_value_t = 0, hide_default_value = true)]
    cores: usize,
}

/// How long requests may go on after SIGTERM.
const GRACE: Duration = Duration::from_secs(30);
/// The first inherited socket.
const FIRST: i32 = 3;

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    raise_descriptors();
    let mut listeners = inherited(&arguments.listen_tls)?;
    for (addresses, tls) in [(&arguments.http, false), (&arguments.https, true)] {
        for address in addresses {
            let socket =
                TcpListener::bind(address).with_context(|| format!("could not listen on {address}"))?;
            listeners.push(Listener { socket, tls });
        }
    }
    let options = Options { run: arguments.run, state: arguments.state, listeners, cores: arguments.cores };
    let proxy = Proxy::start(options)?;
    for address in proxy.addresses() {
        println!("address={address} listening");
    }
    wait_for_end()?;
    println!("state=stopping");
    proxy.shut_down(GRACE);
    println!("state=stopped");
    Ok(())
}

/// Waits for SIGTERM or SIGINT.
fn wait_for_end() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        Ok(())
    })
}

/// The sockets that the shim listens on.
fn inherited(tls: &[usize]) -> Result<Vec<Listener>> {
    let Some(number) = std::env::var_os(wire::shim::LISTEN_VARIABLE) else { return Ok(Vec::new()) };
    let number = number.to_str().and_then(|number| number.parse::<i32>().ok());
    let number = number.with_context(|| format!("{} is no number", wire::shim::LISTEN_VARIABLE))?;
    Ok((0..number)
        .map(|index| Listener { socket: inherit(FIRST + index), tls: tls.contains(&(index as usize)) })
        .collect())
}

#[allow(unsafe_code)]
fn inherit(descriptor: i32) -> TcpListener {
    // SAFETY: the shim, which started us, says with LISTEN_VARIABLE that these descriptors are ours; nothing else has
    // touched them, as this is called first of all and once for each.
    let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
    // what runs under us, if ever something does, is not to have them
    let _ = rustix::io::fcntl_setfd(&descriptor, rustix::io::FdFlags::CLOEXEC);
    TcpListener::from(descriptor)
}

/// Each connection needs descriptors (see `descriptors`); the usual soft limit of 1024 would be reached soon.
fn raise_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // to where we may: a lower limit is no reason not to serve
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}
