//! A shell in a node: the connection that asked for it becomes its terminal's.

use std::time::Duration;

use ::api::console::{FromTerminal, SHELL_PROTOCOL, ShellEnded, ShellQuery, ToTerminal};
use ::api::problem::Problem;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use dist::{Shell, ShellEnd, ShellEvent, ShellPlan, TerminalSize};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use model::AppName;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, ReadHalf, WriteHalf, split};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::super::api::Api;
use super::super::extract::{Path, Query};
use super::super::peer::Peer;
use super::super::problem::Failure;
use super::Place;
use super::evaluation::language;

/// Shells at the same time: enough for every operator of a host.
const MOST_SHELLS: usize = 16;
/// How long a shell may be idle unless somebody says otherwise.
const IDLE: Duration = Duration::from_secs(3600);
/// How long it may be idle at most.
const LONGEST_IDLE: Duration = Duration::from_secs(24 * 3600);
/// How long the node may take to start it.
const START: Duration = Duration::from_secs(10);
/// How long the caller may take to speak the other protocol.
const SWITCH: Duration = Duration::from_secs(10);
/// Longest line of the terminal's, bytes.
const MOST_LINE_BYTES: u64 = 1 << 20;

static SHELLS: Semaphore = Semaphore::const_new(MOST_SHELLS);

/// A shell in the node of an instance: IEx, or Erlang's.
///
/// Asked for with `Connection: Upgrade` and `Upgrade: bellrock-shell`; the connection then carries one JSON text a line,
/// `FromTerminal` there and `ToTerminal` back (crate `api`, `console`). The shell is killed, with what it evaluates, when
/// the connection ends; the node is never stopped by that. The audit records that it was begun, and not what is typed.
#[utoipa::path(get, path = "/v1/apps/{app}/shell", tag = "console", operation_id = "shell",
    params(("app" = String, Path, description = "Name of the app"), ShellQuery),
    responses((status = SWITCHING_PROTOCOLS, description = "The connection is the shell's terminal from now on"),
        (status = "default", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn shell(
    State(api): State<Api>,
    peer: Peer,
    Path(name): Path<AppName>,
    Query(query): Query<ShellQuery>,
    mut request: Request,
) -> Result<Response, Failure> {
    let asks = request.headers().get(header::UPGRADE).is_some_and(|protocol| protocol == SHELL_PROTOCOL);
    let Some(upgrade) = request.extensions_mut().remove::<OnUpgrade>().filter(|_| asks) else {
        let detail = format!("a shell is asked for with Upgrade: {SHELL_PROTOCOL}");
        return Err(Failure::new("no-upgrade", StatusCode::UPGRADE_REQUIRED, detail));
    };
    let Ok(permit) = SHELLS.try_acquire() else {
        let detail = format!("{MOST_SHELLS} shells are open on this host, and no more can be");
        return Err(Failure::new("too-many-shells", StatusCode::CONFLICT, detail));
    };
    let place = Place::find(&api, &name, query.place).await?;
    api.record(&peer, Some(&name), format!("shell in place {}", place.place)).await?;
    let size = TerminalSize { columns: query.columns, rows: query.rows };
    let plan = ShellPlan { language: query.language.map(language), size };
    let shell = place.node.shell(plan, START).await.map_err(|error| {
        Failure::new("node", StatusCode::BAD_GATEWAY, format!("no shell was begun: {}", host::chain(&error)))
    })?;
    let idle = query.idle_ms.map_or(IDLE, Duration::from_millis).min(LONGEST_IDLE);
    let session = Session { shell, place, idle, stop: api.stop.clone(), _permit: permit };
    api.control.tasks().spawn(session.begin(upgrade));
    let protocol = HeaderValue::from_static(SHELL_PROTOCOL);
    let headers = [(header::CONNECTION, HeaderValue::from_static("upgrade")), (header::UPGRADE, protocol)];
    Ok((StatusCode::SWITCHING_PROTOCOLS, headers).into_response())
}

/// A shell and what it is for.
struct Session {
    shell: Shell,
    place: Place,
    idle: Duration,
    stop: CancellationToken,
    _permit: SemaphorePermit<'static>,
}

/// The other end of the connection.
struct Terminal {
    lines: BufReader<ReadHalf<TokioIo<Upgraded>>>,
    /// The beginning of a line.
    line: Vec<u8>,
    out: WriteHalf<TokioIo<Upgraded>>,
}

impl Session {
    async fn begin(self, upgrade: OnUpgrade) {
        let connection = match timeout(SWITCH, upgrade).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return debug!(%error, "a shell has no terminal"),
            Err(_) => return debug!("a shell has no terminal: it did not come in time"),
        };
        if let Err(error) = self.run(Terminal::new(connection)).await {
            debug!(%error, "a shell's terminal has gone");
        }
    }

    /// Passes on what comes from both sides, until either ends. The shell is killed with us.
    async fn run(mut self, mut terminal: Terminal) -> std::io::Result<()> {
        let mut idle_at = Instant::now() + self.idle;
        loop {
            let tell = tokio::select! {
                event = self.shell.next() => match event {
                    Some(event) => self.view(event),
                    None => return Ok(()),
                },
                said = terminal.next() => match said? {
                    None => return Ok(()),
                    Some(said) => {
                        idle_at = Instant::now() + self.idle;
                        self.take(said).await;
                        continue;
                    }
                },
                () = sleep_until(idle_at) => {
                    ToTerminal::Ended { why: ShellEnded::Idle { for_ms: self.idle_ms() } }
                }
                () = self.stop.cancelled() => ToTerminal::Ended { why: ShellEnded::Stopping },
            };
            // a terminal that takes nothing for that long is idle as well
            timeout(self.idle, terminal.tell(&tell)).await??;
            if matches!(tell, ToTerminal::Ended { .. }) {
                return Ok(());
            }
            idle_at = Instant::now() + self.idle;
        }
    }

    fn idle_ms(&self) -> u64 {
        u64::try_from(self.idle.as_millis()).unwrap_or(u64::MAX)
    }

    /// What cannot be told to the node is told by its end, which comes next.
    async fn take(&self, said: FromTerminal) {
        let _ = match said {
            FromTerminal::Line { text } => self.shell.line(&text).await,
            FromTerminal::Interrupt => self.shell.interrupt().await,
            FromTerminal::Size { columns, rows } => self.shell.resize(TerminalSize { columns, rows }).await,
            FromTerminal::Complete { number, before } => self.shell.complete(number, &before).await,
            FromTerminal::Leave => self.shell.leave().await,
        };
    }

    fn view(&self, event: ShellEvent) -> ToTerminal {
        match event {
            ShellEvent::Started(language) => ToTerminal::Started {
                language: match language {
                    dist::Language::Erlang => ::api::console::Language::Erlang,
                    dist::Language::Elixir => ::api::console::Language::Elixir,
                },
                place: self.place.place,
                node: self.place.node.name().to_string(),
                idle_ms: Some(self.idle_ms()),
            },
            ShellEvent::Printed(text) => ToTerminal::Printed { text },
            ShellEvent::Read { prompt } => ToTerminal::Read { prompt },
            ShellEvent::Completed(dist::Completed { number, insert, names }) => {
                ToTerminal::Completed { number, insert, names }
            }
            ShellEvent::Ended(end) => ToTerminal::Ended {
                why: match end {
                    ShellEnd::Ended | ShellEnd::Left => ShellEnded::Ended,
                    ShellEnd::NoIex => ShellEnded::NoIex,
                    ShellEnd::Lost(reason) => ShellEnded::Lost { reason },
                },
            },
        }
    }
}

impl Terminal {
    fn new(connection: Upgraded) -> Self {
        let (lines, out) = split(TokioIo::new(connection));
        Terminal { lines: BufReader::new(lines), line: Vec::new(), out }
    }

    /// What it says next; none when it has gone. May be dropped while it waits: nothing is lost.
    async fn next(&mut self) -> std::io::Result<Option<FromTerminal>> {
        let room = MOST_LINE_BYTES.saturating_sub(self.line.len() as u64);
        (&mut self.lines).take(room).read_until(b'\n', &mut self.line).await?;
        match self.line.pop() {
            None => Ok(None),
            Some(b'\n') => {
                let said = serde_json::from_slice(&self.line);
                self.line.clear();
                said.map(Some).map_err(std::io::Error::other)
            }
            Some(_) => Err(std::io::Error::other("its line is too long, or breaks off")),
        }
    }

    async fn tell(&mut self, what: &ToTerminal) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(what).expect("it is made of texts and numbers");
        line.push(b'\n');
        self.out.write_all(&line).await?;
        self.out.flush().await
    }
}
