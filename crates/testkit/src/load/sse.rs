//! A client that holds a stream of server-sent events all the time. When the server ends it properly, between two
//! events, the client comes again, as browsers do.

use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::Method;

use super::client::Client;
use super::events::Events;
use super::fault::Fault;
use super::kind::Kind;
use super::link::{Link, Progress, proxy_error};
use super::loss::Connection;
use super::page::wrong;
use super::tally::millis;

/// Before the client comes again.
const PAUSE: Duration = Duration::from_millis(100);

/// How a stream ended, other than by a fault.
enum End {
    ByServer,
    ByUs,
}

/// Holds streams until the run stops.
pub(super) async fn hold(client: &Client) {
    while !client.stop.is_cancelled() {
        one_stream(client).await;
        tokio::select! {
            () = client.stop.cancelled() => {}
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

async fn one_stream(client: &Client) {
    let ticket = client.tally.opened(Kind::Sse);
    let target = format!("/sse?ms={}", client.plan.shape.event_every.as_millis());
    match follow(client, &target).await {
        Ok(End::ByUs) => client.tally.closed(ticket),
        Ok(End::ByServer) => {
            client.tally.sse_ended();
            client.tally.closed(ticket);
        }
        Err((connection, fault)) => client.tally.failed(ticket, format!("GET {target}"), connection, fault),
    }
}

async fn follow(client: &Client, target: &str) -> Result<End, (Option<Connection>, Fault)> {
    let mut link = Link::open(client).await.map_err(|fault| (None, fault))?;
    let ended = read(client, &mut link, target).await;
    ended.map_err(|fault| (Some(link.connection()), fault))
}

async fn read(client: &Client, link: &mut Link, target: &str) -> Result<End, Fault> {
    let within = client.plan.answer_within;
    let stalled = |progress: &Progress| Fault::Stalled {
        received_bytes: progress.received_bytes(),
        within_ms: millis(within),
    };
    let mut progress = Progress::default();
    let headers = [("accept", "text/event-stream")];
    let begin = link.begin(Method::GET, target, &headers, Empty::new().boxed_unsync());
    let response = tokio::time::timeout(within, begin).await.map_err(|_| stalled(&progress))??;
    if let Some(fault) = proxy_error(&response) {
        return Err(fault);
    }
    if response.status() != 200 {
        return Err(Fault::Status { status: response.status().as_u16() });
    }
    let mut body = response.into_body();
    let mut events = Events::default();
    loop {
        let next = tokio::time::timeout(within, link.next_piece(&mut body, &mut progress));
        let piece = tokio::select! {
            () = client.stop.cancelled() => return Ok(End::ByUs),
            piece = next => piece.map_err(|_| stalled(&progress))??,
        };
        match piece {
            Some(piece) => events.take(&piece)?.iter().for_each(|version| client.tally.event(version)),
            None if events.is_at_boundary() => return Ok(End::ByServer),
            None => return Err(wrong(ended_inside(&events))),
        }
    }
}

fn ended_inside(events: &Events) -> String {
    format!("the stream ended inside event {}, after {:?}", events.count() + 1, events.partial())
}
