//! One request from its turn to its end: GET over kept and new connections, and uploads.
//!
//! Nothing is sent twice, with one exception that every correct client makes (RFC 9110, 9.2.2; RFC 9112, 9.3.1): a
//! server may close a kept connection while nothing is under way, and the next request then races with the close. When
//! such a connection ends before any byte of the answer, an idempotent request is sent once more, over a new
//! connection, and counted (`idle_close_retries`). A POST must not be repeated so: uploads have connections of
//! their own.

use super::client::Client;
use super::fault::Fault;
use super::kind::Kind;
use super::link::{Answer, Link, Progress};
use super::loss::Connection;
use super::page;
use super::schedule::Turn;
use super::tally::{Answerer, Ticket, millis};
use super::upload;

/// A fault, and the connection where it was.
type Failure = (Option<Connection>, Fault);

/// Status and origin of a right answer.
type Page = (u16, Option<Answerer>);

/// Carries a turn out and enters its end.
pub(super) async fn carry_out(client: &Client, turn: Turn) {
    match turn.kind {
        Kind::Upload => upload::carry_out(client, turn).await,
        Kind::NewConnection => over_new_connection(client, turn).await,
        _ => over_kept_connection(client, turn).await,
    }
}

async fn over_new_connection(client: &Client, turn: Turn) {
    let ticket = client.tally.sent(turn);
    let target = page::target(&client.plan, turn);
    let result = match Link::open(client).await {
        Ok(mut link) => ask(client, &mut link, turn, &target).await,
        Err(fault) => Err((None, fault)),
    };
    enter(client, ticket, &target, result);
}

async fn over_kept_connection(client: &Client, turn: Turn) {
    let seat = client.pool.seat().await;
    let ticket = client.tally.sent(turn);
    let target = page::target(&client.plan, turn);
    let (link, result) = match seat.link(client).await {
        Ok(link) => ask_twice_at_most(client, link, turn, &target).await,
        Err(fault) => (None, Err((None, fault))),
    };
    let is_fine = result.is_ok();
    enter(client, ticket, &target, result);
    if let Some(link) = link.filter(|_| is_fine) {
        seat.keep(link).await;
    }
}

/// The connection that was used last, and what came of it.
async fn ask_twice_at_most(
    client: &Client,
    mut link: Link,
    turn: Turn,
    target: &str,
) -> (Option<Link>, Result<Page, Failure>) {
    let first = ask(client, &mut link, turn, target).await;
    let was_reset = match &first {
        Err((_, Fault::NoAnswer { reset, .. })) if link.is_reused() => *reset,
        _ => return (Some(link), first),
    };
    client.tally.idle_close_retry(was_reset);
    match Link::open(client).await {
        Ok(mut link) => {
            let second = ask(client, &mut link, turn, target).await;
            (Some(link), second)
        }
        Err(fault) => (None, Err((None, fault))),
    }
}

async fn ask(client: &Client, link: &mut Link, turn: Turn, target: &str) -> Result<Page, Failure> {
    let mut progress = Progress::default();
    let answer = in_time(client, &mut progress, async |progress| link.get(target, progress).await).await;
    answer
        .and_then(|answer| {
            let by = page::check(&client.plan, turn, &answer)?;
            Ok((answer.status.as_u16(), by))
        })
        .map_err(|fault| (Some(link.connection()), fault))
}

/// An answer, or that it did not come whole within its time.
pub(super) async fn in_time<F>(client: &Client, progress: &mut Progress, send: F) -> Result<Answer, Fault>
where
    F: AsyncFnOnce(&mut Progress) -> Result<Answer, Fault>,
{
    let within = client.plan.answer_within;
    let timed_out = tokio::time::timeout(within, send(progress)).await;
    timed_out.unwrap_or_else(|_| {
        Err(Fault::Stalled { received_bytes: progress.received_bytes(), within_ms: millis(within) })
    })
}

fn enter(client: &Client, ticket: Ticket, target: &str, result: Result<Page, Failure>) {
    match result {
        Ok((status, by)) => client.tally.answered(ticket, status, by),
        Err((connection, fault)) => {
            client.tally.failed(ticket, format!("GET {target}"), connection, fault);
        }
    }
}
