//! Uploads: a body in chunks, sent over some time, whose digest the answer must tell.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::Method;
use hyper::body::Frame;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::client::Client;
use super::fault::Fault;
use super::link::{Answer, Body, Link, Progress};
use super::page::{excerpt, wrong};
use super::request::in_time;
use super::schedule::Turn;

/// A body is sent in so many chunks, and one more for the rest.
const CHUNKS: usize = 10;

#[derive(Debug, Deserialize)]
struct Told {
    bytes: u64,
    sha256: String,
}

pub(super) async fn carry_out(client: &Client, turn: Turn) {
    let ticket = client.tally.sent(turn);
    let bytes = client.noise.body(turn.number, client.plan.shape.upload_bytes);
    let result = match Link::open(client).await {
        Ok(mut link) => {
            let sent = send(client, &mut link, &bytes).await;
            sent.map_err(|fault| (Some(link.connection()), fault))
        }
        Err(fault) => Err((None, fault)),
    };
    match result {
        Ok(()) => client.tally.answered(ticket, 200, None),
        Err((connection, fault)) => {
            let sent = format!("POST /upload of {} bytes", bytes.len());
            client.tally.failed(ticket, sent, connection, fault);
        }
    }
}

async fn send(client: &Client, link: &mut Link, bytes: &Bytes) -> Result<(), Fault> {
    let headers = [("content-type", "application/octet-stream")];
    let body = paced(bytes.clone(), client.plan.shape.upload_lasts);
    let mut progress = Progress::default();
    let answer = in_time(client, &mut progress, async |progress| {
        link.exchange(Method::POST, "/upload", &headers, body, progress).await
    });
    check(bytes, &answer.await?)
}

/// A body whose length is not told beforehand: it is sent in chunks.
fn paced(bytes: Bytes, lasts: Duration) -> Body {
    let length = bytes.len().div_ceil(CHUNKS).max(1);
    let pause = lasts / u32::try_from(CHUNKS).unwrap_or(1);
    let chunks = stream::unfold(bytes, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(pause).await;
        let chunk = rest.split_to(length.min(rest.len()));
        Some((Ok::<_, Infallible>(Frame::data(chunk)), rest))
    });
    StreamBody::new(chunks).boxed_unsync()
}

fn check(bytes: &[u8], answer: &Answer) -> Result<(), Fault> {
    if answer.status != 200 {
        return Err(Fault::Status { status: answer.status.as_u16() });
    }
    let told: Told = serde_json::from_slice(&answer.body)
        .map_err(|error| wrong(format!("no bytes and sha256 ({error}): {:?}", excerpt(&answer.body))))?;
    let sha256: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    if told.bytes != bytes.len() as u64 || told.sha256 != sha256 {
        return Err(wrong(format!(
            "{} bytes with SHA-256 {sha256} were sent, {} bytes with {} are told",
            bytes.len(),
            told.bytes,
            told.sha256
        )));
    }
    Ok(())
}
