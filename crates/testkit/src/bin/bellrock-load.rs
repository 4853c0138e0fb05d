//! Sends a load to a server and accounts for every request: `bellrock-load 127.0.0.1:8080`.
//!
//! Status 0: nothing was lost. 1: something was. 2: it could not begin. 3: too little of the schedule was sent in
//! time, so that the run says nothing.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use serde_json::json;
use testkit::load::{Load, Plan, Report, Weights};

const LOST: u8 = 1;
const COULD_NOT_BEGIN: u8 = 2;
const SAYS_NOTHING: u8 = 3;

/// Sends requests at fixed times and accounts for each: answered, or lost and how.
#[derive(Debug, Parser)]
#[command(name = "bellrock-load", version)]
struct Args {
    /// Address and port of the server, without TLS
    target: SocketAddr,
    /// Requests a second, over all kinds
    #[arg(long, default_value_t = 500)]
    rate: u32,
    /// How long
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// The Host header [default: the target]
    #[arg(long)]
    host: Option<String>,
    /// The application's name that pages must tell
    #[arg(long)]
    app: Option<String>,
    /// What to send
    #[arg(long, value_enum, default_value_t = Kinds::All)]
    kinds: Kinds,
    /// Clients that hold a stream of server-sent events
    #[arg(long, default_value_t = 8)]
    sse_clients: u16,
    /// Clients that hold a WebSocket
    #[arg(long, default_value_t = 8)]
    web_sockets: u16,
    /// Connections that are kept and used again, at most
    #[arg(long, default_value_t = 64)]
    kept_connections: u16,
    /// A 5xx without `x-bellrock-error` is the application's own and no loss
    #[arg(long)]
    app_errors_are_no_loss: bool,
    /// End as soon as standard input ends: for who starts this from a program
    #[arg(long)]
    until_eof: bool,
    /// Print a line of JSON with the counts so far each so many milliseconds
    #[arg(long, value_name = "MS")]
    progress: Option<u64>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kinds {
    /// Pages and streams: every HTTP sample answers them
    Pages,
    /// Uploads, events and WebSockets too: beacon answers them
    All,
}

impl Args {
    fn plan(&self) -> Plan {
        let plan = Plan::new(self.target, self.rate, Duration::from_secs(self.seconds.into()));
        let plan = Plan {
            host: self.host.clone(),
            app: self.app.clone(),
            weights: Weights::all(),
            sse_clients: self.sse_clients,
            web_sockets: self.web_sockets,
            kept_connections: self.kept_connections,
            app_errors_are_no_loss: self.app_errors_are_no_loss,
            ..plan
        };
        match self.kinds {
            Kinds::Pages => plan.pages_only(),
            Kinds::All => plan,
        }
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    let load = match Load::start(args.plan()) {
        Ok(load) => load,
        Err(error) => return could_not_begin(&error),
    };
    let report = watch(&args, load);
    if print(&args, &report).is_err() {
        // nobody reads it
        return ExitCode::from(LOST);
    }
    if !report.is_meaningful() {
        return ExitCode::from(SAYS_NOTHING);
    }
    if report.lost + report.under_way() > 0 { ExitCode::from(LOST) } else { ExitCode::SUCCESS }
}

fn could_not_begin(error: &dyn std::error::Error) -> ExitCode {
    eprint!("error: {error}");
    let mut cause = error.source();
    while let Some(each) = cause {
        eprint!(": {each}");
        cause = each.source();
    }
    eprintln!();
    ExitCode::from(COULD_NOT_BEGIN)
}

/// Waits for the end, and tells of the way there.
fn watch(args: &Args, load: Load) -> Report {
    let eof = args.until_eof.then(end_of_input);
    let until = Instant::now() + Duration::from_secs(args.seconds.into());
    let step = args.progress.map_or(Duration::from_secs(1), Duration::from_millis);
    loop {
        let now = Instant::now();
        if now >= until {
            return load.wait();
        }
        if is_told_to_end(eof.as_ref(), step.min(until - now)) {
            return load.stop();
        }
        if args.progress.is_some() && print_counts(&load.report()).is_err() {
            return load.stop();
        }
    }
}

/// Waits so long, or until standard input ends.
fn is_told_to_end(eof: Option<&Receiver<()>>, wait: Duration) -> bool {
    match eof {
        Some(eof) => !matches!(eof.recv_timeout(wait), Err(RecvTimeoutError::Timeout)),
        None => {
            thread::sleep(wait);
            false
        }
    }
}

/// Says when standard input has ended.
fn end_of_input() -> Receiver<()> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut byte = [0];
        while matches!(io::stdin().read(&mut byte), Ok(1)) {}
        // who would hear it may be gone
        let _ = sender.send(());
    });
    receiver
}

fn print_counts(report: &Report) -> io::Result<()> {
    let counts = json!({
        "lasted_ms": report.lasted_ms,
        "due": report.due,
        "in_time": report.in_time,
        "sent": report.sent,
        "answered": report.answered,
        "lost": report.lost,
        "resets": report.resets,
        "app_errors": report.app_errors,
        "idle_close_retries": report.idle_close_retries,
        "versions": report.versions.iter().map(|(name, each)| (name, each.answers)).collect::<Vec<_>>(),
    });
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{counts}")?;
    stdout.flush()
}

fn print(args: &Args, report: &Report) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    if args.json {
        serde_json::to_writer(&mut stdout, report)?;
        writeln!(stdout)?;
    } else {
        write!(stdout, "{report}")?;
    }
    stdout.flush()
}
