//! Clients that hold a WebSocket each, and share the scheduled messages. When the server goes away (1001, between
//! messages) a client comes again; a message that met the close on the way is sent again over the new socket.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc};

use super::client::Client;
use super::fault::{Fault, GOING_AWAY};
use super::kind::Kind;
use super::schedule::Turn;
use super::socket::{Course, Socket};
use super::tally::Ticket;

/// Before a client comes again.
const PAUSE: Duration = Duration::from_millis(100);

/// A message is sent so many times at most: a server that always goes away loses it.
const MOST_TRIES: u32 = 3;

/// Messages that are due and wait for a free socket.
pub(super) type Turns = Arc<Mutex<mpsc::Receiver<Turn>>>;

/// A message under way, perhaps over several sockets.
struct Message {
    turn: Turn,
    ticket: Ticket,
    tries: u32,
}

/// Why a client has no socket any more.
enum End {
    /// No message will come, or the run stops.
    Done,
    /// The server went away; the message that met the close.
    GoneAway(Option<Message>),
    /// It was lost.
    Lost,
}

/// Holds sockets until the run stops and no message waits.
pub(super) async fn hold(client: &Client, turns: &Turns) {
    let mut waiting = None;
    loop {
        let ticket = client.tally.opened(Kind::Socket);
        let opened = match Socket::open(client).await {
            Ok(socket) => match use_one(client, turns, socket, ticket, waiting.take()).await {
                End::Done => return,
                End::GoneAway(message) => {
                    waiting = message;
                    true
                }
                End::Lost => true,
            },
            Err((connection, fault)) => {
                client.tally.failed(ticket, "GET /ws".to_owned(), connection, fault);
                false
            }
        };
        let is_wanted = opened && (waiting.is_some() || !turns.lock().await.is_empty());
        if client.stop.is_cancelled() && !is_wanted {
            return give_up(client, waiting);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// A message that waits for a socket when there will be none.
fn give_up(client: &Client, waiting: Option<Message>) {
    if let Some(message) = waiting {
        let cause = "no WebSocket could be had to send it again".to_owned();
        fail(client, message, Fault::Connect { cause }, None);
    }
}

async fn use_one(
    client: &Client,
    turns: &Turns,
    mut socket: Socket,
    ticket: Ticket,
    mut waiting: Option<Message>,
) -> End {
    loop {
        let message = match waiting.take() {
            Some(message) => message,
            None => match next(client, turns, &mut socket).await {
                Ok(Some(turn)) => Message { turn, ticket: client.tally.sent(turn), tries: 0 },
                Ok(None) => {
                    socket.close().await;
                    client.tally.closed(ticket);
                    return End::Done;
                }
                Err(Idle::GoneAway) => return go(client, socket, ticket, None),
                Err(Idle::Fault(fault)) => {
                    let connection = Some(socket.connection());
                    client.tally.failed(
                        ticket,
                        "a WebSocket without a message".to_owned(),
                        connection,
                        fault,
                    );
                    return End::Lost;
                }
            },
        };
        match echo(client, &mut socket, message).await {
            Echo::Answered => {}
            Echo::GoneAway(message) => return go(client, socket, ticket, Some(message)),
            Echo::Lost => {
                // the message is the loss, and is counted once
                client.tally.closed(ticket);
                return End::Lost;
            }
        }
    }
}

fn go(client: &Client, socket: Socket, ticket: Ticket, message: Option<Message>) -> End {
    client.tally.socket_ended();
    client.tally.closed(ticket);
    tokio::spawn(socket.wait_for_end());
    End::GoneAway(message)
}

/// What ends a socket while no message is under way.
enum Idle {
    GoneAway,
    Fault(Fault),
}

/// The next message; none when there will be none.
async fn next(client: &Client, turns: &Turns, socket: &mut Socket) -> Result<Option<Turn>, Idle> {
    loop {
        let course = tokio::select! {
            // a close that has come goes before a message that is due
            biased;
            course = socket.next_idle() => course,
            turn = async { turns.lock().await.recv().await } => match turn {
                Some(turn) => return Ok(Some(turn)),
                None => return wait_for_stop(client, socket).await,
            },
        };
        match course {
            Ok(Course::GoesOn) => {}
            Ok(Course::GoneAway) => return Err(Idle::GoneAway),
            Err(fault) => return Err(Idle::Fault(fault)),
        }
    }
}

/// There are no more messages: the socket is held until the run stops.
async fn wait_for_stop(client: &Client, socket: &mut Socket) -> Result<Option<Turn>, Idle> {
    loop {
        tokio::select! {
            biased;
            course = socket.next_idle() => match course {
                Ok(Course::GoesOn) => {}
                Ok(Course::GoneAway) => return Err(Idle::GoneAway),
                Err(fault) => return Err(Idle::Fault(fault)),
            },
            () = client.stop.cancelled() => return Ok(None),
        }
    }
}

/// What became of a message.
enum Echo {
    Answered,
    GoneAway(Message),
    Lost,
}

async fn echo(client: &Client, socket: &mut Socket, mut message: Message) -> Echo {
    message.tries += 1;
    let bytes = client.noise.body(message.turn.number, client.plan.shape.message_bytes);
    match socket.echo(client, &bytes).await {
        Ok(Course::GoesOn) => {
            client.tally.answered(message.ticket, 101, None);
            Echo::Answered
        }
        Ok(Course::GoneAway) if message.tries < MOST_TRIES => {
            client.tally.crossed_close();
            Echo::GoneAway(message)
        }
        Ok(Course::GoneAway) => {
            let when = format!("{MOST_TRIES} times before the message was answered");
            fail(client, message, Fault::Closed { code: GOING_AWAY, when }, Some(socket));
            Echo::Lost
        }
        Err(fault) => {
            fail(client, message, fault, Some(socket));
            Echo::Lost
        }
    }
}

fn fail(client: &Client, message: Message, fault: Fault, socket: Option<&Socket>) {
    let shape = &client.plan.shape;
    let sent = format!("a message of {} bytes in {} frames", shape.message_bytes, shape.message_frames);
    client.tally.failed(message.ticket, sent, socket.map(Socket::connection), fault);
}
